"""What filters in Python ask of an exchange on the wire: another upstream, and variables."""

from __future__ import annotations

import pytest

from abi.types import Action
from host.exchange import Exchange, Route
from host.filters.python import FilterContext, PythonFilter
from host.reach import UpstreamChange
from host.upstream.balancer import Node
from host.upstream.upstream import Upstream
from tests.http.test_exchange_filters import Waits
from tests.http.wire import Wire

GET = b"GET /a?b=c&d HTTP/1.1\r\nHost: a.test:9080\r\nCookie: x=1; who=me\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Reaches(PythonFilter):
    """Sends requests elsewhere, at once or when the test says so."""

    def __init__(self, pauses: bool) -> None:
        super().__init__()
        self.pauses = pauses
        self.context: FilterContext
        self.done: list[bool] = []

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.context = context
        if self.pauses:
            return Action.PAUSE
        self.go()
        return None

    def go(self) -> None:
        self.done.append(self.context.reach(UpstreamChange(upstream="other")))

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        self.done.append(context.reach(UpstreamChange(upstream="other")))


class Elsewhere:
    """Knows one other upstream."""

    def __init__(self, wire: Wire) -> None:
        self.asked: list[UpstreamChange] = []
        nodes = [Node("10.0.0.9", 8080)]
        self.upstream = Upstream("other", nodes, wire.deadlines, wire.dialer, pass_host="node")

    def changed(self, upstream: Upstream, change: UpstreamChange) -> Upstream | None:
        self.asked.append(change)
        return self.upstream if change.upstream == "other" else None


def wired(*filters: PythonFilter) -> tuple[Wire, Elsewhere]:
    routes: list[Route] = []

    def match(exchange: Exchange) -> Route:
        return routes[0]

    wire = Wire(filters=filters, match=match)
    elsewhere = Elsewhere(wire)
    routes.append(Route("1", wire.route.chain, wire.upstream, reach=elsewhere))
    return wire, elsewhere


@pytest.mark.parametrize("pauses", [False, True])
def test_a_request_goes_where_a_filter_sends_it(pauses: bool) -> None:
    """With that upstream's Host; once it is on its way it stays there."""
    filter_ = Reaches(pauses)
    wire, elsewhere = wired(filter_)
    client = wire.client()
    client.send(GET)
    if pauses:
        assert not wire.dialer.waiting
        filter_.go()
        filter_.context.resume_request()
    assert [row[1:] for row in wire.dialer.waiting] == [("10.0.0.9", 8080)]
    node = wire.accept()
    assert b"Host: 10.0.0.9:8080\r\n" in node.received()
    node.send(OK)
    assert client.received().endswith(b"ok")
    assert (filter_.done, len(elsewhere.asked)) == ([True, False], 1)
    client.send(GET)  # the next request begins where its route leads
    if pauses:
        filter_.context.resume_request()
        assert [row[1:] for row in wire.dialer.waiting] == [("10.0.0.1", 8080)]


def test_a_request_goes_where_a_filter_behind_a_pause_sends_it() -> None:
    """The head that leaves on the spot would have the Host of where it went before."""
    waits, sends = Waits(), Reaches(pauses=False)
    wire, _ = wired(waits, sends)
    wire.client().send(GET)
    waits.context.resume_request()
    assert sends.done == [True]
    assert b"Host: 10.0.0.9:8080\r\n" in wire.accept().received()


class Reads(PythonFilter):
    """Notes variables."""

    reads_variables = True

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = names
        self.seen: list[bytes | None] = []

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        self.seen = [context.variable(name) for name in self.names]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uri", b"/a"),
        ("args", b"b=c&d"),
        ("is_args", b"?"),
        ("arg_b", b"c"),
        ("cookie_who", b"me"),
        ("cookie_wh", None),
        ("host", b"a.test"),
        ("remote_addr", b"192.0.2.7"),
        ("binary_remote_addr", b"\xc0\x00\x02\x07"),
        ("upstream_addr", b"192.0.2.7:40000"),
        ("balancer_ip", b"192.0.2.7"),
        ("balancer_port", b"40000"),
        ("route_id", b"1"),
        ("route_name", b"first"),
        ("service_id", b"s"),
        ("no_such_variable", None),
        ("", None),
    ],
)
def test_variables_are_those_of_access_logs(name: str, value: bytes | None) -> None:
    """Without an access log, too, and on the first request of a connection."""
    filter_ = Reads(name)
    routes: list[Route] = []
    wire = Wire(filters=(filter_,), match=lambda exchange: routes[0])
    routes.append(Route("1", wire.route.chain, wire.upstream, name="first", service_id="s"))
    client = wire.client()
    client.send(GET)
    wire.accept().send(OK)
    assert client.received().endswith(b"ok")
    assert filter_.seen == [value]


def test_a_filter_that_did_not_say_so_has_no_variables() -> None:
    class Forgets(Reads):
        reads_variables = False

    filter_ = Forgets("uri")
    wire = Wire(filters=(filter_,))
    wire.client().send(GET)
    wire.accept().send(OK)
    assert filter_.seen == [None]
