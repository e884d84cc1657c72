"""Who shares a VM: the whole plugin, a route, a stream, a filter of a stream."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from host.errors import PluginStartError
from host.plugin.plugin import FailurePolicy, Isolation
from host.plugin.stream_vms import StreamVms
from host.testing import ChainHost, HostedStream, PluginHost, WasmPlugin
from testdata import relay
from tests.hostcalls.relays import exchange, start
from tests.plugin.guests import GET, answer, host, send, wat

NONE, ROUTE, STREAM, FILTER = Isolation
PER_STREAM = [STREAM, FILTER]


def counts(chain: ChainHost, requests: int) -> list[list[int]]:
    """What each filter of the chain has counted, request by request."""
    found = []
    for _ in range(requests):
        with chain.http_stream() as stream:
            send(stream)
            answer(stream)
        found.append([int(value, 16) for name, value in stream.to_client.headers or () if name == b"x-count"])
    return found


def served(stream: HostedStream) -> int | None:
    send(stream)
    answer(stream)
    stream.close()
    return stream.to_client.status


@pytest.mark.parametrize(
    ("isolation", "expected"),
    [
        (NONE, [[2, 2], [4, 4], [6, 6]]),
        (ROUTE, [[1, 1], [2, 2], [3, 3]]),
        (STREAM, [[2, 2], [2, 2], [2, 2]]),
        (FILTER, [[1, 1], [1, 1], [1, 1]]),
    ],
)
def test_globals_live_as_long_as_their_vm(isolation: Isolation, expected: list[list[int]]) -> None:
    """K 007-1, 3, 5-7: they grow over requests, are reset with each request, or are each filter's own."""
    use = WasmPlugin(wat("factories"), name="p", isolation=isolation)
    with ChainHost([use, use]) as chain:
        assert counts(chain, 3) == expected


def test_two_plugins_of_one_file_share_no_stream_vm() -> None:
    """A VM is a plugin's: its limits, its environment."""
    filters = [WasmPlugin(wat("factories"), name=name, isolation=STREAM) for name in "ab"]
    with ChainHost(filters) as chain:
        assert counts(chain, 2) == [[1, 1], [1, 1]]


@pytest.mark.parametrize("isolation", PER_STREAM)
def test_a_stream_has_all_callbacks_on_its_own_vm(isolation: Isolation) -> None:
    """The plugin context begins before it and ends behind it."""
    with start(isolation=isolation) as plugin:
        exchange(plugin)
        names = [
            (row.name.removeprefix("proxy_on_"), row.context)
            for row in plugin.trace()
            if row.name.startswith("proxy_on_") and row.name != "proxy_on_memory_allocate"
        ]
        assert names[:4] == [("context_create", 1), ("vm_start", 1), ("configure", 1), ("context_create", 2)]
        assert names[-6:] == [("log", 2), ("done", 2), ("delete", 2), ("done", 1), ("log", 1), ("delete", 1)]


@pytest.mark.parametrize("isolation", PER_STREAM)
def test_vms_go_with_their_streams(isolation: Isolation) -> None:
    """Nothing is kept that could grow: no VM, no guest, no context."""
    with start(isolation=isolation, trace_rows=0) as plugin:
        first, second = plugin.http_stream(), plugin.http_stream()
        send(first)
        send(second)
        assert len(plugin.plugin.supply.vms) == 2
        for stream in (first, second):
            answer(stream)
            stream.close()
        assert plugin.plugin.supply.vms == []
        for _ in range(50):
            exchange(plugin)
        plugin._vms.clear()
        gc.collect()
        assert plugin.plugin.supply.vms == []


@pytest.mark.parametrize("isolation", PER_STREAM)
def test_a_trap_fails_its_own_stream_alone(isolation: Isolation) -> None:
    """There is nothing to reload, and no pause: the next stream has another VM anyway."""
    with host("trap", {"phase": "request_headers", "header": "x-trap"}, isolation=isolation) as plugin:
        other = plugin.http_stream()
        send(other)
        for number in range(1, 6):
            stream = plugin.http_stream()
            send(stream, headers=[*GET, (b"x-trap", b"1")])
            assert stream.to_client.status == 503
            stream.close()
            assert plugin.failures == number
        answer(other)
        assert other.to_client.status == 200
        assert plugin.is_up
        assert served(plugin.http_stream()) == 200


def test_a_trap_of_one_route_leaves_the_other_alone() -> None:
    """Its VM is not theirs."""
    broken, sound = relay.script(("request_headers", "unreachable")), relay.script()
    with (
        PluginHost(
            wat("relay"), broken, name="r", isolation=ROUTE, failure_policy=FailurePolicy.FAIL_CLOSED
        ) as plugin,
        ChainHost([WasmPlugin(wat("relay"), sound, name="r", isolation=ROUTE)]) as other,
    ):
        assert served(plugin.http_stream()) == 503
        assert served(plugin.http_stream()) == 503
        assert not plugin.is_up
        assert served(other.http_stream()) == 200


