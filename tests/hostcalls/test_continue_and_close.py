"""proxy_continue_stream, proxy_close_stream and 0.1.0's proxy_continue_request and proxy_continue_response."""

from __future__ import annotations

import pytest

from abi import Status
from testdata import relay
from tests.hostcalls.relays import Run, exchange, expect, in_phases, run, start
from tests.plugin.guests import GET, OK

CONTINUE, CLOSE = "proxy_continue_stream", "proxy_close_stream"


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_resuming_what_is_not_paused_is_harmless_in_every_phase(kind: int) -> None:
    """SDKs panic on any other status, and Envoy gives none."""
    assert in_phases(CONTINUE, kind) == expect(Status.OK)


@pytest.mark.parametrize("kind", [4, 9999, 0xFFFFFFFF])
@pytest.mark.parametrize("call", [CONTINUE, CLOSE])
def test_a_kind_of_stream_beyond_the_last_is_a_bad_argument(call: str, kind: int) -> None:
    """EH continue/close with type 9999."""
    assert in_phases(call, kind) == expect(Status.BAD_ARGUMENT)


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "phase", ["request_headers", "request_body", "response_headers", "response_trailers"]
)
def test_closing_resets_the_exchange_at_once(phase: str, kind: int) -> None:
    """EH CloseRequest, CloseResponse: no further callback but the last three."""
    outcome = run(
        (phase, CLOSE, kind), ("response_trailers", "proxy_log", 2, b"late"), ("log", "proxy_log", 2, b"end")
    )
    assert outcome.statuses[0] is Status.OK
    assert outcome.stream.is_reset
    assert not outcome.stream.to_client.ended
    assert outcome.host.logs().count("late") == (phase == "response_trailers")
    assert outcome.host.logs().count("end") == 1


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_closing_what_is_over_does_nothing(kind: int) -> None:
    """In the log, or without a stream."""
    statuses = in_phases(CLOSE, kind, phases=["vm_start", "configure", "tick", "log", "done", "delete"])
    assert set(statuses.values()) == {Status.OK}


@pytest.mark.parametrize("side", ["request", "response"])
def test_0_1_0_resumes_by_two_calls_of_their_own(side: str) -> None:
    """A tick makes the paused stream effective and lets it go on."""
    host = start(
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        (f"{side}_headers", relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", f"proxy_continue_{side}"),
        file="relay_0_1_0.wat",
    )
    stream = host.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    if side == "response":
        stream.response_headers(OK, end_of_stream=True)
    assert stream.request_paused == (side == "request")
    assert stream.response_paused == (side == "response")
    host.advance(0.01)
    message = stream.to_upstream if side == "request" else stream.to_client
    assert message.ended


def test_calls_that_have_no_result_are_linked_so() -> None:
    """The specification's 0.1.0 gives these none, Envoy an i32: the module's own import decides."""
    from host.testing import PluginHost
    from tests.plugin.guests import wat

    with PluginHost(wat("no_result_0_1_0")) as host, host.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        assert host.failures == 0


def test_a_resume_from_a_tick_needs_the_streams_context() -> None:
    """Without one there is nothing to resume, and nothing happens."""
    host = start(
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("request_headers", relay.RETURN, 1),
        ("tick", CONTINUE, 0),
    )
    stream = host.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    host.advance(0.01)
    assert stream.request_paused
    assert Run(host, stream, "relay.wat").statuses[-1] is Status.OK
    exchange(host)
