"""Cases of the peers' own suites that no other file of this folder has: what a guest reads and writes, and finds again."""

from __future__ import annotations

import pytest

from abi import Action, BufferType, Status, decode_pairs, encode_pairs
from host import FilterContext, PythonFilter
from host.chain import BodyLimits
from host.testing import ChainHost
from testdata import relay
from tests.hostcalls.relays import OUT, run, start
from tests.plugin.guests import GET, OK, POST, answer, send

VALUE, ADD, REPLACE = (
    "proxy_get_header_map_value",
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
)
REQUEST, RESPONSE = 0, 2


@pytest.mark.parametrize("method", [b"GET", b"POST", b"PUT", b"DELETE"])
@pytest.mark.parametrize(
    ("name", "value"),
    [(b":path", b"/a?b=c"), (b":authority", b"example.test"), (b":scheme", b"http"), (b":method", None)],
)
def test_pseudo_headers_are_read_for_every_method(method: bytes, name: bytes, value: bytes | None) -> None:
    """K 105-3..8; A 4,15-21."""
    with start(("request_headers", VALUE, REQUEST, name, OUT, OUT + 4)) as plugin:
        with plugin.http_stream() as stream:
            stream.request_headers([(b":method", method), *GET[1:]], end_of_stream=True)
        pointer, length = (int.from_bytes(plugin.read_memory(at, 4), "little") for at in (OUT, OUT + 4))
        assert plugin.read_memory(pointer, length) == (value or method)


def test_a_field_added_twice_is_two_fields() -> None:
    """K 107-18,19: X-Forwarded-For."""
    step = ("request_headers", ADD, REQUEST, b"X-Forwarded-For", b"192.0.2.1")
    outcome = run(step, step)
    assert outcome.stream.to_upstream.headers is not None
    assert outcome.stream.to_upstream.headers.count((b"x-forwarded-for", b"192.0.2.1")) == 2


@pytest.mark.parametrize("call", [ADD, REPLACE])
def test_an_empty_value_is_kept(call: str) -> None:
    """K 107-2, 111-4: K removes a field that is set to nothing; ours is there and empty, as Envoy's."""
    outcome = run(("request_headers", call, REQUEST, b"x-empty", b""))
    assert outcome.stream.to_upstream.get(b"x-empty") == b""


@pytest.mark.parametrize("call", [VALUE, ADD, REPLACE, "proxy_remove_header_map_value"])
@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF, 0x10000000])
def test_absurd_lengths_are_no_memory_of_the_guest(call: str, length: int) -> None:
    """A 22,23; and the next call works."""
    outcome = run(
        ("request_headers", call, REQUEST, 64, length, OUT, OUT + 4),
        ("request_headers", ADD, REQUEST, b"x-after", b"1"),
    )
    assert outcome.statuses == [Status.INVALID_MEMORY_ACCESS, Status.OK]
    assert outcome.stream.to_upstream.get(b"x-after") == b"1"


@pytest.mark.parametrize(
    ("name", "status", "value"),
    [(b"X-B", Status.OK, b"3"), (b"x-b", Status.OK, b"3"), (b"x-none", Status.NOT_FOUND, None)],
)
def test_response_fields_are_found_whatever_their_case(
    name: bytes, status: Status, value: bytes | None
) -> None:
    """K 106-1,2; A http_resp_header 4-6."""
    outcome = run(("response_headers", VALUE, RESPONSE, name, OUT, OUT + 4))
    assert outcome.statuses == [status]
    if value is not None:
        assert outcome.given() == value


def test_all_response_fields_are_listed_with_those_that_are_repeated() -> None:
    """A 10-13: custom ones and repeated ones, in order."""
    step = ("response_headers", "proxy_get_header_map_pairs", RESPONSE, OUT, OUT + 4)
    outcome = run(("response_headers", ADD, RESPONSE, b"X-B", b"4"), step)
    assert decode_pairs(outcome.given()) == [*OK, (b"x-b", b"3"), (b"x-b", b"4")]


@pytest.mark.parametrize(
    ("value", "status", "left"),
    [(b"5", Status.OK, b"5"), (b"", Status.BAD_ARGUMENT, None), (b"FF", Status.BAD_ARGUMENT, None)],
)
@pytest.mark.parametrize("call", [ADD, REPLACE])
def test_a_content_length_that_is_none_is_refused(
    call: str, value: bytes, status: Status, left: bytes | None
) -> None:
    """K 107-8..11, 108-6..10."""
    outcome = run(("response_headers", call, RESPONSE, b"Content-Length", value))
    assert outcome.statuses == [status]
    assert outcome.stream.to_client.get(b"content-length") == left