def test_each_context_of_a_plugin_per_route_has_a_vm() -> None:
    """And they fail and recover one by one."""
    filters = [
        WasmPlugin(wat("relay"), script, name="r", isolation=ROUTE)
        for script in (relay.script(), relay.script(("log", "unreachable")))
    ]
    with ChainHost(filters) as chain:
        plugin = chain.plugins["r"]
        first, second = plugin.supply.vms
        assert served(chain.http_stream()) == 200
        chain.run_background()
        assert plugin.failures == 1
        assert plugin.supply.vms[0] is first
        assert plugin.supply.vms[1] is not second
        assert repr(plugin) == "<Plugin r [up, contexts: 2, failures: 1]>"


@pytest.mark.parametrize("isolation", [ROUTE, STREAM, FILTER])
def test_a_refused_configuration_is_told_in_every_mode(isolation: Isolation) -> None:
    """When the plugin starts, not when a request comes."""
    with pytest.raises(PluginStartError, match="proxy_on_configure returned false"):
        start(("configure", relay.RETURN, 0), isolation=isolation)


@pytest.mark.parametrize("isolation", PER_STREAM)
def test_a_paused_stream_is_resumed_by_a_tick_of_its_vm(isolation: Isolation) -> None:
    """J PostponeRequests: the timer of a plugin context lives as long as its stream."""
    steps: list[Any] = [
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("request_headers", relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", "proxy_continue_stream", 0),
    ]
    with start(*steps, isolation=isolation) as plugin:
        stream = plugin.http_stream()
        send(stream)
        assert stream.request_paused
        plugin.advance(0.01)
        assert not stream.request_paused
        answer(stream)
        stream.close()
        ticks = len(plugin.trace("proxy_on_tick"))
        plugin.advance(1)
        assert len(plugin.trace("proxy_on_tick")) == ticks


def test_a_trap_in_a_tick_fails_the_stream_that_the_vm_is_for() -> None:
    """As on a shared VM, where it fails them all."""
    steps: list[Any] = [("configure", "proxy_set_tick_period_milliseconds", 10), ("tick", "unreachable")]
    with start(*steps, isolation=STREAM) as plugin:
        stream = plugin.http_stream()
        send(stream)
        plugin.advance(0.02)
        assert stream.to_client.status == 503
        assert plugin.failures == 1


def test_a_vm_that_its_stream_never_entered_serves_the_next() -> None:
    """An earlier filter has answered: nothing has happened in it."""
    answers = WasmPlugin(
        wat("relay"),
        relay.script(("request_headers", "proxy_send_local_response", 403, 0, 0, 0, 0, 0, 0, -1)),
        name="answers",
    )
    behind = WasmPlugin(wat("factories"), name="behind", isolation=STREAM, access_logger=True)
    with ChainHost([answers, behind]) as chain:
        for _ in range(5):
            assert served(chain.http_stream()) == 403
        assert chain.plugins["behind"].counts.started <= 1


def test_a_module_that_starts_slowly_has_vms_ready() -> None:
    """They are built off the loop, and a stream takes one at once."""
    slow = relay.script(("configure", "proxy_get_log_level", 4096))
    with PluginHost(wat("relay"), slow, name="slow", isolation=FILTER, background_on_demand=True) as plugin:
        supply = plugin.plugin.supply
        assert isinstance(supply, StreamVms)
        supply._took = 1.0  # as if building had taken a second
        assert served(plugin.http_stream()) == 200
        assert plugin.run_background() == 1
        started = plugin.counts.started
        ready = plugin.plugin.spare
        assert ready is not None
        stream = plugin.http_stream()
        assert plugin.plugin.supply.vms == [ready]
        assert plugin.counts.started == started
        assert served(stream) == 200


def test_a_configuration_too_slow_for_the_loop_is_never_run_there() -> None:
    """A stream without a VM that stands ready meets the policy, instead of holding up all others."""
    with start(isolation=STREAM, background_on_demand=True) as plugin:
        supply = plugin.plugin.supply
        assert isinstance(supply, StreamVms)
        supply._slow.update(supply._contexts)
        assert served(plugin.http_stream()) == 200  # the VM on which the configuration was tried
        assert served(plugin.http_stream()) == 503
        plugin.run_background()
        assert served(plugin.http_stream()) == 200


def test_a_plugin_per_stream_that_does_not_start_any_more_fails_open_or_closed() -> None:
    """Then it is left alone for a while; what the policy says holds for each stream."""
    for policy, status in ((FailurePolicy.FAIL_OPEN, 200), (FailurePolicy.FAIL_RELOAD, 503)):
        with start(isolation=STREAM, failure_policy=policy) as plugin:
            assert served(plugin.http_stream()) == 200
            supply = plugin.plugin.supply
            assert isinstance(supply, StreamVms)
            supply._not_before = plugin.now + 5
            assert served(plugin.http_stream()) == status
            assert not plugin.is_up
            plugin.advance(5)
            assert plugin.is_up
            assert served(plugin.http_stream()) == 200
