"""Which fields pass, which end here, and which are ours (RFC 9110, 7.6.1)."""

from __future__ import annotations

import pytest

from host.http.settings import HttpSettings
from tests.http.wire import Wire

FORWARDED = (
    b"X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"
    b"X-Forwarded-Host: a\r\nX-Forwarded-Port: 9080\r\n"
)


def sent_for(fields: bytes, line: bytes = b"GET / HTTP/1.1", settings: HttpSettings | None = None) -> bytes:
    """The upstream's request for a client's with these fields, without its first line and Host."""
    wire = Wire(settings)
    wire.client().send(line + b"\r\nHost: a\r\n" + fields + b"\r\n")
    request = wire.accept().received()
    start = b"Host: a\r\n"
    return request[request.index(start) + len(start) :]


@pytest.mark.parametrize(
    "fields",
    [
        b"Connection: close\r\n",
        b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n",
        b"Proxy-Connection: keep-alive\r\n",
        b"Connection: x-a\r\nX-A: 1\r\n",
        b"X-A: 1\r\nX-B: 2\r\nConnection: x-a , ,X-B\r\n",
        b"X-A: 1\r\nX-A: 2\r\nConnection: x-a\r\nConnection: close\r\n",
        b"TE: trailers\r\n",
        b"TE: gzip\r\nConnection: te\r\n",
        b"Upgrade: websocket\r\n",
        b"Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket, h2c\r\n",
        b"X-Real-IP: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n",
        b"Connection: host, content-length\r\n",
    ],
)
def test_hop_by_hop_and_forged_fields_end_here(fields: bytes) -> None:
    """What belongs to the client's connection, and what only we may say of it."""
    assert sent_for(fields) == FORWARDED + b"\r\n"


def test_te_trailers_passes() -> None:
    """gRPC asks for it; Connection names it again, as it is hop by hop (RFC 9110, 10.1.4)."""
    assert (
        sent_for(b"TE: trailers, deflate\r\nConnection: TE\r\n")
        == FORWARDED + b"TE: trailers\r\nConnection: TE\r\n\r\n"
    )


def test_the_client_is_appended_to_x_forwarded_for() -> None:
    """To the last of several fields, which are one list."""
    sent = sent_for(b"X-Forwarded-For: 1.1.1.1\r\nA: b\r\nX-Forwarded-For: 2.2.2.2\r\n")
    assert sent.startswith(
        b"X-Forwarded-For: 1.1.1.1\r\nA: b\r\nX-Forwarded-For: 2.2.2.2, 192.0.2.7\r\nX-Real-IP: "
    )


def test_forwarded_fields_of_a_trusted_proxy_are_kept() -> None:
    """A gateway behind a load balancer must not call every request http."""
    sent = sent_for(
        b"X-Forwarded-Proto: https\r\nX-Real-IP: 3.3.3.3\r\n", settings=HttpSettings(trust_forwarded=True)
    )
    assert b"X-Forwarded-Proto: https\r\nX-Real-IP: 3.3.3.3\r\nX-Forwarded-For: 192.0.2.7\r\n" in sent
    assert sent.lower().count(b"x-forwarded-proto") == 1


@pytest.mark.parametrize(
    ("target", "host", "line"),
    [
        (b"http://a/b?c", b"a", b"GET /b?c HTTP/1.1\r\nHost: a\r\n"),
        (b"HTTP://A", b"a", b"GET / HTTP/1.1\r\nHost: A\r\n"),
        (b"http://a:80?b", b"a:80", b"GET /?b HTTP/1.1\r\nHost: a:80\r\n"),
        (b"/a%20b;c=\xc3\xa4", b"[::1]:80", b"GET /a%20b;c=\xc3\xa4 HTTP/1.1\r\nHost: [::1]:80\r\n"),
        (b"//a/../b", b"a", b"GET //a/../b HTTP/1.1\r\nHost: a\r\n"),
    ],
)
def test_targets_go_on_in_origin_form(target: bytes, host: bytes, line: bytes) -> None:
    """RFC 9112, 3.2.1 and 3.2.2; the path is not changed."""
    wire = Wire()
    wire.client().send(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert wire.accept().received().startswith(line)


@pytest.mark.parametrize("target", [b"*", b"http://a"])
def test_options_of_the_whole_server(target: bytes) -> None:
    """Asterisk form, and what stands for it in absolute form (RFC 9112, 3.2.4)."""
    wire = Wire()
    wire.client().send(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.accept().received().startswith(b"OPTIONS * HTTP/1.1\r\n")


def test_http_1_0_needs_no_host() -> None:
    """The upstream is spoken to in HTTP/1.1, where there is always one."""
    wire = Wire(pass_host="node")
    wire.client().send(b"\r\nGET / HTTP/1.0\r\n\r\n")
    assert wire.accept().received().startswith(b"GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n")


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({}, b"a"),
        ({"pass_host": "node"}, b"10.0.0.1:8080"),
        ({"pass_host": "rewrite", "upstream_host": "b.example"}, b"b.example"),
    ],
)
def test_the_host_that_an_upstream_gets(options: dict[str, str], host: bytes) -> None:
    """APISIX's pass_host; X-Forwarded-Host is always the client's."""
    wire = Wire(**options)
    wire.client().send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    request = wire.accept().received()
    assert request.startswith(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n")
    assert b"X-Forwarded-Host: a\r\n" in request


def test_hop_by_hop_fields_of_a_response_end_here() -> None:
    """Connection and what it names, Keep-Alive, Upgrade offers; Date is added where it is missing."""
    wire = Wire()
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.accept().send(
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-A\r\nKeep-Alive: timeout=5\r\nX-A: 1\r\nUpgrade: h2\r\n"
        b"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"
    )
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate: ")
    assert answer.endswith(b" GMT\r\nContent-Length: 0\r\n\r\n")


def test_no_route_is_a_404_that_keeps_the_connection() -> None:
    """The local answer, byte for byte but for its date."""
    wire = Wire(match=lambda exchange: None)
    client = wire.client()
    for _ in range(2):
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head, _, body = client.received().partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        assert [line for line in lines if not line.startswith(b"Date: ")] == [
            b"HTTP/1.1 404 Not Found",
            b"Content-Type: application/json",
            b"Server: sluiceway",
            b"Content-Length: 36",
        ]
        assert body == b'{"error_msg":"404 Route Not Found"}\n'
    assert not client.transport.closed


def test_a_pipeline_of_requests_without_route_is_answered_whole() -> None:
    """Answers on the spot do not pile up on the stack."""
    wire = Wire(HttpSettings(max_requests=100_000), match=lambda exchange: None)
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5000)
    assert client.received().count(b"HTTP/1.1 404 ") == 5000


def test_what_routes_match_on() -> None:
    """The request's authority, method and path without query, as they came."""
    seen = []

    def match(exchange: object) -> None:
        seen.append(exchange.target)  # type: ignore[attr-defined]

    wire = Wire(match=match)
    client = wire.client()
    client.send(b"PURGE /a/b%20?c=d?e HTTP/1.1\r\nA: b\r\nHost: Example.com:80\r\n\r\n")
    client.send(b"OPTIONS * HTTP/1.0\r\n\r\n")
    assert seen == [(b"Example.com:80", b"PURGE", b"/a/b%20"), (b"", b"OPTIONS", b"*")]
