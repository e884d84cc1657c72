"""VMs that are replaced although they have not failed: for their memory, their requests, their age."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin.settings import RecycleLimits
from host.testing import PluginHost
from testdata import relay
from tests.hostcalls.relays import exchange, start
from tests.plugin.guests import answer, send

PAGE = 65536


def recycling(*steps: Any, **limits: float) -> PluginHost:
    return start(*steps, recycle=RecycleLimits(**limits), trace_rows=0)  # type: ignore[arg-type]


def test_a_vm_is_replaced_after_so_many_requests() -> None:
    """The fourth request finds a fresh one."""
    with recycling(max_requests=3) as plugin:
        vms = []
        for _ in range(9):
            vms.append(plugin.vm.serial)
            exchange(plugin)
        assert [vms.count(vm) for vm in dict.fromkeys(vms)] == [3, 3, 3]
        assert plugin.counts.recycled == 3
        assert plugin.failures == 0


def test_a_vm_is_replaced_when_its_memory_has_grown() -> None:
    """A guest that leaks a page a request: Go's collectors, an allocator that frees nothing."""
    with recycling(("request_headers", relay.GROW, 1), max_memory_size=12 * PAGE) as plugin:
        sizes = []
        for _ in range(20):
            exchange(plugin)
            sizes.append(plugin.memory_size)
        assert max(sizes) < 12 * PAGE
        assert plugin.counts.recycled == 5


def test_a_vm_is_replaced_when_it_is_old() -> None:
    """Whether there is traffic or not."""
    with recycling(max_age=60.0) as plugin:
        first = plugin.vm
        plugin.advance(59)
        assert plugin.vm is first
        plugin.advance(1)
        assert plugin.vm is not first
        plugin.advance(120)
        assert plugin.counts.recycled == 3


def test_streams_in_flight_end_on_the_vm_they_began_on() -> None:
    """New ones go to the next; the old VM's context ends behind the last, and the VM goes."""
    with start(recycle=RecycleLimits(max_requests=2)) as plugin:
        old = plugin.vm
        first, second = plugin.http_stream(), plugin.http_stream()
        send(first)
        send(second)
        exchange(plugin)
        exchange(plugin)
        assert plugin.vm is not old
        assert old.contexts == 3
        exchange(plugin)
        answer(first)
        answer(second)
        assert (first.to_client.status, second.to_client.status) == (200, 200)
        first.close()
        assert not [row for row in old.trace() if row.context == 1 and row.name == "proxy_on_done"]
        second.close()
        ends = [row.name for row in old.trace() if row.context == 1][-3:]
        assert ends == ["proxy_on_done", "proxy_on_log", "proxy_on_delete"]
        assert old.contexts == 0
        assert plugin.failures == 0


def test_replaced_vms_are_freed() -> None:
    """A host that kept them would trade a guest's leak for its own (the count of references is the test)."""
    with recycling(max_requests=1) as plugin:
        seen = []
        for _ in range(30):
            seen.append(weakref.ref(plugin.vm))
            exchange(plugin)
        plugin._vms.clear()
        gc.collect()
        assert sum(vm() is not None for vm in seen) == 0
        assert plugin.counts.recycled == 30


def test_a_paused_stream_of_a_replaced_vm_is_still_resumed_by_its_tick() -> None:
    """The old context ticks to its end."""
    steps: list[Any] = [
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("request_headers", relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", "proxy_continue_stream", 0),
    ]
    with start(*steps, recycle=RecycleLimits(max_age=0.005)) as plugin:
        old = plugin.vm
        stream = plugin.http_stream()
        send(stream)
        plugin.advance(0.006)
        assert plugin.vm is not old
        assert stream.request_paused
        plugin.advance(0.006)
        assert not stream.request_paused
        answer(stream)
        assert stream.to_client.status == 200
        stream.close()


def test_a_trap_on_a_replaced_vm_fails_its_streams_and_not_the_new_one() -> None:
    """Whoever is still on it meets the policy; the VM that serves goes on."""
    with start(
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("tick", "unreachable"),
        recycle=RecycleLimits(max_age=0.005),
    ) as plugin:
        stream = plugin.http_stream()
        send(stream)
        plugin.advance(0.006)
        current = plugin.vm
        plugin.advance(0.005)
        assert stream.to_client.status == 503
        assert plugin.failures == 1
        assert plugin.vm is current or plugin.counts.recycled > 1


def test_the_spare_takes_over_where_there_is_one() -> None:
    """No wait for a build, and the next spare follows."""
    with start(recycle=RecycleLimits(max_requests=1), keep_spare=True, background_on_demand=True) as plugin:
        plugin.run_background()
        spare = plugin.plugin.spare
        assert spare is not None
        exchange(plugin)
        assert plugin.vm is spare
        plugin.run_background()
        assert plugin.plugin.spare is not None


def test_until_the_next_vm_is_there_the_old_one_serves() -> None:
    """However long that takes: no request is dropped for it."""
    with start(recycle=RecycleLimits(max_requests=1), background_on_demand=True) as plugin:
        old = plugin.vm
        for _ in range(5):
            assert exchange(plugin).to_client.status == 200
        assert plugin.vm is old
        assert plugin.run_background() == 1
        assert plugin.vm is not old
        assert old.contexts == 0


def test_a_vm_that_cannot_be_replaced_goes_on() -> None:
    """A configuration that a fresh VM refuses, today: what serves is not given up for it."""
    with recycling(max_requests=1) as plugin:
        supply: Any = plugin.plugin.supply
        old, build = plugin.vm, supply._build

        def fails(keys: Any) -> Any:
            raise PluginStartError("relay", "no")

        supply._build = fails
        for _ in range(3):
            assert exchange(plugin).to_client.status == 200
        assert plugin.vm is old
        warnings = [event.message for event in plugin.events if event.level is LogLevel.WARN]
        assert len(warnings) == 1
        assert "due to be replaced" in warnings[0]
        supply._build = build
        plugin.advance(60)
        assert plugin.vm is not old


@pytest.mark.parametrize("requests", [1, 7])
def test_recycling_says_so(requests: int) -> None:
    """In the log, at INFO: it is no fault."""
    with recycling(max_requests=requests) as plugin:
        for _ in range(requests):
            exchange(plugin)
        assert [event.level for event in plugin.events] == [LogLevel.INFO]
