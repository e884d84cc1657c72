"""Pooled connections: kept, taken again, given up; what is sent twice and what never is."""

from __future__ import annotations

import pytest

from host.upstream.balancer import Node
from tests.http.wire import Peer, Wire, status_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
NODES = (Node("10.0.0.1", 80), Node("10.0.0.2", 80))


def ask(wire: Wire, method: bytes = b"GET", body: bytes = b"") -> Peer:
    """A new client with a request."""
    client = wire.client()
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    client.send(method + b" / HTTP/1.1\r\nHost: a\r\n" + length + b"\r\n" + body)
    return client


def used_once(wire: Wire) -> Peer:
    """A pooled connection's far end."""
    ask(wire)
    node = wire.accept()
    node.send(OK)
    node.received()
    return node


def test_the_last_used_connection_is_taken_first() -> None:
    """So that the ones that are not needed grow old."""
    wire = Wire()
    clients = [ask(wire), ask(wire)]
    first, second = wire.accept(), wire.accept()
    first.send(OK)
    second.send(OK)
    first.received(), second.received()
    ask(wire)
    assert second.received()
    assert not first.received()
    assert len(clients) == 2


def test_the_pool_has_a_size() -> None:
    """What is over it is closed."""
    wire = Wire(keepalive_pool_size=1)
    ask(wire), ask(wire)
    first, second = wire.accept(), wire.accept()
    first.send(OK)
    second.send(OK)
    assert not first.transport.closed
    assert second.transport.closed


def test_a_connection_takes_only_so_many_requests() -> None:
    """APISIX's keepalive_pool.requests."""
    wire = Wire(keepalive_requests=2)
    node = used_once(wire)
    ask(wire)
    node.send(OK)
    assert node.transport.closed


def test_an_idle_connection_is_closed_in_time() -> None:
    """APISIX's keepalive_pool.idle_timeout."""
    wire = Wire(keepalive_idle=10)
    node = used_once(wire)
    wire.wait(9)
    assert not node.transport.closed
    wire.wait(2)
    assert node.transport.closed
    assert not wire.upstream.nodes[0].idle


@pytest.mark.parametrize("fields", [b"Connection: close\r\nContent-Length: 2\r\n", b"Content-Length: 2\r\n"])
def test_a_connection_that_the_node_ends_is_not_kept(fields: bytes) -> None:
    """Said by Connection, or by HTTP/1.0."""
    wire = Wire()
    ask(wire)
    node = wire.accept()
    node.send((b"HTTP/1.1" if b"close" in fields else b"HTTP/1.0") + b" 200 OK\r\n" + fields + b"\r\nhi")
    assert node.transport.closed


def test_a_node_that_closes_an_idle_connection() -> None:
    """It is forgotten, and the next request gets a new one."""
    wire = Wire()
    node = used_once(wire)
    node.end()
    client = ask(wire)
    wire.accept().send(OK)
    assert status_of(client.received()) == 200


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"])
def test_a_request_on_a_stale_connection_is_sent_once_more(method: bytes) -> None:
    """The node closed just then, and the method may be repeated (RFC 9110, 9.2.2); on a new connection."""
    wire = Wire()
    node = used_once(wire)
    client = ask(wire, method, b"abc" if method == b"PUT" else b"")
    first = node.received()
    assert first.startswith(method)
    node.reset()
    again = wire.accept()
    assert again.received() == first
    assert client.received() == b""
    again.reset()
    assert status_of(client.received()) == 502
    assert not wire.dialer.waiting


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"get"])
def test_other_methods_are_never_sent_twice(method: bytes) -> None:
    """The node may have acted on it."""
    wire = Wire()
    node = used_once(wire)
    client = ask(wire, method)
    node.end()
    assert status_of(client.received()) == 502
    assert not wire.dialer.waiting


def test_nothing_is_sent_again_once_an_answer_has_begun() -> None:
    """One byte is enough."""
    wire = Wire()
    node = used_once(wire)
    client = ask(wire)
    node.send(b"H")
    node.end()
    assert status_of(client.received()) == 502


def test_a_new_connection_is_not_stale() -> None:
    """A node that closes on a fresh connection does it to the request."""
    wire = Wire()
    client = ask(wire)
    wire.accept().end()
    assert status_of(client.received()) == 502
    assert not wire.dialer.waiting


def test_a_body_sent_in_pieces_is_not_sent_again() -> None:
    """They are gone."""
    wire = Wire()
    node = used_once(wire)
    client = wire.client()
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    client.send(b"cd")
    node.end()
    assert status_of(client.received()) == 502


def test_a_response_that_breaks_off_is_broken_off() -> None:
    """After its head nothing else can be said."""
    wire = Wire()
    client = ask(wire)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    node.end()
    assert client.received().endswith(b"abc")
    assert client.transport.aborted


def test_a_node_that_refuses_is_passed_over() -> None:
    """Any method goes to the next: nothing was sent. Later requests spare the first for a while."""
    wire = Wire(nodes=NODES)
    client = ask(wire, b"POST", b"abc")
    refused = wire.dialer.waiting[0][1]
    wire.refuse()
    assert wire.dialer.waiting[0][1] != refused
    wire.accept().send(OK)
    assert status_of(client.received()) == 200
    for _ in range(3):
        ask(wire)
        assert {host for _, host, _ in wire.dialer.waiting} <= {"10.0.0.1", "10.0.0.2"} - {refused}


def test_when_all_nodes_refuse_it_is_a_502() -> None:
    """Each was tried once."""
    wire = Wire(nodes=NODES)
    client = ask(wire)
    wire.refuse()
    wire.refuse()
    assert status_of(client.received()) == 502
    assert not client.transport.closed
    assert not wire.dialer.waiting


def test_retries_may_be_fewer() -> None:
    """APISIX's retries: 0."""
    wire = Wire(nodes=NODES, retries=0)
    client = ask(wire)
    wire.refuse()
    assert status_of(client.received()) == 502


def test_no_node_is_a_503() -> None:
    """All weights are 0."""
    wire = Wire(nodes=(Node("a", 80, 0),))
    assert status_of(ask(wire).received()) == 503


def test_a_connection_that_takes_too_long_is_a_504() -> None:
    """The connect timeout."""
    wire = Wire(connect_timeout=5)
    client = ask(wire)
    wire.wait(4)
    assert client.received() == b""
    wire.wait(2)
    assert status_of(client.received()) == 504
    assert not wire.dialer.waiting


def test_an_answer_that_takes_too_long_is_a_504() -> None:
    """The read timeout, between two reads."""
    wire = Wire(read_timeout=5)
    client = ask(wire)
    node = wire.accept()
    wire.wait(4)
    assert client.received() == b""
    wire.wait(2)
    assert status_of(client.received()) == 504
    assert node.transport.aborted


def test_a_body_that_takes_too_long_is_broken_off() -> None:
    """The time starts anew with each read."""
    wire = Wire(read_timeout=5)
    client = ask(wire)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    for _ in range(4):
        wire.wait(4)
        node.send(b"x")
    assert not client.transport.closed
    wire.wait(6)
    assert client.transport.aborted
    assert node.transport.aborted


def test_a_request_timeout_counts_from_its_end() -> None:
    """While the client still sends, the node owes no answer."""
    wire = Wire(read_timeout=5)
    client = wire.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
    wire.accept()
    wire.wait(20)
    assert client.received() == b""
    client.send(b"b")
    wire.wait(6)
    assert status_of(client.received()) == 504
