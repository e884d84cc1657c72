"""Code from elsewhere, fetched once: from the disk if it is there, and not at all for a while after it failed."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from host.code.errors import CodeError
from host.code.http import HttpClient
from host.code.oci import Registry
from host.code.reference import parse
from host.code.store import CodeStore

NEGATIVE_SECONDS = 10.0
"""For so long a failure is answered from memory (Envoy's negative cache)."""

PullPolicy = Literal["if_not_present", "always"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where code is: `url` begins with https://, http:// or oci://.

    `sha256`: that of the module, hexadecimal; empty: not checked. `timeout`: seconds for one try of `retries` + 1.
    `pull_policy`: whether a registry is asked again for a tag that has been fetched before.
    """

    url: str
    sha256: str = ""
    timeout: float = 30.0
    retries: int = 2
    pull_policy: PullPolicy = "if_not_present"
    pull_secret: Path | None = None
    trusted_ca: Path | None = None


_Module = tuple[bytes, str]
"""A module and its SHA-256."""


class Fetcher:
    """Fetches code, for any thread. `limit`: bytes that a module may have."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._store = CodeStore(folder)
        self._limit = limit
        self._failures: dict[Remote, tuple[float, CodeError]] = {}
        self._lock = threading.Lock()

    def fetch(self, remote: Remote) -> bytes:
        """Return the code. Raises CodeError."""
        if remote.sha256 and (content := self._store.get(remote.sha256)) is not None:
            return content
        with self._lock:
            until, failure = self._failures.get(remote, (0.0, None))
        if failure is not None and time.monotonic() < until:
            raise CodeError(str(failure), is_final=failure.is_final)
        try:
            with self._store.alone(remote.url):
                content = self._fetch(remote)
        except CodeError as error:
            with self._lock:
                self._failures[remote] = (time.monotonic() + NEGATIVE_SECONDS, error)
            raise
        with self._lock:
            self._failures.pop(remote, None)
        return content

    def _fetch(self, remote: Remote) -> bytes:
        if remote.sha256 and (content := self._store.get(remote.sha256)) is not None:
            return content  # another worker has brought it while this one waited
        client = HttpClient(timeout=remote.timeout, retries=remote.retries, trusted_ca=remote.trusted_ca)
        is_image = remote.url.startswith("oci://")
        content, digest = (self._pull if is_image else self._download)(remote, client)
        if remote.sha256 and digest != remote.sha256:
            raise CodeError(f"{remote.url}: its sha256 is {digest}, not {remote.sha256}", is_final=True)
        self._store.put(content, digest)
        return content

    def _download(self, remote: Remote, client: HttpClient) -> _Module:
        answer = client.get(remote.url, self._limit)
        if answer.status != 200:
            raise CodeError(f"{remote.url}: status {answer.status}")
        return answer.body, hashlib.sha256(answer.body).hexdigest()

    def _pull(self, remote: Remote, client: HttpClient) -> _Module:
        if remote.pull_policy == "if_not_present" and (module := self._kept(remote.url)) is not None:
            return module
        registry = Registry(parse(remote.url), client, remote.pull_secret)
        layer = registry.layer()
        module = self._kept(layer["digest"])
        if module is None:
            content = registry.module(layer, self._limit)
            module = content, hashlib.sha256(content).hexdigest()
        self._store.name(layer["digest"], module[1])
        self._store.name(remote.url, module[1])
        return module

    def _kept(self, name: str) -> _Module | None:
        digest = self._store.named(name)
        if digest is None or (content := self._store.get(digest)) is None:
            return None
        return content, digest
