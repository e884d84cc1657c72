"""proxy_get_header_map_value, _pairs and _size."""

from __future__ import annotations

import pytest

from abi import MapType, Status, decode_pairs
from tests.hostcalls.relays import (
    OUT,
    PHASES,
    REQUEST,
    REQUEST_TRAILERS,
    RESPONSE,
    RESPONSE_TRAILERS,
    STREAM_PHASES,
    Run,
    exchange,
    expect,
    in_phases,
    run,
    start,
)
from tests.plugin.guests import GET

WITHOUT_A_STREAM = dict.fromkeys(["vm_start", "configure", "tick"], Status.BAD_ARGUMENT)
SEEN = {
    MapType.HTTP_REQUEST_HEADERS: ("context_create", REQUEST),
    MapType.HTTP_REQUEST_TRAILERS: ("request_trailers", REQUEST_TRAILERS),
    MapType.HTTP_RESPONSE_HEADERS: ("response_headers", RESPONSE),
    MapType.HTTP_RESPONSE_TRAILERS: ("response_trailers", RESPONSE_TRAILERS),
}
ENDED = ("log", "done", "delete")


def since(phase: str) -> list[str]:
    return STREAM_PHASES[STREAM_PHASES.index(phase) :]


@pytest.mark.parametrize("kind", SEEN)
def test_a_map_can_be_read_from_its_phase_until_the_end(kind: MapType) -> None:
    """K 103-6,7; 105-13. Envoy's request headers cannot be read again before the log: ours can in every phase."""
    first, fields = SEEN[kind]
    statuses = in_phases("proxy_get_header_map_value", kind, fields[-1][0], OUT, OUT + 4)
    assert statuses == expect(Status.BAD_ARGUMENT) | dict.fromkeys(since(first), Status.OK)


@pytest.mark.parametrize("kind", SEEN)
def test_all_pairs_come_in_order_with_repeated_fields(kind: MapType) -> None:
    """K 103-1,2; A http_req_header 6. An absent map is an empty one here (1.9)."""
    first, fields = SEEN[kind]
    for phase in since(first):
        outcome = run((phase, "proxy_get_header_map_pairs", kind, OUT, OUT + 4))
        assert outcome.statuses == [Status.OK]
        assert decode_pairs(outcome.given()) == fields
    for phase in PHASES[: PHASES.index(first)]:
        outcome = run((phase, "proxy_get_header_map_pairs", kind, OUT, OUT + 4))
        assert outcome.statuses == [Status.OK]
        assert outcome.given() == b""


@pytest.mark.parametrize("kind", SEEN)
def test_the_size_is_that_of_names_and_values(kind: MapType) -> None:
    """Envoy's; not the serialized size of the specification."""
    first, fields = SEEN[kind]
    outcome = run((first, "proxy_get_header_map_size", kind, OUT))
    assert outcome.statuses == [Status.OK]
    assert outcome.number() == sum(len(name) + len(value) for name, value in fields)


@pytest.mark.parametrize("kind", [4, 5, 6, 7])
def test_maps_of_calls_are_absent(kind: int) -> None:
    """Nothing has been called: pairs are empty, a value or a size is a bad argument."""
    assert in_phases("proxy_get_header_map_pairs", kind, OUT, OUT + 4) == expect(Status.OK)
    assert in_phases("proxy_get_header_map_size", kind, OUT) == expect(Status.BAD_ARGUMENT)
    ended = dict.fromkeys(ENDED, Status.NOT_FOUND)
    assert in_phases("proxy_get_header_map_value", kind, b"a", OUT, OUT + 4) == expect(
        Status.BAD_ARGUMENT, **ended
    )


@pytest.mark.parametrize("kind", [8, 100, 0xFFFFFFFF])
def test_a_map_beyond_the_last_is_a_bad_argument(kind: int) -> None:
    """There are eight."""
    assert in_phases("proxy_get_header_map_pairs", kind, OUT, OUT + 4) == expect(Status.BAD_ARGUMENT)
    assert in_phases("proxy_get_header_map_size", kind, OUT) == expect(Status.BAD_ARGUMENT)


