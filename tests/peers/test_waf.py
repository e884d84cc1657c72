"""coraza-proxy-wasm, built from its sources, in front of an upstream: the OWASP Core Rule Set blocks and passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.testing import ProxyServer, UpstreamServer

ROOT = Path(__file__).resolve().parents[2]
CORAZA = ROOT / ".peers/coraza.wasm"


@pytest.fixture(scope="module")
def waf(
    require_peer: Callable[[Path | str, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ProxyServer, UpstreamServer]]:
    """The example's gateway: one start for all requests, as it compiles 20 MB when nothing is cached."""
    module = require_peer(CORAZA, "coraza-proxy-wasm")
    folder = tmp_path_factory.mktemp("waf")
    (folder / "coraza.wasm").symlink_to(module)
    text = (ROOT / "examples/waf/sluiceway.yaml").read_text()
    with UpstreamServer() as upstream:
        upstream.respond(200, [("Content-Type", "text/plain")], b"hello")
        with ProxyServer(folder, text.replace("127.0.0.1:1980", upstream.node), patience=180) as proxy:
            yield proxy, upstream


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "status"),
    [
        ("GET", "/", {}, None, 200),
        ("GET", "/?q=hello&page=2", {}, None, 200),
        ("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"id=1&name=ann", 200),
        ("GET", "/?q=%3Cscript%3Ealert(1)%3C/script%3E", {}, None, 403),
        ("GET", "/?id=1%27%20OR%20%271%27=%271%27%20--%20", {}, None, 403),
        ("GET", "/?file=../../../../etc/passwd", {}, None, 403),
        ("GET", "/", {"User-Agent": "() { :;}; /bin/cat /etc/passwd"}, None, 403),
        ("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"id=1' OR '1'='1' -- ", 403),
        ("POST", "/", {"Content-Type": "application/json"}, b'{"q": "<script>alert(1)</script>"}', 403),
    ],
    ids=["plain", "query", "form", "xss", "sqli", "traversal", "shellshock", "sqli-in-body", "xss-in-json"],
)
def test_attacks_are_blocked_and_others_pass(
    waf: tuple[ProxyServer, UpstreamServer],
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes | None,
    status: int,
) -> None:
    """By the rules as they come, with no exception for this test."""
    proxy, upstream = waf
    before = len(upstream.requests)
    answer = proxy.request(method, target, {"User-Agent": "curl/8", "Accept": "*/*", **headers}, body)
    assert answer.status == status
    # The plugin judges a request without content when its response comes: the client gets none of that.
    if body is not None:
        assert len(upstream.requests) - before == (status == 200)
    assert (b"hello" in answer.body) is (status == 200)


@pytest.mark.timeout(240)
def test_a_blocked_request_is_logged_with_its_rule(waf: tuple[ProxyServer, UpstreamServer]) -> None:
    """The operator has to find out why."""
    proxy, _ = waf
    headers = {"User-Agent": "curl/8", "Accept": "*/*", "X-Request-Id": "attack-1"}
    assert proxy.request("GET", "/?q=%3Cscript%3Ealert(2)%3C/script%3E", headers).status == 403
    (line,) = proxy.wait_for(r"plugin=waf .*request=attack-1.*id \\?\"941\d\d\d\\?\"")
    assert "XSS" in line
