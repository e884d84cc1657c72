"""Upgraded connections: once the upstream says 101, bytes pass both ways as they are."""

from __future__ import annotations

from abi.types import Action
from host.filters.python import FilterContext, PythonFilter
from tests.http.wire import Peer, Wire, status_of

ASK = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n"


def tunnel(wire: Wire, early: bytes = b"") -> tuple[Peer, Peer]:
    """A client and a node in a tunnel."""
    client = wire.client()
    client.send(ASK)
    node = wire.accept()
    request = node.received()
    assert request.startswith(b"GET /chat HTTP/1.1\r\n")
    assert b"Upgrade: websocket\r\nConnection: upgrade\r\n" in request
    node.send(SWITCH + early)
    answer = client.received()
    assert answer == (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
        + early
    )
    return client, node


def test_bytes_pass_both_ways() -> None:
    """Whatever they look like."""
    client, node = tunnel(Wire(), b"\x81\x02hi")
    client.send(b"GET / HTTP/1.1\r\n\r\n\0")
    assert node.received() == b"GET / HTTP/1.1\r\n\r\n\0"
    node.send(b"HTTP/1.1 200 OK\r\n\r\n")
    assert client.received() == b"HTTP/1.1 200 OK\r\n\r\n"


def test_bytes_that_the_client_sent_early_come_first() -> None:
    """They wait like pipelined ones."""
    wire = Wire()
    client = wire.client()
    client.send(ASK + b"early")
    node = wire.accept()
    node.received()
    node.send(SWITCH)
    assert node.received() == b"early"


def test_a_refused_upgrade_is_an_ordinary_answer() -> None:
    """And the connections stay what they were; what the client sent early is a request again."""
    wire = Wire()
    client = wire.client()
    client.send(ASK)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert status_of(client.received()) == 200
    client.send(ASK)
    assert node.received().count(b"GET /chat") == 2


def test_back_pressure_in_a_tunnel() -> None:
    """Each side stops the other."""
    client, node = tunnel(Wire())
    client.protocol.pause_writing()
    assert node.transport.paused
    client.protocol.resume_writing()
    assert not node.transport.paused
    node.protocol.pause_writing()
    assert client.transport.paused
    node.protocol.resume_writing()
    assert not client.transport.paused


def test_half_closed_tunnels() -> None:
    """One side's end is told to the other, which may go on; the second end is the tunnel's."""
    client, node = tunnel(Wire())
    client.end()
    assert node.transport.eof
    node.send(b"last")
    assert client.received() == b"last"
    node.end()
    assert client.transport.closed
    assert node.transport.closed
    assert not client.transport.aborted


def test_the_end_of_either_side_ends_the_tunnel() -> None:
    """And frees both connections."""
    for which in (0, 1):
        wire = Wire()
        ends = tunnel(wire)
        ends[which].reset()
        assert ends[1 - which].transport.closed
        assert len(wire.deadlines) == 0


def test_a_silent_tunnel_is_closed() -> None:
    """After the upstream's read timeout, which bytes of either side restart."""
    wire = Wire(read_timeout=10)
    client, node = tunnel(wire)
    for _ in range(3):
        wire.wait(6)
        client.send(b"a")
        wire.wait(6)
        node.send(b"b")
    wire.wait(12)
    assert client.transport.closed
    assert node.transport.closed


def test_a_request_with_content_is_not_upgraded() -> None:
    """Where the content ends and the tunnel begins would be for each to guess: the server may ignore Upgrade."""
    wire = Wire()
    wire.client().send(
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert b"upgrade" not in wire.accept().received().lower()


def test_an_upgrade_that_the_route_does_not_allow_ends_here() -> None:
    """The upstream sees an ordinary request (RFC 9110, 7.8: a server may ignore Upgrade), and its 101 is a fault."""
    wire = Wire(enable_websocket=False)
    client = wire.client()
    client.send(ASK)
    node = wire.accept()
    request = node.received()
    assert request.startswith(b"GET /chat HTTP/1.1\r\n")
    assert b"upgrade" not in request.lower()
    node.send(SWITCH)
    assert status_of(client.received()) == 502


class Judges(PythonFilter):
    """Holds the response's head; the test decides."""

    context: FilterContext

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action:
        self.context = context
        return Action.PAUSE


def test_a_filter_may_answer_instead_of_the_101() -> None:
    """The client gets that answer, and the node's connection is given up."""
    judges = Judges()
    wire = Wire(filters=(judges,))
    client = wire.client()
    client.send(ASK)
    node = wire.accept()
    node.send(SWITCH)
    assert client.received() == b""
    judges.context.respond(403, body=b"no")
    assert status_of(client.received()) == 403
    assert node.transport.closed


class Reads(PythonFilter):
    """Takes bodies."""

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> None:
        """None comes."""
        raise AssertionError("what follows a 101 is no body")


def test_a_filter_that_takes_bodies_does_not_hold_up_the_101() -> None:
    """Other heads wait for the first bytes that it lets go; here none will ever come to it."""
    client, node = tunnel(Wire(filters=(Reads(),)), b"first")
    node.send(b"second")
    assert client.received() == b"second"
    client.send(b"third")
    assert node.received() == b"third"