def value(name: bytes, kind: int = 0, phase: str = "request_headers", **options: str) -> Run:
    return run((phase, "proxy_get_header_map_value", kind, name, OUT, OUT + 4), **options)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"x-a", b"1"),
        (b"X-A", b"1"),
        (b":method", b"POST"),
        (b":path", b"/a?b=c"),
        (b":authority", b"example.test"),
        (b"host", b"example.test"),
        (b"Host", b"example.test"),
        (b":scheme", b"http"),
    ],
)
def test_the_first_value_is_found_whatever_the_case(name: bytes, found: bytes) -> None:
    """K 105-1,3..8; A 5, 4, 15-21. `host` is :authority."""
    assert value(name).given() == found


@pytest.mark.parametrize("name", [b"x-missing", b"", b"x", b"x-aa", b"x-a\0"])
def test_a_name_that_is_not_there_is_not_found(name: bytes) -> None:
    """K 105-2; A 3."""
    assert value(name).statuses == [Status.NOT_FOUND]


def test_in_0_1_0_a_missing_name_is_ok_and_empty() -> None:
    """The one status that its version changes."""
    outcome = value(b"x-missing", file="relay_0_1_0.wat")
    assert outcome.statuses == [Status.OK]
    assert outcome.given() == b""


def test_an_empty_value_is_ok_and_takes_no_memory() -> None:
    """No allocation for nothing, as in Envoy: the pointer is 0."""
    host = start(("request_headers", "proxy_get_header_map_value", 0, b"x-empty", OUT, OUT + 4))
    with host.http_stream() as stream:
        stream.request_headers([*GET, (b"x-empty", b"")], end_of_stream=True)
    outcome = Run(host, stream, "relay.wat")
    assert outcome.statuses == [Status.OK]
    assert (outcome.number(), outcome.number(at=OUT + 4)) == (0, 0)
    assert [row.name for row in host.trace("proxy_on_memory_allocate") if row.context == 2] == []


def test_a_response_map_has_its_status_first() -> None:
    """K 106-15; A 16-18."""
    assert value(b":status", 2, "response_headers").given() == b"200"


@pytest.mark.parametrize("count", [22, 107, 1000])
def test_many_headers_are_all_there(count: int) -> None:
    """K 103-3,4, which stops at 100; K 105-12: the last of 1000 is found."""
    headers = [*GET, *((b"x-%d" % n, b"v%d" % n) for n in range(count))]
    host = start(
        ("request_headers", "proxy_get_header_map_value", 0, b"x-%d" % (count - 1), OUT, OUT + 4),
        ("request_headers", "proxy_get_header_map_pairs", 0, OUT + 8, OUT + 12),
    )
    with host.http_stream() as stream:
        stream.request_headers(headers, end_of_stream=True)
    outcome = Run(host, stream, "relay.wat")
    assert outcome.given() == b"v%d" % (count - 1)
    assert decode_pairs(outcome.given(OUT + 8)) == headers
    (row,) = host.trace("proxy_on_request_headers")
    assert row.arguments == (2, len(headers), 1)


def test_names_reach_guests_in_lower_case() -> None:
    """As HTTP/2 and Envoy have them, whatever the client wrote."""
    host = start(("request_headers", "proxy_get_header_map_pairs", 0, OUT, OUT + 4))
    with host.http_stream() as stream:
        stream.request_headers([*GET, (b"X-Mixed-Case", b"Kept")], end_of_stream=True)
    assert decode_pairs(Run(host, stream, "relay.wat").given())[-1] == (b"x-mixed-case", b"Kept")


def test_absent_trailers_are_absent() -> None:
    """A message without them: BAD_ARGUMENT for a value, NOT_FOUND in the log."""
    host = start(
        ("response_headers", "proxy_get_header_map_value", 1, b"a", OUT, OUT + 4),
        ("log", "proxy_get_header_map_value", 3, b"a", OUT, OUT + 4),
    )
    with host.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        stream.response_headers(RESPONSE, end_of_stream=True)
    assert Run(host, stream, "relay.wat").statuses == [Status.BAD_ARGUMENT, Status.NOT_FOUND]


def test_a_plugin_context_reads_a_streams_map_once_it_is_effective() -> None:
    """J PostponeRequests; the context 2 is the first stream's."""
    host = start(
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("tick", "proxy_get_header_map_value", 0, b"x-a", OUT, OUT + 4),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", "proxy_get_header_map_value", 0, b"x-a", OUT, OUT + 4),
    )
    stream = host.http_stream()
    stream.request_headers(REQUEST)
    host.advance(0.01)
    outcome = Run(host, stream, "relay.wat")
    assert outcome.statuses[1:] == [Status.BAD_ARGUMENT, Status.OK, Status.OK]
    assert outcome.given() == b"1"
    exchange(host)
