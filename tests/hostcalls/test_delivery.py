"""What a callback of a plugin context brings along, read by the host calls for maps, buffers and the status."""

from __future__ import annotations

from typing import Any

import pytest

from abi import BufferType, MapType, Status
from abi.pairs import decode_pairs
from host.plugin.context import RootContext
from host.plugin.delivery import Delivery
from host.testing import PluginHost
from tests.hostcalls.relays import OUT, Run, exchange, expect, in_phases, start

ALL = 0xFFFFFFFF
PHASE = "http_call_response"
DELIVERED_MAPS = [kind for kind in MapType if kind >= MapType.GRPC_CALL_INITIAL_METADATA]
DELIVERED_BUFFERS = [
    BufferType.HTTP_CALL_RESPONSE_BODY,
    BufferType.GRPC_CALL_MESSAGE,
    BufferType.FOREIGN_FUNCTION_ARGUMENTS,
]


def root_of(host: PluginHost) -> RootContext:
    """The plugin context of a host's one filter."""
    (context,) = host.plugin._contexts.values()
    assert context.root is not None
    return context.root


def delivered(call: str, *arguments: Any, delivery: Delivery) -> Run:
    """A relay that makes the call in a callback with this delivery."""
    host = start((PHASE, call, *arguments))
    root_of(host).deliver("proxy_on_http_call_response", delivery, 4, 1, 2, 3)
    return Run(host, exchange(host), "relay.wat")


def full() -> Delivery:
    """A delivery with all that one can have."""
    delivery = Delivery()
    for kind in DELIVERED_MAPS:
        fields = delivery.map(kind)
        fields.add(b"x-kind", kind.name.encode())
        fields.add(b"x-again", b"1")
        fields.add(b"x-again", b"2")
    for buffer in DELIVERED_BUFFERS:
        delivery.append(buffer, buffer.name.encode())
    delivery.set_status(11, "reset")
    return delivery


@pytest.mark.parametrize("kind", DELIVERED_MAPS)
def test_maps_are_there_during_the_callback(kind: MapType) -> None:
    """All fields in order, and each by its name."""
    outcome = delivered("proxy_get_header_map_pairs", kind, OUT, OUT + 4, delivery=full())
    assert outcome.statuses == [Status.OK]
    name = kind.name.encode()
    assert decode_pairs(outcome.given()) == [(b"x-kind", name), (b"x-again", b"1"), (b"x-again", b"2")]
    outcome = delivered("proxy_get_header_map_value", kind, b"X-Kind", OUT, OUT + 4, delivery=full())
    assert (outcome.statuses, outcome.given()) == ([Status.OK], name)
    outcome = delivered("proxy_get_header_map_value", kind, b"x-none", OUT, OUT + 4, delivery=full())
    assert outcome.statuses == [Status.NOT_FOUND]


@pytest.mark.parametrize("kind", DELIVERED_MAPS)
def test_absent_maps_are_empty_and_have_no_values(kind: MapType) -> None:
    """Envoy: pairs OK and empty, a value BAD_ARGUMENT."""
    outcome = delivered("proxy_get_header_map_pairs", kind, OUT, OUT + 4, delivery=Delivery())
    assert (outcome.statuses, outcome.number(at=OUT + 4)) == ([Status.OK], 0)
    outcome = delivered("proxy_get_header_map_value", kind, b"a", OUT, OUT + 4, delivery=Delivery())
    assert outcome.statuses == [Status.BAD_ARGUMENT]


@pytest.mark.parametrize("kind", DELIVERED_MAPS)
@pytest.mark.parametrize(
    "call",
    [
        ("proxy_add_header_map_value", b"a", b"b"),
        ("proxy_replace_header_map_value", b"a", b"b"),
        ("proxy_remove_header_map_value", b"x-kind"),
        ("proxy_set_header_map_pairs", b""),
        ("proxy_get_header_map_size", OUT),
    ],
    ids=lambda call: str(call[0]),
)
def test_maps_can_be_neither_written_nor_asked_for_their_size(kind: MapType, call: tuple[Any, ...]) -> None:
    """BAD_ARGUMENT, and nothing changes."""
    delivery = full()
    assert delivered(call[0], kind, *call[1:], delivery=delivery).statuses == [Status.BAD_ARGUMENT]
    assert len(delivery.map(kind)) == 3


