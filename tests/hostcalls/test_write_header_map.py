"""proxy_add_header_map_value, proxy_replace_header_map_value and proxy_remove_header_map_value."""

from __future__ import annotations

import pytest

from abi import MapType, Status
from tests.hostcalls.relays import PHASES, REQUEST, expect, in_phases, run
from tests.plugin.guests import POST

ADD, REPLACE, REMOVE = (
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
)
EARLY = ["context_create", "request_headers", "request_body", "request_trailers"]
WRITABLE = {
    MapType.HTTP_REQUEST_HEADERS: ["context_create", "request_headers"],
    MapType.HTTP_REQUEST_TRAILERS: ["request_trailers"],
    MapType.HTTP_RESPONSE_HEADERS: [*EARLY, "response_headers"],
    MapType.HTTP_RESPONSE_TRAILERS: ["response_trailers"],
}


def fields(
    *steps: tuple[str | int | bytes, ...], phase: str = "request_headers"
) -> list[tuple[bytes, bytes]]:
    """The request's fields at the upstream, but for the pseudo-headers and x-a that it came with."""
    outcome = run(*((phase, *step) for step in steps))
    assert set(outcome.statuses) == {Status.OK}
    assert outcome.stream.to_upstream.headers is not None
    return [field for field in outcome.stream.to_upstream.headers if field not in POST]


@pytest.mark.parametrize("call", [ADD, REPLACE])
@pytest.mark.parametrize("kind", WRITABLE)
def test_a_map_is_writable_in_its_phase_alone(kind: MapType, call: str) -> None:
    """K contexts/107, 109, 111: elsewhere BAD_ARGUMENT, no trap. Fields of the response may be written early (K 108)."""
    assert in_phases(call, kind, b"x-new", b"v") == expect(Status.BAD_ARGUMENT) | dict.fromkeys(
        WRITABLE[kind], Status.OK
    )


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_field_can_be_removed_where_the_map_is_writable(kind: MapType) -> None:
    """There is nothing to remove before the response has come."""
    phases = [
        phase for phase in WRITABLE[kind] if kind != MapType.HTTP_RESPONSE_HEADERS or phase not in EARLY
    ]
    assert in_phases(REMOVE, kind, b"x-missing") == expect(Status.BAD_ARGUMENT) | dict.fromkeys(
        phases, Status.OK
    )


@pytest.mark.parametrize("kind", [4, 5, 6, 7, 8, 0xFFFFFFFF])
def test_other_maps_cannot_be_written(kind: int) -> None:
    """Those of calls are read-only; there are no more."""
    for call in (ADD, REPLACE):
        assert in_phases(call, kind, b"a", b"b") == expect(Status.BAD_ARGUMENT)
    assert in_phases(REMOVE, kind, b"a") == expect(Status.BAD_ARGUMENT)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ((ADD, 0, b"x-a", b"3"), [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-a", b"3")]),
        ((ADD, 0, b"X-New", b"v"), [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-new", b"v")]),
        ((ADD, 0, b"x-new", b""), [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-new", b"")]),
        ((REPLACE, 0, b"x-a", b"3"), [(b"x-a", b"3")]),
        ((REPLACE, 0, b"X-A", b"much longer than before"), [(b"x-a", b"much longer than before")]),
        ((REPLACE, 0, b"x-a", b""), [(b"x-a", b"")]),
        ((REPLACE, 0, b"x-new", b"v"), [(b"x-a", b"1"), (b"x-a", b"2"), (b"x-new", b"v")]),
        ((REMOVE, 0, b"x-a"), []),
        ((REMOVE, 0, b"X-A"), []),
        ((REMOVE, 0, b"x-missing"), [(b"x-a", b"1"), (b"x-a", b"2")]),
    ],
)
def test_fields_are_added_replaced_and_removed(
    step: tuple[str | int | bytes, ...], expected: list[tuple[bytes, bytes]]
) -> None:
    """K 107-2,4,18; K 109-1; K 111-1,4,5; A 8,9. An empty value stays a field, as in Envoy."""
    assert fields(step) == expected


def test_set_thrice_leaves_one() -> None:
    """A 9."""
    assert fields(*[(REPLACE, 0, b"x-a", b"%d" % n) for n in range(3)]) == [(b"x-a", b"2")]


def test_a_numeric_value_of_a_long_name_is_added_all_the_same() -> None:
    """Only Content-Length, which has 14 letters too, is one of its kind."""
    step = (ADD, 0, b"x-request-time", b"1")
    assert fields(step, step)[-2:] == [(b"x-request-time", b"1"), (b"x-request-time", b"1")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b":path", b"/test"),
        (b":path", b"/test?foo=bar"),
        (b":path", b"/test?"),
        (b":path", b""),
        (b":path", b"?a"),
        (b":path", "/ü".encode()),
        (b":method", b"PURGE"),
        (b":authority", b"canary.test:8080"),
        (b"host", b"canary.test"),
        (b"HOST", b"canary.test"),
        (b":scheme", b"https"),
    ],
)
@pytest.mark.parametrize("call", [ADD, REPLACE])
def test_pseudo_headers_of_a_request_can_be_changed(call: str, name: bytes, value: bytes) -> None:
    """K 111-11..18; A 26-28; J HttpRouting. There is one of each: an add replaces it."""
    outcome = run(("request_headers", call, 0, name, value))
    stored = b":authority" if name.lower() == b"host" else name
    expected = [(key, value if key == stored else old) for key, old in REQUEST]
    assert outcome.stream.to_upstream.headers == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b":path", b"/a b"),
        (b":path", b"/a\r\nx: y"),
        (b":path", b"/a\0"),
        (b":path", b"/a#b"),
        (b":method", b"GE T"),
        (b":method", b""),
        (b":method", b"GET\n"),
        (b":authority", b"a b"),
        (b":authority", b"a\r\nb"),
        (b":authority", b"user@host/"),
        (b"host", b"a\nb"),
        (b":scheme", b"ftp"),
        (b":status", b"200"),
        (b":unknown", b"x"),
        (b":", b"x"),
        (b"", b"x"),
        (b"na me", b"x"),
        (b"name:", b"x"),
        (b"name\r\n", b"x"),
        (b"x-a", b"a\r\nb"),
        (b"x-a", b"a\nb"),
        (b"x-a", b"a\0b"),
        (b"content-length", b""),
        (b"content-length", b"FF"),
        (b"content-length", b"-1"),
        (b"Content-Length", b"1, 1"),
        (b"content-length", b"9999999999999999999"),
    ],
)
@pytest.mark.parametrize("call", [ADD, REPLACE])
def test_what_would_break_the_message_is_refused(call: str, name: bytes, value: bytes) -> None:
    """K 107-8..11, 111-18; A 28,29: BAD_ARGUMENT, and nothing changes."""
    outcome = run(("request_headers", call, 0, name, value))
    assert outcome.statuses == [Status.BAD_ARGUMENT]
    assert outcome.stream.to_upstream.headers == REQUEST


