"""The servers that plugin authors test with: a gateway in a process of its own, and an upstream that tells what it saw."""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest

from host.testing import ProxyServer, UpstreamServer
from host.testing.upstream import Request, Response


def routes(node: str, uri: str = "/*") -> dict[str, object]:
    """One route to one node."""
    return {"routes": [{"uri": uri, "upstream": {"nodes": {node: 1}}}]}


def ask(server: UpstreamServer, method: str, body: bytes | list[bytes] | None = None) -> tuple[int, bytes]:
    """One request; a list is sent chunked."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        content = iter(body) if isinstance(body, list) else body
        connection.request(method, "/a?b", content, encode_chunked=isinstance(body, list))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_an_upstream_keeps_what_came(upstream: UpstreamServer) -> None:
    """Method, target, fields, content with either framing."""
    assert ask(upstream, "PURGE", b"content") == (200, b"")
    assert ask(upstream, "POST", [b"a", b"bc"]) == (200, b"")
    assert [(each.method, each.target, each.body) for each in upstream.requests] == [
        ("PURGE", "/a?b", b"content"),
        ("POST", "/a?b", b"abc"),
    ]
    assert upstream.requests[0].header("content-length") == "7"


@pytest.mark.parametrize(
    ("method", "status", "body"), [("GET", 201, b"x"), ("HEAD", 200, b""), ("GET", 204, b"")]
)
def test_an_upstream_answers_as_it_is_told(
    upstream: UpstreamServer, method: str, status: int, body: bytes
) -> None:
    """No content goes out where RFC 9110 has none: the connection would be out of step."""
    upstream.respond(status, [("X-A", "1")], b"x" if status != 204 else b"")
    assert ask(upstream, method) == (status, body)


def test_an_upstream_may_decide_by_request(upstream: UpstreamServer) -> None:
    """`handler` sees the request."""

    def handle(request: Request) -> Response:
        return Response(202, body=request.method.encode())

    upstream.handler = handle
    assert ask(upstream, "PUT", b"") == (202, b"PUT")


def test_a_proxy_serves_and_takes_another_configuration(
    proxy_server: Callable[..., ProxyServer], upstream: UpstreamServer
) -> None:
    """All workers have it when `reload` returns."""
    proxy = proxy_server(routes(upstream.node, "/old"), workers=2)
    assert [proxy.request("GET", path).status for path in ("/old", "/new")] == [200, 404]
    proxy.reload(routes(upstream.node, "/new"))
    assert {proxy.request("GET", "/new").status for _ in range(20)} == {200}
    assert proxy.request("POST", "/new", {"X-A": "1"}, b"content").status == 200
    assert upstream.requests[-1].body == b"content"
    assert upstream.requests[-1].header("x-a") == "1"


def test_a_refused_reload_raises_with_the_reason(
    proxy_server: Callable[..., ProxyServer], upstream: UpstreamServer
) -> None:
    """What served before serves on."""
    proxy = proxy_server(routes(upstream.node))
    with pytest.raises(AssertionError, match="uri"):
        proxy.reload({"routes": [{"upstream": {"nodes": {upstream.node: 1}}}]})
    assert proxy.request("GET").status == 200


def test_a_gateway_that_does_not_come_up_says_why(tmp_path: Path) -> None:
    """Its log is in the error."""
    with pytest.raises(AssertionError, match="holds no routes"):
        ProxyServer(tmp_path, "routs: []\n")


def test_a_closed_gateway_is_gone(proxy_server: Callable[..., ProxyServer], upstream: UpstreamServer) -> None:
    """Nobody listens any more, workers included."""
    proxy = proxy_server(routes(upstream.node))
    proxy.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(proxy.address, 5).close()