def test_setting_all_response_fields_replaces_them() -> None:
    """K 110-1,2; the status stays where the new map has none."""
    pairs = encode_pairs([(b"x-only", b"1")])
    outcome = run(("response_headers", "proxy_set_header_map_pairs", RESPONSE, pairs))
    assert outcome.stream.to_client.headers == [(b":status", b"200"), (b"x-only", b"1")]


@pytest.mark.parametrize(
    ("at", "length", "found"),
    [
        (0xFFFFFFFF, 2, b""),
        (1, 0, b""),
        (1, 0xFFFFFFFF, b"ello"),
        (10, 2, b""),
        (0, 0xFFFFFFFF, b"hello"),
    ],
)
@pytest.mark.parametrize("side", ["request", "response"])
def test_ranges_beyond_a_body_are_clipped(side: str, at: int, length: int, found: bytes) -> None:
    """A http_req_body 4, resp 5 (BAD_ARGUMENT there), K 115-5; EH BodyRequestReadBody: "hello" is readable."""
    kind = BufferType.HTTP_REQUEST_BODY if side == "request" else BufferType.HTTP_RESPONSE_BODY
    step = (f"{side}_body", "proxy_get_buffer_bytes", kind, at, length, OUT, OUT + 4)
    outcome = run(step, body=b"hello")
    assert outcome.statuses == [Status.OK]
    if found:
        assert outcome.given() == found
    else:
        assert outcome.number(4, OUT + 4) == 0


def test_pieces_of_a_body_come_with_their_sizes() -> None:
    """A http_req_body 1: 4 and 5 bytes, the end with the second."""
    with start() as plugin, plugin.http_stream() as stream:
        send(stream, b"four", b"five5")
        assert [row.arguments[1:] for row in plugin.trace("proxy_on_request_body")] == [(4, 0), (5, 1)]


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_paused_body_shows_all_of_it_in_the_last_call(side: str) -> None:
    """K 008-2,4,5,13: 2 bytes, then 14 with the end."""
    with start((f"{side}_body", relay.RETURN, 1)) as plugin, plugin.http_stream() as stream:
        if side == "response":
            send(stream)
        (send if side == "request" else answer)(stream, b"12", b"345678901234")
        assert [row.arguments[1:] for row in plugin.trace(f"proxy_on_{side}_body")] == [(2, 0), (14, 1)]


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_body_beyond_the_buffer_is_an_answer_and_never_a_part(side: str) -> None:
    """K 008-3,6 shows the plugin what fits, and passes the rest by: a firewall would not see it."""
    limits = BodyLimits(4, 4)
    with start((f"{side}_body", relay.RETURN, 1), limits=limits) as plugin, plugin.http_stream() as stream:
        if side == "response":
            send(stream)
        (send if side == "request" else answer)(stream, b"12", b"345")
        assert stream.to_client.status == (413 if side == "request" else 502)


def test_a_pause_at_the_end_waits_and_ends_with_the_stream() -> None:
    """K 008-15: nothing else will come, and closing it must not hang."""
    with start(("request_body", relay.RETURN, 1)) as plugin:
        stream = plugin.http_stream()
        send(stream, b"all")
        assert stream.request_paused
        stream.gateway_response(504)  # what the gateway's stream timeout does
        assert stream.to_client.status == 504
        stream.close()
        assert len(plugin.trace("proxy_on_delete")) == 1


class _Echo(PythonFilter):
    """Holds a request's body and answers with it."""

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> Action:
        if end_of_stream:
            context.respond(200, [], context.request_body)
        return Action.PAUSE


def test_a_body_is_echoed_by_a_local_response_at_its_end() -> None:
    """J EchoHttpBody: three pieces."""
    with ChainHost([_Echo()]) as chain, chain.http_stream() as stream:
        send(stream, b"one ", b"two ", b"three")
        assert (stream.to_client.status, stream.to_client.body) == (200, b"one two three")
        assert stream.to_upstream.headers in (None, POST)
        assert not stream.to_upstream.ended