@pytest.mark.parametrize("name", [b":method", b":path", b":authority", b":scheme", b"host", b"Host"])
def test_a_pseudo_header_cannot_be_removed(name: bytes) -> None:
    """A 25: refused, and kept."""
    outcome = run(("request_headers", REMOVE, 0, name))
    assert outcome.statuses == [Status.BAD_ARGUMENT]
    assert outcome.stream.to_upstream.headers == REQUEST


@pytest.mark.parametrize("code", [b"200", b"201", b"404", b"501", b"999"])
def test_a_status_can_be_changed(code: bytes) -> None:
    """K 110-4,5; A 19."""
    outcome = run(("response_headers", REPLACE, 2, b":status", code))
    assert outcome.stream.to_client.headers is not None
    assert outcome.stream.to_client.headers[0] == (b":status", code)


@pytest.mark.parametrize("code", [b"", b"20", b"2000", b"099", b"100", b"101", b"abc", b"2 0"])
def test_what_is_no_status_is_refused(code: bytes) -> None:
    """RFC 9110, section 15; 1xx are not final."""
    outcome = run(("response_headers", REPLACE, 2, b":status", code))
    assert outcome.statuses == [Status.BAD_ARGUMENT]
    assert outcome.stream.to_client.status == 200


def test_the_status_cannot_be_removed() -> None:
    """A 7-9,21."""
    assert run(("response_headers", REMOVE, 2, b":status")).statuses == [Status.BAD_ARGUMENT]


@pytest.mark.parametrize("phase", EARLY)
def test_response_fields_written_early_reach_the_client(phase: str) -> None:
    """K contexts/108 4-7: kept until there is a response; a replaced one takes the upstream's place."""
    outcome = run((phase, REPLACE, 2, b"server", b"ours"), (phase, ADD, 2, b"x-b", b"4"))
    expected = [(b":status", b"200"), (b"server", b"ours"), (b"x-b", b"3"), (b"x-b", b"4")]
    assert outcome.stream.to_client.headers == expected


def test_a_status_cannot_be_written_early() -> None:
    """There is no response yet that could have one."""
    assert run(("request_headers", REPLACE, 2, b":status", b"201")).statuses == [Status.BAD_ARGUMENT]


def test_trailers_can_be_changed() -> None:
    """Both directions; no pseudo-headers in them."""
    outcome = run(
        ("request_trailers", ADD, 1, b"x-more", b"1"),
        ("response_trailers", REPLACE, 3, b"x-check", b"9"),
    )
    assert outcome.stream.to_upstream.trailers == [(b"x-sum", b"10"), (b"x-more", b"1")]
    assert outcome.stream.to_client.trailers == [(b"x-check", b"9")]
    assert run(("request_trailers", ADD, 1, b":path", b"/")).statuses == [Status.BAD_ARGUMENT]


def test_every_phase_is_named() -> None:
    """The tables above name phases by hand."""
    assert {phase for phases in WRITABLE.values() for phase in phases} <= set(PHASES)
