"""Overruns that repeat open a plugin's circuit for a while."""

from __future__ import annotations

from typing import Any

from host.plugin.breaker import CircuitBreaker
from host.plugin.plugin import FailurePolicy, Isolation
from host.testing import PluginHost
from tests.plugin.guests import GET, answer, host, send

LOOP = [*GET, (b"x-loop", b"1")]


def looping(breaker: CircuitBreaker, **options: Any) -> PluginHost:
    configuration = {"phase": "request_headers", "kind": "compute", "header": "x-loop"}
    return host("endless_loop", configuration, callback_deadline=2, circuit_breaker=breaker, **options)


def status(plugin: PluginHost, *, loops: bool = False) -> int | None:
    with plugin.http_stream() as stream:
        send(stream, headers=LOOP if loops else GET)
        answer(stream)
    return stream.to_client.status


def test_so_many_overruns_open_the_circuit_for_a_while() -> None:
    """The spare is there, and is not used: each overrun costs the worker a deadline of CPU time."""
    with looping(CircuitBreaker(3, 60, 30), keep_spare=True, reload_pause=0.001) as plugin:
        for _ in range(3):
            plugin.advance(0.1)
            assert status(plugin) == 200
            assert status(plugin, loops=True) == 503
        assert not plugin.is_up
        assert plugin.plugin.spare is not None
        assert "the circuit is open for 30 s" in plugin.events[-1].message
        plugin.advance(29)
        assert status(plugin) == 503
        plugin.advance(1)
        assert status(plugin) == 200
        assert (plugin.counts.overruns, plugin.counts.circuit_openings) == (3, 1)


def test_overruns_far_apart_open_nothing() -> None:
    """One a minute is a slow request now and then."""
    with looping(CircuitBreaker(3, 60, 30)) as plugin:
        for _ in range(6):
            assert status(plugin, loops=True) == 503
            plugin.advance(31)
            assert status(plugin) == 200
        assert plugin.counts.circuit_openings == 0


def test_traps_are_no_overruns() -> None:
    """They cost next to nothing, and have their own pauses."""
    breaker = CircuitBreaker(2, 60, 30)
    with host("trap", {"phase": "log"}, circuit_breaker=breaker, reload_pause=0.001) as plugin:
        for _ in range(6):
            plugin.advance(0.1)
            assert status(plugin) == 200
        assert (plugin.failures, plugin.counts.overruns) == (6, 0)


def test_the_circuit_of_a_plugin_per_stream_opens_too() -> None:
    """It has no VM to be reloaded, but overruns cost the same."""
    with looping(CircuitBreaker(3, 60, 30), isolation=Isolation.STREAM) as plugin:
        for _ in range(3):
            assert status(plugin, loops=True) == 503
        assert status(plugin) == 503
        plugin.advance(30)
        assert status(plugin) == 200


def test_zero_never_opens_it() -> None:
    """Then the pauses of reloading alone hold it back."""
    with looping(CircuitBreaker(0, 60, 30), reload_pause=0.001) as plugin:
        for _ in range(10):
            status(plugin, loops=True)
            plugin.advance(1)
        assert plugin.counts.circuit_openings == 0
        assert plugin.is_up


def test_a_plugin_that_is_not_reloaded_has_no_circuit() -> None:
    """It is down anyway."""
    with looping(CircuitBreaker(1, 60, 30), failure_policy=FailurePolicy.FAIL_CLOSED) as plugin:
        status(plugin, loops=True)
        plugin.advance(100)
        assert not plugin.is_up
        assert plugin.counts.circuit_openings == 0
