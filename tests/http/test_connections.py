"""What a client may hold open, and for how long: on a clock driven by hand."""

from __future__ import annotations

import pytest

from host.http.settings import HttpSettings
from tests.http.wire import Wire, status_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
SETTINGS = HttpSettings(
    head_timeout=10, body_timeout=20, keepalive_timeout=30, send_timeout=40, stream_timeout=500, linger_timeout=5,
    max_requests=3, max_connections=2, max_held_bytes=100,
)  # fmt: skip


def test_a_head_that_does_not_end_in_time_is_a_408() -> None:
    """However steadily its bytes trickle in (a slow-loris attack)."""
    wire = Wire(SETTINGS)
    client = wire.client()
    for byte in b"GET / HTTP/1.":
        client.send(bytes([byte]))
        wire.wait(0.7)
    client.send(b"1\r\nA: b\r\n")
    wire.wait(2)
    assert status_of(client.received()) == 408
    assert client.transport.eof
    wire.wait(7)
    assert client.transport.aborted


def test_a_connection_without_a_request_is_closed() -> None:
    """In silence: nothing was asked."""
    wire = Wire(SETTINGS)
    client = wire.client()
    wire.wait(9)
    assert not client.transport.closed
    wire.wait(2)
    assert client.transport.closed
    assert client.received() == b""


def test_an_idle_connection_is_closed() -> None:
    """After the keep-alive timeout, not before."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(GET)
    wire.accept().send(OK)
    wire.wait(29)
    assert not client.transport.closed
    wire.wait(2)
    assert client.transport.closed


def test_a_body_that_stalls_is_a_408() -> None:
    """The time starts anew with each read; the upstream's connection is given up."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(POST)
    node = wire.accept()
    for _ in range(3):
        client.send(b"x")
        wire.wait(18)
    assert client.received() == b""
    wire.wait(4)
    assert status_of(client.received()) == 408
    assert node.transport.closed


def test_a_connection_takes_only_so_many_requests() -> None:
    """The last answer says so."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(OK)
    client.send(GET)
    node.send(OK)
    assert b"connection: close" not in client.received().lower()
    client.send(GET)
    node.send(OK)
    assert b"Connection: close\r\n" in client.received()
    assert client.transport.closed


def test_one_connection_too_many_is_refused() -> None:
    """With a 503, and the others are served on."""
    wire = Wire(SETTINGS)
    first, _, third = wire.client(), wire.client(), wire.client()
    assert status_of(third.received()) == 503
    assert third.transport.eof
    first.send(GET)
    wire.accept().send(OK)
    assert status_of(first.received()) == 200


def test_pipelined_bytes_are_bounded() -> None:
    """Reading pauses over the limit, and goes on when they have been read."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    client.send(b"GET /" + b"a" * 120)
    assert client.transport.paused
    node.send(OK)
    assert not client.transport.paused
    client.send(b" HTTP/1.1\r\nHost: a\r\n\r\n")
    node.received()
    assert not wire.dialer.waiting


def test_a_client_that_does_not_read_stops_the_upstream_and_is_dropped() -> None:
    """Back-pressure first; without any progress for the send timeout, the end of both."""
    wire = Wire(SETTINGS, read_timeout=3)
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    client.transport.full = 1000
    client.protocol.pause_writing()
    assert node.transport.paused
    wire.wait(39)
    assert not client.transport.closed
    client.transport.full = 900  # it has read a little: time starts anew
    wire.wait(39)
    assert not client.transport.closed
    wire.wait(50)
    assert client.transport.aborted
    assert node.transport.closed


def test_a_client_that_reads_again_restarts_the_upstream() -> None:
    """The upstream's timeout stood still meanwhile."""
    wire = Wire(SETTINGS, read_timeout=3)
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
    client.protocol.pause_writing()
    wire.wait(10)
    client.protocol.resume_writing()
    assert not node.transport.paused
    node.send(b"def")
    assert client.received().endswith(b"abcdef")


