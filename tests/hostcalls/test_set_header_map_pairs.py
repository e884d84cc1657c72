"""proxy_set_header_map_pairs."""

from __future__ import annotations

import pytest

from abi import MapType, Status, encode_pairs
from tests.hostcalls.relays import REQUEST, RESPONSE, expect, in_phases, run
from tests.hostcalls.test_write_header_map import WRITABLE
from tests.plugin.guests import POST

SET = "proxy_set_header_map_pairs"


@pytest.mark.parametrize("kind", [*WRITABLE, 4, 7, 8])
def test_a_map_is_replaced_where_it_is_writable(kind: int) -> None:
    """But not early: there is no map to replace before the response."""
    phases = list(WRITABLE.get(MapType(kind), [])) if kind < 4 else []
    phases = phases[-1:] if kind == MapType.HTTP_RESPONSE_HEADERS else phases
    assert in_phases(SET, kind, encode_pairs([(b"x-only", b"1")])) == expect(
        Status.BAD_ARGUMENT
    ) | dict.fromkeys(phases, Status.OK)


@pytest.mark.parametrize(
    ("pairs", "headers"),
    [
        ([(b"x-only", b"1")], [*POST, (b"x-only", b"1")]),
        ([(b"X-Two", b"1"), (b"x-two", b"2")], [*POST, (b"x-two", b"1"), (b"x-two", b"2")]),
        ([(b":path", b"/new")], [POST[0], (b":path", b"/new"), *POST[2:]]),
        ([(b"x-a", b"1"), (b":path", b"/new")], [POST[0], (b":path", b"/new"), *POST[2:], (b"x-a", b"1")]),
        ([(b"host", b"other.test")], [*POST[:2], (b":authority", b"other.test"), POST[3]]),
        (
            [(b":authority", b"a.test"), (b"host", b"b.test")],
            [*POST[:2], (b":authority", b"a.test"), POST[3]],
        ),
        ([(b":path", b"/1"), (b":path", b"/2")], [POST[0], (b":path", b"/1"), *POST[2:]]),
        ([], POST),
    ],
)
def test_pseudo_headers_that_are_not_named_stay(
    pairs: list[tuple[bytes, bytes]], headers: list[tuple[bytes, bytes]]
) -> None:
    """K 109-2,3; a message cannot do without them, and has each once and first. `host` is :authority."""
    outcome = run(("request_headers", SET, 0, encode_pairs(pairs)))
    assert outcome.statuses == [Status.OK]
    assert outcome.stream.to_upstream.headers == headers


@pytest.mark.parametrize("empty", [b"", b"\0", b"\0\0\0\0"])
def test_an_empty_map_has_three_forms(empty: bytes) -> None:
    """Of hosts, the specification and the Go SDK."""
    outcome = run(("response_headers", SET, 2, empty))
    assert outcome.statuses == [Status.OK]
    assert outcome.stream.to_client.headers == [(b":status", b"200")]


@pytest.mark.parametrize(
    "data",
    [
        b"\1",
        b"\1\0\0\0",
        encode_pairs([(b"a", b"b")])[:-1],
        encode_pairs([(b"a", b"b")]) + b"\0",
        encode_pairs([(b"a", b"b")])[:-1] + b"x",
        b"\xff\xff\xff\xff" + b"\0" * 64,
        b"\1\0\0\0\xff\xff\xff\xff\xff\xff\xff\xffa\0b\0",
        encode_pairs([(b"a", b"b")] * 1025),
    ],
)
def test_malformed_bytes_are_refused_and_change_nothing(data: bytes) -> None:
    """Envoy takes them for an empty list, which would drop all headers."""
    outcome = run(("request_headers", SET, 0, data))
    assert outcome.statuses == [Status.BAD_ARGUMENT]
    assert outcome.stream.to_upstream.headers == REQUEST


@pytest.mark.parametrize(
    "pairs",
    [
        [(b"x", b"a\r\nb")],
        [(b"", b"a")],
        [(b":path", b"/a b")],
        [(b"host", b"a b")],
        [(b":status", b"200")],
        [(b"content-length", b"x")],
        [(b"content-length", b"1"), (b"content-length", b"2")],
        [(b"content-length", b"1"), (b"Content-Length", b"1")],
    ],
)
def test_what_would_break_the_message_is_refused_as_a_whole(pairs: list[tuple[bytes, bytes]]) -> None:
    """As one field at a time."""
    outcome = run(("request_headers", SET, 0, encode_pairs([(b"x-good", b"1"), *pairs])))
    assert outcome.statuses == [Status.BAD_ARGUMENT]
    assert outcome.stream.to_upstream.headers == REQUEST


def test_trailers_are_replaced_whole() -> None:
    """They have nothing that must stay."""
    outcome = run(("response_trailers", SET, 3, encode_pairs([(b"x-t", b"1")])))
    assert outcome.stream.to_client.trailers == [(b"x-t", b"1")]
    assert outcome.stream.to_client.headers == RESPONSE
