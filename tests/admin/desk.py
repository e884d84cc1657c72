"""The Admin API without anybody who serves: what it would have served is kept, and can be refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from host.admin.access import Keys
from host.admin.api import AdminApi
from host.admin.messages import AdminRequest, NotNow
from host.admin.resources import Proposal, Resources
from host.config import AdminKey, Config
from host.config.files import admin_of, read

ADMIN, VIEWER = "a-key-of-an-admin", "a-key-of-a-viewer"
NODES = {"127.0.0.1:1980": 1}
ROUTE: dict[str, Any] = {"uri": "/get", "upstream": {"type": "roundrobin", "nodes": NODES}}

FILE = """\
wasm: {plugins: [{name: hdr, priority: 1, file: hdr.wasm}]}
deployment: {admin: {}}
routes:
  - {id: 7, uri: /file, service_id: s}
  - {uri: /unnamed, upstream: {nodes: {"127.0.0.1:1": 1}}}
services:
  - {id: s, upstream: {nodes: {"127.0.0.1:1": 1}}}
"""


class Desk:
    """The API over a file; `now` is its clock."""

    def __init__(self, folder: Path, text: str = FILE, store: str = "") -> None:
        (folder / "hdr.wasm").write_bytes(b"\0asm")
        self.path = folder / "gateway.yaml"
        self.path.write_text(text.replace("admin: {}", f"admin: {{store: {store}}}") if store else text)
        self.served: list[Config] = []
        self.refuse: list[str] = []
        self.not_now = ""
        self.now = 1000.0
        documents = read(self.path)
        settings = admin_of(documents)
        assert settings is not None
        self.resources = Resources(lambda: read(self.path), documents, settings.store)
        self.resources.settle(self.resources.first())
        keys = Keys([AdminKey("a", ADMIN, "admin"), AdminKey("v", VIEWER, "viewer")])
        self.api = AdminApi(self.resources, keys, self._apply, asyncio.Lock(), lambda: self.now)

    async def _apply(self, proposal: Proposal) -> list[str]:
        if self.not_now:
            raise NotNow(self.not_now)
        if not self.refuse:
            self.served.append(proposal.config)
        return self.refuse

    def ask(
        self, method: str, path: str, value: Any = None, *, key: str = ADMIN, body: bytes | None = None
    ) -> tuple[int, Any]:
        """Ask for `/apisix/admin` and the path; return status and decoded body."""
        if body is None:
            body = b"" if value is None else json.dumps(value).encode()
        target = f"/apisix/admin{path}".encode()
        answer = asyncio.run(
            self.api.handle(AdminRequest(method.encode(), target, "127.0.0.1", key.encode(), body))
        )
        assert answer.body.endswith(b"}\n")
        return answer.status, json.loads(answer.body)

    def uris(self) -> list[str]:
        """The URIs that are served now."""
        return [uri for route in self.resources.first().config.routes for uri in route.uris]
