"""Images out of a real registry, through a real gateway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.testing import ProxyServer, UpstreamServer
from tests.code.images import DOCKER_MANIFEST, OCI_MANIFEST, TAR_GZIP, archive
from tests.peers import registry
from tests.peers.process import Server, free_port

ROOT = Path(__file__).resolve().parents[2]
MODULE = (ROOT / "testdata/plugins/custom_response_header/plugin.wasm").read_bytes()


@pytest.fixture(params=[False, True], ids=["open", "locked"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, require_peer: Callable[[Path | str, str], Path]
) -> Iterator[tuple[int, bool]]:
    """A registry: its port, and whether it wants credentials."""
    binary = require_peer(registry.BINARY, "docker-registry")
    port, locked = free_port(), bool(request.param)
    command = [str(binary), "serve", str(registry.configuration(tmp_path, port, locked=locked))]
    running = Server(command, port, tmp_path / "log")
    try:
        yield port, locked
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("layer", "media_type", "kind"),
    [
        (MODULE, "application/vnd.module.wasm.content.layer.v1+wasm", OCI_MANIFEST),
        (archive({"plugin.wasm": MODULE}), TAR_GZIP, OCI_MANIFEST),
        (
            archive({"plugin.wasm": MODULE}),
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            DOCKER_MANIFEST,
        ),
    ],
    ids=["artifact", "compat", "docker"],
)
def test_a_plugin_out_of_a_registry_serves(
    server: tuple[int, bool],
    layer: bytes,
    media_type: str,
    kind: str,
    tmp_path: Path,
    proxy_server: Callable[..., ProxyServer],
    upstream: UpstreamServer,
) -> None:
    """In each layout, with and without credentials."""
    port, locked = server
    registry.push(port, "team/header", "1.0", layer, media_type, kind=kind)
    plugin: dict[str, object] = {
        "name": "header",
        "priority": 1,
        "url": f"oci://127.0.0.1:{port}/team/header:1.0",
        "fetch_retries": 0,
    }
    if locked:
        secret = tmp_path / "secret.json"
        secret.write_text(json.dumps({"auths": {f"127.0.0.1:{port}": registry.CREDENTIALS}}))
        plugin["image_pull_secret"] = str(secret)
    conf = {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}
    route = {"uri": "/*", "upstream": {"nodes": {upstream.node: 1}}, "plugins": {"header": {"conf": conf}}}
    environment = {"SLUICEWAY_CACHE": str(tmp_path / "cache/modules")}
    proxy = proxy_server({"wasm": {"plugins": [plugin]}, "routes": [route]}, environment=environment)
    assert proxy.request("GET").header("X-Go-Wasm") == "APISIX"
