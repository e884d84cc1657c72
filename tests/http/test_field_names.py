"""Field names on the wire are spelled as whoever wrote them did; in maps, for filters and plugins, in lower case."""

from __future__ import annotations

import pytest

from abi import encode_pairs
from host.exchange import Route
from host.filters.python import FilterContext, PythonFilter
from host.headers import HeaderMap
from host.testing import PluginHost
from testdata import relay
from tests.http.test_proxying import DATE, FORWARDED, GET
from tests.http.wire import Peer, Wire
from tests.plugin.guests import host as host_of
from tests.plugin.guests import wat

OK = b"HTTP/1.1 200 OK\r\nX-Node: 1\r\n" + DATE + b"Content-Length: 0\r\n\r\n"
ASK = b"GET / HTTP/1.1\r\nHost: a\r\nX-CLIENT: 1\r\n\r\n"


class Writes(PythonFilter):
    """Writes fields into both heads, and remembers the names that were there."""

    def __init__(
        self, add: tuple[tuple[bytes, bytes], ...] = (), replace: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.add, self.replace = add, replace
        self.seen: list[bytes] = []

    def write(self, headers: HeaderMap) -> None:
        """Note the names, then write."""
        self.seen += [name for name, _ in headers if not name.startswith(b":")]
        for name, value in self.add:
            headers.add(name, value)
        for name, value in self.replace:
            headers.set(name, value)

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        self.write(context.request_headers)

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        self.write(context.response_headers)


def asked(wire: Wire) -> tuple[Peer, Peer]:
    """A client that has asked, and the node that is to answer."""
    client = wire.client()
    client.send(ASK)
    return client, wire.accept()


def through(host: PluginHost) -> Wire:
    """A gateway whose route has the plugin of this host."""
    wire = Wire()
    wire.route = Route("1", host.chain, wire.upstream)
    return wire


def relayed(*steps: tuple[str | int | bytes, ...]) -> PluginHost:
    """A guest that makes these host calls."""
    return PluginHost(wat("relay"), relay.script(*steps))


def fields(message: bytes) -> list[bytes]:
    """The lines of a head that are neither ours nor the date."""
    lines = message.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    ours = (b"Host:", b"Date:", b"Content-Length:", b"Server:", b"X-Forwarded-", b"X-Real-IP:")
    return [line for line in lines if not line.startswith(ours)]


@pytest.mark.parametrize("step", [0, 1, 7])
def test_names_pass_as_they_were_spelled(step: int) -> None:
    """Both ways, however the bytes are split and however odd the spelling."""
    wire = Wire()
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHOST: a\r\nX-reQuest-ID: 1\r\nx-lower: 2\r\nETAG_0: 3\r\n\r\n", step)
    node = wire.accept()
    lines = b"Host: a\r\nX-reQuest-ID: 1\r\nx-lower: 2\r\nETAG_0: 3\r\n"
    assert node.received() == b"GET / HTTP/1.1\r\n" + lines + FORWARDED + b"\r\n"
    answer = b"HTTP/1.1 200 OK\r\nWWW-Authenticate: a\r\netag: b\r\n" + DATE + b"ETag: c\r\n"
    node.send(answer + b"CONTENT-length: 0\r\n\r\n", step)
    assert client.received() == answer + b"Content-Length: 0\r\n\r\n"


def test_repeated_fields_keep_each_its_spelling() -> None:
    """They are one list (RFC 9110, 5.3), and two lines."""
    wire = Wire()
    wire.client().send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nX-a: 3\r\n\r\n")
    assert fields(wire.accept().received()) == [b"X-A: 1", b"x-a: 2", b"X-a: 3"]


@pytest.mark.parametrize("step", [0, 1])
def test_trailers_keep_their_spelling(step: int) -> None:
    """As fields of a head do."""
    wire = Wire()
    client = wire.client()
    body = b"2\r\nhi\r\n0\r\nX-Sum: 1\r\nx-END: 2\r\n\r\n"
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body, step)
    node = wire.accept()
    assert node.received().endswith(b"0\r\nX-Sum: 1\r\nx-END: 2\r\n\r\n")
    node.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, step)
    assert client.received().endswith(b"0\r\nX-Sum: 1\r\nx-END: 2\r\n\r\n")


@pytest.mark.parametrize(("position", "kept"), [(62, True), (63, True), (64, False), (70, False)])
def test_capitals_are_remembered_in_the_first_64_bytes_of_a_name(position: int, kept: bool) -> None:
    """One bit a byte; the name is the same name with them or without."""
    name = b"x" * position + b"Y" + b"z"
    wire = Wire()
    wire.client().send(b"GET / HTTP/1.1\r\nHost: a\r\n" + name + b": 1\r\n\r\n")
    assert fields(wire.accept().received()) == [(name if kept else name.lower()) + b": 1"]


