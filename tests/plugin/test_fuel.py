"""A budget of instructions for each callback."""

from __future__ import annotations

import pytest

from host.plugin.breaker import CircuitBreaker
from host.testing import PluginHost
from host.wasm.module import Module
from host.wasm.vm import FailureKind, VmSettings, WasmVM
from testdata import relay
from tests.hostcalls.relays import exchange, start
from tests.plugin.guests import answer, host, plugin_file, send, wat


def test_a_callback_that_uses_up_its_fuel_fails() -> None:
    """Whatever the machine's speed: the same request fails on each, and none for a slow clock."""
    with start(("request_headers", relay.LOOP), callback_fuel=100_000, callback_deadline=5_000) as plugin:
        assert exchange(plugin).to_client.status == 503
        assert plugin.last_failure is not None
        assert plugin.last_failure.kind is FailureKind.FUEL
        assert plugin.last_failure.reason.startswith("proxy_on_request_headers: fuel of 100000 exhausted")


def test_each_callback_has_fuel_of_its_own() -> None:
    """What one has left over or used is nothing to the next."""
    with host(
        "custom_response_header", {"headers": [{"name": "a", "value": "b"}]}, callback_fuel=50_000
    ) as plugin:
        for _ in range(500):
            with plugin.http_stream() as stream:
                send(stream)
                answer(stream)
            assert stream.to_client.get(b"a") == b"b"
        assert plugin.failures == 0


def test_a_start_has_no_budget() -> None:
    """Runtimes need millions of instructions to start; the start's deadline bounds them."""
    with PluginHost(plugin_file("go_http_headers"), callback_fuel=200_000) as plugin:
        assert plugin.is_up


def test_overruns_of_fuel_open_the_circuit() -> None:
    """As those of time."""
    with start(
        ("request_headers", relay.LOOP),
        callback_fuel=1000,
        circuit_breaker=CircuitBreaker(2, 60, 30),
        reload_pause=0.001,
    ) as plugin:
        exchange(plugin)
        plugin.advance(1)
        exchange(plugin)
        assert (plugin.counts.overruns, plugin.counts.circuit_openings) == (2, 1)


def test_fuel_and_none_live_side_by_side() -> None:
    """Two engines, two compilations, one process: a deadline ends a loop on either."""
    for fuel, kind in ((0, FailureKind.DEADLINE), (1 << 60, FailureKind.DEADLINE), (1000, FailureKind.FUEL)):
        with start(("request_headers", relay.LOOP), callback_fuel=fuel, callback_deadline=5) as plugin:
            exchange(plugin)
            assert plugin.last_failure is not None
            assert plugin.last_failure.kind is kind


def test_a_module_that_counts_nothing_can_be_given_no_fuel() -> None:
    """Counting is compiled in."""
    with pytest.raises(ValueError, match="metered=True"):
        WasmVM(Module(wat("relay")), VmSettings(callback_fuel=1))
