"""Requests and responses that are in order pass, in the bytes expected on the other side."""

from __future__ import annotations

import pytest

from tests.http.wire import Peer, Wire

FORWARDED = (
    b"X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"
    b"X-Forwarded-Host: a\r\nX-Forwarded-Port: 9080\r\n"
)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
DATE = b"Date: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
SENT_DATE = b"Date: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 2\r\n\r\nhi"
SENT_OK = b"HTTP/1.1 200 OK\r\n" + SENT_DATE + b"Content-Length: 2\r\n\r\nhi"


def asked(wire: Wire, data: bytes, step: int = 0) -> tuple[Peer, Peer]:
    """A client that has sent the data, and the node's end of the connection made for it."""
    client = wire.client()
    client.send(data, step)
    return client, wire.accept()


@pytest.mark.parametrize("step", [0, 1, 7])
def test_a_get_and_its_answer_pass_in_one_write_each(step: int) -> None:
    """The plain case, byte for byte; Host comes first (RFC 9110, 7.2) and the client is told of."""
    wire = Wire()
    client, node = asked(wire, b"GET /a?b=c HTTP/1.1\r\nhost: a\r\nAccept:  */* \r\n\r\n", step)
    assert node.received() == b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n" + FORWARDED + b"\r\n"
    node.send(OK)
    assert client.received() == SENT_OK
    assert client.transport.writes == node.transport.writes == 1
    assert not client.transport.closed
    assert not node.transport.closed


def test_both_connections_are_used_again() -> None:
    """Keep-alive on both sides: a second request needs no new connection."""
    wire = Wire()
    client, node = asked(wire, GET)
    for _ in range(3):
        assert node.received().startswith(b"GET / ")
        node.send(OK)
        assert client.received() == SENT_OK
        client.send(GET)
    assert not wire.dialer.waiting


def test_pipelined_requests_are_answered_in_order() -> None:
    """They wait for each other: one is in flight at a time."""
    wire = Wire()
    client, node = asked(
        wire, b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5))
    )
    for number in range(5):
        assert node.received().startswith(b"GET /%d " % number)
        node.send(b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 1\r\n\r\n%d" % number)
        assert client.received().endswith(b"\r\n\r\n%d" % number)
    assert not node.received()