def test_a_name_in_capitals_of_over_64_bytes() -> None:
    """The first 64 stay."""
    wire = Wire(filters=(Writes(add=((b"A" * 80, b"1"),)),))
    _, node = asked(wire)
    assert fields(node.received()) == [b"X-CLIENT: 1", b"A" * 64 + b"a" * 16 + b": 1"]


def test_filters_see_lower_case() -> None:
    """Whatever came: a filter need not know how a client spells."""
    writes = Writes()
    _, node = asked(Wire(filters=(writes,)))
    node.send(OK)
    assert writes.seen == [b"x-client", b"x-node", b"date", b"content-length"]


def test_a_header_map_holds_lower_case() -> None:
    """The spelling is the wire's alone: maps that differ in it are equal."""
    headers = HeaderMap([(b"X-Go-Wasm", b"APISIX")])
    assert headers.items() == [(b"x-go-wasm", b"APISIX")]
    assert headers == HeaderMap([(b"x-go-wasm", b"APISIX")])
    assert headers.get(b"X-GO-WASM") == b"APISIX"


def test_a_filters_own_spelling_reaches_the_wire() -> None:
    """Of fields that it adds, and of fields that it sets where there was none."""
    wire = Wire(filters=(Writes(add=((b"X-Added", b"1"),), replace=((b"X-SeT", b"2"),)),))
    client, node = asked(wire)
    assert fields(node.received()) == [b"X-CLIENT: 1", b"X-Added: 1", b"X-SeT: 2"]
    node.send(OK)
    assert fields(client.received()) == [b"X-Node: 1", b"X-Added: 1", b"X-SeT: 2"]


def test_a_replaced_field_keeps_its_spelling() -> None:
    """The first one's: what replaces it may well be a plugin that knows the lower-case name alone."""
    wire = Wire(filters=(Writes(add=((b"x-cLIENT", b"2"),), replace=((b"x-client", b"longer"),)),))
    _, node = asked(wire)
    assert fields(node.received()) == [b"X-CLIENT: longer"]


def test_a_removed_field_forgets_its_spelling() -> None:
    """What is added afterwards is another field."""

    class Renames(PythonFilter):
        def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
            context.request_headers.remove(b"X-Client")
            context.request_headers.set(b"x-client", b"2")

    _, node = asked(Wire(filters=(Renames(),)))
    assert fields(node.received()) == [b"x-client: 2"]


def test_a_map_that_outgrows_its_memory_keeps_spellings() -> None:
    """Fields move then."""
    added = tuple((b"X-Field-%d" % number, b"v" * 500) for number in range(50))
    _, node = asked(Wire(filters=(Writes(add=added, replace=((b"x-client", b"w" * 5000),)),)))
    assert fields(node.received()) == [
        b"X-CLIENT: " + b"w" * 5000,
        *(name + b": " + value for name, value in added),
    ]


def test_a_plugins_field_is_on_the_wire_as_configured() -> None:
    """The line that users of the plugin look for."""
    configuration = b'{"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}'
    with host_of("custom_response_header", configuration) as host:
        client, node = asked(through(host))
        node.send(OK)
        assert fields(client.received()) == [b"X-Node: 1", b"X-Go-Wasm: APISIX"]


def test_response_fields_written_early_keep_their_spelling() -> None:
    """A new one the plugin's, a replaced one the upstream's."""
    steps = [
        ("request_headers", "proxy_replace_header_map_value", 2, b"x-node", b"2"),
        ("request_headers", "proxy_replace_header_map_value", 2, b"X-SeT", b"3"),
        ("request_headers", "proxy_add_header_map_value", 2, b"X-Added", b"4"),
    ]
    with relayed(*steps) as host:
        client, node = asked(through(host))
        node.send(OK)
        assert fields(client.received()) == [b"X-Node: 2", b"X-SeT: 3", b"X-Added: 4"]


def test_a_map_that_a_guest_rewrites_keeps_the_spelling_of_what_was_there() -> None:
    """The guest read lower case, and writes it back; what is new is spelled its way."""
    pairs = encode_pairs([(b"x-client", b"2"), (b"X-New", b"3")])
    with relayed(("request_headers", "proxy_set_header_map_pairs", 0, pairs)) as host:
        _, node = asked(through(host))
        assert fields(node.received()) == [b"X-CLIENT: 2", b"X-New: 3"]


def test_a_local_response_is_spelled_as_the_guest_did() -> None:
    """And its Content-Type, where it names none, as usual."""
    pairs = encode_pairs([(b"X-Why", b"so")])
    call = ("request_headers", "proxy_send_local_response", 403, b"", b"no", pairs, -1)
    with relayed(call) as host:
        client = through(host).client()
        client.send(GET)
        assert fields(client.received()) == [b"X-Why: so", b"Content-Type: text/plain"]