@pytest.mark.parametrize("kind", DELIVERED_BUFFERS)
def test_buffers_are_there_during_the_callback(kind: BufferType) -> None:
    """Their bytes and their size; they cannot be written."""
    outcome = delivered("proxy_get_buffer_bytes", kind, 1, 4, OUT, OUT + 4, delivery=full())
    assert (outcome.statuses, outcome.given()) == ([Status.OK], kind.name.encode()[1:5])
    outcome = delivered("proxy_get_buffer_status", kind, OUT, OUT + 4, delivery=full())
    assert (outcome.statuses, outcome.number()) == ([Status.OK], len(kind.name))
    outcome = delivered("proxy_set_buffer_bytes", kind, 0, ALL, b"new", delivery=full())
    assert outcome.statuses == [Status.BAD_ARGUMENT]


@pytest.mark.parametrize("kind", DELIVERED_BUFFERS)
def test_absent_buffers_are_as_in_envoy_and_empty_ones_are_there(kind: BufferType) -> None:
    """Envoy tells no body of a call from an empty one, but no message of a gRPC call it does not."""
    absent = Status.NOT_FOUND if kind is BufferType.HTTP_CALL_RESPONSE_BODY else Status.OK
    for call in (
        ("proxy_get_buffer_bytes", kind, 0, ALL, OUT, OUT + 4),
        ("proxy_get_buffer_status", kind, OUT, OUT + 4),
    ):
        assert delivered(*call, delivery=Delivery()).statuses == [absent]
        empty = Delivery()
        empty.append(kind, b"")
        assert delivered(*call, delivery=empty).statuses == [Status.OK]


def test_the_status_is_that_of_the_delivery() -> None:
    """Number and text."""
    outcome = delivered("proxy_get_status", OUT, OUT + 4, OUT + 8, delivery=full())
    assert (outcome.statuses, outcome.number(), outcome.given(OUT + 4)) == ([Status.OK], 11, b"reset")


def test_all_is_gone_behind_the_callback() -> None:
    """In every other phase, of streams too."""
    for kind in DELIVERED_MAPS:
        values = in_phases("proxy_get_header_map_value", kind, b"x-kind", OUT, OUT + 4)
        assert values == expect(
            Status.BAD_ARGUMENT, **dict.fromkeys(["log", "done", "delete"], Status.NOT_FOUND)
        )
    host = start(
        ("tick", "proxy_get_buffer_bytes", BufferType.HTTP_CALL_RESPONSE_BODY, 0, ALL, OUT, OUT + 4),
        ("tick", "proxy_get_header_map_value", MapType.HTTP_CALL_RESPONSE_HEADERS, b"x-kind", OUT, OUT + 4),
        ("configure", "proxy_set_tick_period_milliseconds", 1000),
    )
    root_of(host).deliver("proxy_on_http_call_response", full(), 4, 1, 2, 3)
    host.advance(1)
    results = [
        status for phase, _, status in Run(host, exchange(host), "relay.wat").results if phase == "tick"
    ]
    assert results == [Status.NOT_FOUND, Status.BAD_ARGUMENT]


def test_it_is_there_under_a_stream_that_the_guest_makes_effective() -> None:
    """Guests read the response of a call while they act on the stream that waits for it."""
    host = start(
        (PHASE, "proxy_set_effective_context", 2),
        (PHASE, "proxy_get_header_map_value", MapType.HTTP_CALL_RESPONSE_HEADERS, b"x-again", OUT, OUT + 4),
    )
    stream = host.http_stream()
    stream.request_headers([(b":method", b"GET"), (b":path", b"/")])
    root_of(host).deliver("proxy_on_http_call_response", full(), 4, 1, 2, 3)
    outcome = Run(host, stream, "relay.wat")
    assert (outcome.statuses, outcome.given()) == ([Status.OK, Status.OK], b"1")


def test_a_trap_in_the_callback_is_for_the_failure_policy() -> None:
    """It is seen to at once, not by the next request."""
    with start((PHASE, "unreachable")) as host:
        root_of(host).deliver("proxy_on_http_call_response", full(), 4, 0, 0, 0)
        assert host.failures == 1
        host.run_background()
        assert host.is_up
