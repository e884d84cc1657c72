"""proxy_set_effective_context, proxy_done, proxy_get_status and 0.1.0's proxy_get_configuration."""

from __future__ import annotations

import pytest

from abi import Status, encode_pairs
from host.testing import PluginHost
from testdata import relay
from tests.hostcalls.relays import OUT, PHASES, Run, exchange, expect, in_phases, run, start
from tests.plugin.guests import GET, wat


def test_a_context_that_is_there_can_be_made_effective_in_every_phase() -> None:
    """1 is the plugin context."""
    assert in_phases("proxy_set_effective_context", 1) == expect(Status.OK)


@pytest.mark.parametrize("context", [0, 3, 0xFFFFFFFF])
def test_a_context_that_is_not_there_is_a_bad_argument(context: int) -> None:
    """The stream may be gone when its answer comes."""
    assert in_phases("proxy_set_effective_context", context) == expect(Status.BAD_ARGUMENT)


def test_a_stream_that_is_closed_is_not_there() -> None:
    """Its id is not used again."""
    host = start(("request_headers", "proxy_set_effective_context", 2))
    exchange(host)
    second = Run(host, exchange(host), "relay.wat")
    assert second.statuses == [Status.OK, Status.BAD_ARGUMENT]
    assert [row.arguments for row in host.trace("proxy_on_context_create")] == [(1, 0), (2, 1), (3, 1)]


def test_the_effective_context_lasts_until_the_callback_returns() -> None:
    """The plugin context has no headers; the next callback is the stream's own again."""
    size = ("proxy_get_header_map_size", 0, OUT)
    outcome = run(
        ("request_headers", *size),
        ("request_headers", "proxy_set_effective_context", 1),
        ("request_headers", *size),
        ("response_headers", *size),
    )
    assert outcome.statuses == [Status.OK, Status.OK, Status.BAD_ARGUMENT, Status.OK]


def test_lines_carry_the_effective_context() -> None:
    """So that a tick's lines about a stream name its request."""
    host = start(
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("tick", "proxy_log", 3, b"plugin"),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", "proxy_log", 3, b"stream"),
    )
    with host.http_stream(request_id="r") as stream:
        stream.request_headers(GET)
        host.advance(0.01)
    found = {
        line.message: (line.context, line.request)
        for line in host.lines
        if line.message in ("plugin", "stream")
    }
    assert found == {"plugin": (1, ""), "stream": (2, "r")}


def test_done_is_not_found_when_nothing_is_pending() -> None:
    """A stream's on_done cannot be deferred."""
    assert in_phases("proxy_done") == expect(Status.NOT_FOUND)


def done_of_the_plugin(*steps: tuple[str | int | bytes, ...]) -> PluginHost:
    host = start(*steps)
    host.plugin.release(next(iter(host.plugin._contexts)))  # the plugin stays, its one configuration goes
    return host


def test_a_plugin_that_is_done_is_deleted() -> None:
    """on_done, on_log, on_delete of the plugin context."""
    host = done_of_the_plugin()
    names = [
        row.name for row in host.trace() if row.name in ("proxy_on_done", "proxy_on_log", "proxy_on_delete")
    ]
    assert names == ["proxy_on_done", "proxy_on_log", "proxy_on_delete"]


def test_a_plugin_may_defer_its_end_for_some_seconds() -> None:
    """It is deleted then in any case."""
    host = done_of_the_plugin(("done", relay.RETURN, 0))
    assert not host.trace("proxy_on_delete")
    host.advance(4)
    assert not host.trace("proxy_on_delete")
    host.advance(10)
    assert len(host.trace("proxy_on_delete")) == 1


def test_a_deferred_end_comes_with_proxy_done() -> None:
    """From a tick, which goes on meanwhile."""
    host = done_of_the_plugin(
        ("configure", "proxy_set_tick_period_milliseconds", 500),
        ("done", relay.RETURN, 0),
        ("tick", "proxy_done"),
    )
    host.advance(1.1)
    assert len(host.trace("proxy_on_delete")) == 1
    host.advance(10)
    assert len(host.trace("proxy_on_tick")) <= 2


def test_a_deferred_end_comes_with_proxy_done_from_the_answer_of_a_call() -> None:
    """A plugin that reports before it ends: the call is made in on_done, its callback ends the plugin."""
    fields = encode_pairs([(b":method", b"POST"), (b":path", b"/report"), (b":authority", b"a")])
    host = done_of_the_plugin(
        ("done", "proxy_http_call", b"reports", fields, b"", b"", 1000, OUT),
        ("done", relay.RETURN, 0),
        ("http_call_response", "proxy_done"),
    )
    assert not host.trace("proxy_on_delete")
    (call,) = host.calls
    call.respond(204)
    host.advance(0)
    assert len(host.trace("proxy_on_delete")) == 1


def test_a_deferred_end_comes_with_proxy_done_from_a_queue() -> None:
    """A plugin that empties its queue before it ends."""
    host = done_of_the_plugin(
        ("configure", "proxy_register_shared_queue", b"jobs", OUT),
        ("done", relay.RETURN, 0),
        ("queue_ready", "proxy_done"),
    )
    assert not host.trace("proxy_on_delete")
    host.shared_queue_of("", b"jobs").enqueue(b"last")
    host.advance(0)
    assert len(host.trace("proxy_on_delete")) == 1


def test_a_deferred_end_comes_with_proxy_done_from_a_foreign_function() -> None:
    """Whatever it was that took time."""
    answers = []
    host = start(
        ("done", "proxy_call_foreign_function", b"flush", b"", 0, 0),
        ("done", relay.RETURN, 0),
        ("foreign_function", "proxy_done"),
        foreign_functions={"flush": lambda call: answers.append(call.answer_later())},
    )
    host.plugin.release(next(iter(host.plugin._contexts)))
    assert not host.trace("proxy_on_delete")
    answers[0].send(b"")
    host.advance(0)
    assert len(host.trace("proxy_on_delete")) == 1


def test_an_end_that_is_deferred_and_done_at_once_is_done() -> None:
    """proxy_done inside on_done, which answers false."""
    host = done_of_the_plugin(("done", "proxy_done"), ("done", relay.RETURN, 0))
    assert len(host.trace("proxy_on_delete")) == 1


def test_without_calls_the_status_is_zero_and_empty() -> None:
    """Nothing has failed."""
    assert in_phases("proxy_get_status", OUT, OUT + 4, OUT + 8) == expect(Status.OK)
    outcome = run(("request_headers", "proxy_get_status", OUT, OUT + 4, OUT + 8))
    assert (outcome.number(), outcome.given(OUT + 4)) == (0, b"")


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase not in ("vm_start", "tick")])
def test_0_1_0_reads_the_plugins_configuration_in_configure_and_the_vms_elsewhere(phase: str) -> None:
    """E's proxy_get_configuration."""
    script = relay.script((phase, "proxy_get_configuration", OUT, OUT + 4), file="relay_0_1_0.wat")
    host = PluginHost(wat("relay_0_1_0"), script, vm_configuration=relay.script(file="relay_0_1_0.wat"))
    outcome = Run(host, exchange(host), "relay_0_1_0.wat")
    assert outcome.statuses == [Status.OK]
    assert outcome.given() == (script if phase == "configure" else b"\0\0\0\0")


def test_0_1_0_may_clear_a_route_cache_that_is_not_there() -> None:
    """A route is chosen before its filters run."""
    statuses = in_phases(
        "proxy_clear_route_cache", file="relay_0_1_0.wat", phases=["tick", "request_headers", "log"]
    )
    assert set(statuses.values()) == {Status.OK}