def test_an_upstream_that_does_not_read_stops_the_client() -> None:
    """Back-pressure the other way; its send timeout is a 504."""
    wire = Wire(SETTINGS, send_timeout=50)
    client = wire.client()
    client.send(POST)
    node = wire.accept()
    node.protocol.pause_writing()
    assert client.transport.paused
    wire.wait(30)  # over the client's body timeout: it is not the client who is late
    node.protocol.resume_writing()
    assert not client.transport.paused
    node.protocol.pause_writing()
    wire.wait(52)
    assert status_of(client.received()) == 504


def test_the_client_waits_for_a_connection_to_be_made() -> None:
    """Its body is not read before there is somebody to take it."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(POST + b"abc")
    assert client.transport.paused
    node = wire.accept()
    assert not client.transport.paused
    client.send(b"defghij")
    assert node.received().endswith(b"\r\n\r\nabcdefghij")


def test_a_client_that_leaves_frees_its_upstream_connection() -> None:
    """Nobody waits for the answer; the connection cannot be used again."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    client.end()
    assert node.transport.closed
    assert not wire.server.connections
    assert len(wire.deadlines) == 0


def test_a_client_that_leaves_while_connecting() -> None:
    """The connection being made is given up."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(GET)
    client.reset()
    assert not wire.dialer.waiting
    assert len(wire.deadlines) == 0


@pytest.mark.parametrize("step", [0, 1])
def test_expect_100_continue_is_the_upstreams_to_answer(step: int) -> None:
    """The head goes on with its expectation, the 100 comes back, then the content goes."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n", step)
    node = wire.accept()
    assert node.received().endswith(b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert client.received() == b""
    node.send(b"HTTP/1.1 100 Continue\r\n\r\n", step)
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hi")
    assert node.received() == b"hi"
    node.send(OK)
    assert status_of(client.received()) == 200
    assert not client.transport.closed


def test_a_final_answer_instead_of_100_closes() -> None:
    """The client may or may not send the content now: only a new connection is clear about it (RFC 9110, 10.1.1)."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    wire.accept().send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    answer = client.received()
    assert status_of(answer) == 413
    assert b"Connection: close\r\n" in answer


def test_early_hints_pass_and_an_unasked_100_does_not() -> None:
    """1xx responses go to HTTP/1.1 clients in order (RFC 9110, 15.2), split or not."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(GET)
    wire.accept().send(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\nContent-Length: 3\r\n\r\n" + OK
    )
    answer = client.received()
    assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_an_http_1_0_client_gets_no_1xx() -> None:
    """It knows none."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    wire.accept().send(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK)
    assert client.received().startswith(b"HTTP/1.1 200 OK\r\n")


def test_draining_ends_idle_connections_and_lets_requests_finish() -> None:
    """The answer in flight says that it is the last."""
    wire = Wire(SETTINGS)
    busy, idle = wire.client(), wire.client()
    busy.send(GET)
    node = wire.accept()
    for connection in tuple(wire.server.connections):
        connection.drain()
    assert idle.transport.closed
    assert not busy.transport.closed
    node.send(OK)
    assert b"Connection: close\r\n" in busy.received()
    assert busy.transport.closed


def test_a_fault_of_ours_ends_one_request_only(caplog: pytest.LogCaptureFixture) -> None:
    """500 on that connection, a traceback in the log, and the others are served on."""

    def match(exchange: object) -> None:
        if exchange.target[2] == b"/bad":  # type: ignore[attr-defined]
            raise ZeroDivisionError

    wire = Wire(match=match)
    bad, good = wire.client(), wire.client()
    bad.send(b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status_of(bad.received()) == 500
    assert bad.transport.eof
    assert "ZeroDivisionError" in caplog.text
    good.send(GET)
    assert status_of(good.received()) == 404


def test_connections_are_counted_by_what_they_do() -> None:
    """Under the names of nginx's variables: idle, within a head, with a request under way, and one too many."""
    wire = Wire(HttpSettings(max_connections=3))
    idle, reading, writing, refused = (wire.client() for _ in range(4))
    reading.send(b"GET / HT")
    writing.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    refused.reset()
    assert wire.server.statistics() == {
        "connections_active": 3,
        "connections_reading": 1,
        "connections_writing": 1,
        "connections_waiting": 1,
        "connections_accepted": 4,
        "connections_handled": 3,
    }
    idle.reset()
    assert wire.server.statistics()["connections_active"] == 2
