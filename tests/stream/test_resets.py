"""Exchanges that are given up: by whom, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from abi import LogLevel, join_path
from host.chain import BodyLimits
from testdata import relay
from tests.hostcalls.relays import start
from tests.plugin.guests import OK, answer, send

SEND, CLOSE = "proxy_send_local_response", "proxy_close_stream"
LATE = "proxy_send_local_response came when the response's head had left: the response is cut short"
DETAILS = (
    "log",
    "proxy_get_property",
    join_path([b"response", b"code_details"]),
    relay.SCRATCH,
    relay.SCRATCH + 4,
)


def details_of(
    *steps: Any, body: tuple[bytes, ...] = (b"one", b"two"), **options: Any
) -> tuple[bytes, Any, Any]:
    """What proxy_on_log reads as response.code_details, the exchange, and its host."""
    host = start(*steps, DETAILS, **options)
    with host.http_stream() as stream:
        send(stream, b"body")
        answer(stream, *body)
    vm = host.vm
    pointer, length = (int.from_bytes(vm.read_memory(relay.SCRATCH + at, 4), "little") for at in (0, 4))
    return vm.read_memory(pointer, length), stream, host


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("phase", ["request_headers", "request_body", "response_headers", "response_body"])
def test_a_closed_stream_is_reset_with_its_details(phase: str, kind: int) -> None:
    """EH CloseRequest, CloseResponse: no answer is made, and no response callback comes behind it."""
    details, stream, host = details_of((phase, CLOSE, kind))
    assert (details, stream.is_reset, stream.local_response) == (b"wasm_close_stream", True, None)
    assert stream.to_client.status is None
    if phase.startswith("request"):
        assert host.trace("proxy_on_response_headers") == []


def test_an_answer_behind_a_head_that_has_left_is_told() -> None:
    """An operator sees in the log why the response is short."""
    details, stream, host = details_of(
        ("response_body", SEND, 403, b"", b"", b"", -1), hold_response_head=False
    )
    assert (details, stream.is_reset) == (b"local_response_behind_head", True)
    assert host.logs(LogLevel.WARN) == [LATE]


def test_an_answer_behind_the_end_is_dropped() -> None:
    """All has left; there is nothing to cut."""
    steps = [
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", SEND, 403, b"", b"", b"", -1),
    ]
    host = start(*steps)
    with host.http_stream() as stream:
        send(stream)
        answer(stream, b"all")
        host.advance(0.01)
        assert (stream.to_client.body, stream.to_client.ended, stream.is_reset) == (b"all", True, False)
        assert host.logs(LogLevel.WARN) == []


def test_a_response_that_overflows_behind_its_head_says_so() -> None:
    """It is cut at the limit."""
    step = ("response_body", relay.RETURN, 1)
    details, stream, _ = details_of(step, hold_response_head=False, limits=BodyLimits(4, 4))
    assert (details, stream.is_reset, stream.to_client.headers) == (b"response_payload_too_large", True, OK)


RESPONSE_PHASES = ["response_headers", "response_body", "response_trailers"]


@pytest.mark.parametrize("phase", RESPONSE_PHASES)
def test_a_response_that_waits_for_a_callout_is_answered_by_it(phase: str) -> None:
    """The callout's callback runs on the root context, as a tick does; the head is held until bytes have passed."""
    steps = [
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        (phase, relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", SEND, 403, b"", b"denied", b"", -1),
    ]
    host = start(*steps)
    with host.http_stream() as stream:
        send(stream)
        body_passes = phase == "response_trailers"
        answer(stream, b"one", b"two", trailers=[(b"x-sum", b"1")] if body_passes else None)
        assert stream.response_paused
        host.advance(0.01)
        if body_passes:
            assert (stream.is_reset, stream.to_client.body, stream.to_client.ended) == (
                True,
                b"onetwo",
                False,
            )
            assert host.logs(LogLevel.WARN) == [LATE]
        else:
            assert (stream.to_client.status, stream.to_client.body) == (403, b"denied")


@pytest.mark.parametrize("phase", RESPONSE_PHASES)
def test_a_response_that_waits_for_a_callout_is_changed_and_goes_on(phase: str) -> None:
    """The same, when the answer is good: fields while the head is held, bytes while the body is."""
    change = {
        "response_headers": ("proxy_add_header_map_value", 2, b"x-user", b"1"),
        "response_body": ("proxy_set_buffer_bytes", 1, 0x7FFFFFFF, 0, b"!"),
        "response_trailers": ("proxy_add_header_map_value", 3, b"x-user", b"1"),
    }[phase]
    host = start(
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        (phase, relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", *change),
        ("tick", "proxy_continue_stream", 1),
    )
    trailers = [(b"x-sum", b"1")] if phase == "response_trailers" else None
    with host.http_stream() as stream:
        send(stream)
        answer(stream, b"one", b"two", trailers=trailers)
        host.advance(0.01)
        user = [(b"x-user", b"1")]
        assert stream.to_client.headers == (OK + user if phase == "response_headers" else OK)
        assert stream.to_client.body == (b"onetwo!" if phase == "response_body" else b"onetwo")
        assert stream.to_client.trailers == ((trailers or []) + user if trailers else [])
        assert stream.to_client.ended
