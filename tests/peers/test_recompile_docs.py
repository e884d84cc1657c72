"""The plugins of docs/recompile.md, compiled by the command as there, and served by the configurations there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from host.cli import main
from host.testing import ProxyServer, UpstreamServer

pytestmark = [pytest.mark.builds_peers, pytest.mark.timeout(600)]

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/recompile.md").read_text()


def block(section: str, language: str) -> str:
    """The block of code of that language in a section of the document."""
    text = DOCUMENT.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def serve(
    require_peer: Callable[[Path | str | None, str], Path],
    tmp_path: Path,
    proxy_server: Callable[..., ProxyServer],
    upstream: UpstreamServer,
) -> Callable[[str], ProxyServer]:
    """A function that compiles and serves a section's plugin."""
    require_peer(shutil.which("go"), "Go 1.24 or newer")

    def serve_(section: str) -> ProxyServer:
        source = tmp_path / "go-hello.go"
        source.write_text(block(section, "go"))
        assert main(["build", str(source), "-o", str(tmp_path / "plugin.wasm")]) == 0
        return proxy_server(
            block(section, "yaml").replace("127.0.0.1:8080", upstream.node), tmp_path, patience=120
        )

    return serve_


def test_kong(serve: Callable[[str], ProxyServer]) -> None:
    """A field that the plugin sets before there is a response."""
    answer = serve("Kong").request("GET", "/get", headers={"Host": "a.example"})
    assert answer.status == 200
    assert ("x-hello-from-go", "Go says hello to a.example") in [
        (name.lower(), value) for name, value in answer.headers
    ]


def test_apisix(serve: Callable[[str], ProxyServer], upstream: UpstreamServer) -> None:
    """An answer, with the spelling that the plugin gave."""
    answer = serve("APISIX").request("GET", "/get")
    assert (answer.status, answer.body) == (200, b"hello")
    assert ("X-Resp-A6-Runner", "Go") in answer.headers
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert not upstream.requests


def test_tyk(serve: Callable[[str], ProxyServer], upstream: UpstreamServer) -> None:
    """A key that is let in, and one that is not."""
    server = serve("Tyk")
    refused = server.request("GET", "/get", headers={"Authorization": "xyz"})
    assert (refused.status, refused.body) == (403, b"")
    assert not upstream.requests
    assert server.request("GET", "/get", headers={"Authorization": "abc"}).status == 200
    assert upstream.requests[0].header("Foo") == "Bar"
