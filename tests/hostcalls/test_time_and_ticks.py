"""proxy_get_current_time_nanoseconds and proxy_set_tick_period_milliseconds."""

from __future__ import annotations

import time

from abi import Status
from tests.hostcalls.relays import OUT, PHASES, REQUEST, exchange, expect, in_phases, run, start


def test_the_time_is_the_clock_on_the_wall_in_nanoseconds() -> None:
    """K 101; J TimersClocksRandom."""
    before = time.time_ns()
    outcome = run(("request_headers", "proxy_get_current_time_nanoseconds", OUT))
    assert before <= outcome.number(8) <= time.time_ns()


def test_the_time_may_be_asked_in_every_phase() -> None:
    """It belongs to no context."""
    assert in_phases("proxy_get_current_time_nanoseconds", OUT) == expect(Status.OK)


def test_the_time_may_be_written_to_any_address() -> None:
    """The pointer need not be aligned (K traps)."""
    outcome = run(("request_headers", "proxy_get_current_time_nanoseconds", OUT + 3))
    assert outcome.statuses == [Status.OK]
    assert outcome.number(8, OUT + 3) > 10**18


def test_a_tick_period_may_be_set_in_every_phase() -> None:
    """K contexts/002 1-10: from stream contexts it applies to the plugin context."""
    phases = [phase for phase in PHASES if phase != "tick"]
    assert in_phases("proxy_set_tick_period_milliseconds", 50, phases=phases) == dict.fromkeys(
        phases, Status.OK
    )


def ticks(*steps: tuple[str | int | bytes, ...], seconds: float = 1.0) -> int:
    host = start(("tick", "proxy_get_log_level", OUT), *steps)
    exchange(host)
    host.advance(seconds)
    return len(host.trace("proxy_on_tick"))


def test_a_period_set_by_a_stream_ticks_for_the_plugin() -> None:
    """E: the effective context's root."""
    assert ticks(("log", "proxy_set_tick_period_milliseconds", 100)) == 10


def test_a_period_of_zero_never_ticks() -> None:
    """K 003-1."""
    assert ticks(("configure", "proxy_set_tick_period_milliseconds", 0)) == 0


def test_lines_of_a_tick_are_the_plugins_and_no_requests() -> None:
    """K 003-2,3: it ticks without traffic, and between the requests of others; a stream made effective names its own."""
    steps = [("configure", "proxy_set_tick_period_milliseconds", 10), ("tick", "proxy_log", 2, b"ticked")]
    by_hand = [("tick", "proxy_set_effective_context", 2), ("tick", "proxy_log", 2, b"for the stream")]
    with start(*steps, *by_hand) as host:
        host.advance(0.01)
        with host.http_stream(request_id="r-1") as stream:
            stream.request_headers(REQUEST, end_of_stream=True)
            host.advance(0.01)
        told = [
            (line.message, line.context, line.request) for line in host.lines if "relay" not in line.message
        ]
        assert told == [
            ("ticked", 1, ""),
            ("for the stream", 1, ""),
            ("ticked", 1, ""),
            ("for the stream", 2, "r-1"),
        ]


def test_a_tick_that_sets_zero_is_the_last() -> None:
    """K 003-5."""
    zero = ("tick", "proxy_set_tick_period_milliseconds", 0)
    assert ticks(("configure", "proxy_set_tick_period_milliseconds", 10), zero) == 1


def test_the_last_period_wins() -> None:
    """K 003-7: nginx's module fails the second, Envoy takes it."""
    twice = [("configure", "proxy_set_tick_period_milliseconds", period) for period in (10, 500)]
    assert ticks(*twice) == 2


def test_a_tick_that_sets_the_period_again_goes_on_at_it() -> None:
    """Each callback re-arms, as in Envoy."""
    slower = ("tick", "proxy_set_tick_period_milliseconds", 300)
    assert ticks(("configure", "proxy_set_tick_period_milliseconds", 100), slower) == 4


def test_two_plugins_tick_by_their_own_periods() -> None:
    """K 003-6."""
    from host.testing import ChainHost, WasmPlugin
    from tests.plugin.guests import plugin_file

    wasm = plugin_file("ticks")
    with ChainHost(
        [WasmPlugin(wasm, {"tick_period_milliseconds": ms}, name=str(ms)) for ms in (20, 30)]
    ) as host:
        host.advance(0.0601)
        assert (host.logs(plugin="20"), host.logs(plugin="30")) == (
            ["tick 1", "tick 2", "tick 3"],
            ["tick 1", "tick 2"],
        )
