"""When plugin contexts and their VMs end: with their last stream, on the thread that owns them, and not before."""

from __future__ import annotations

import gc
import threading
import weakref

from host.plugin import context as contexts
from host.plugin.plugin import Key
from host.plugin.supply import VmSupply
from host.testing import PluginHost
from testdata import relay
from tests.hostcalls.relays import start
from tests.plugin.guests import GET, answer, host, plugin_file, send

ENDS = ("proxy_on_done", "proxy_on_log", "proxy_on_delete")


def ends_of_the_plugin(plugin: PluginHost) -> list[str]:
    return [row.name for row in plugin.trace() if row.name in ENDS and row.context == 1]


def test_a_context_that_is_given_back_ends_when_its_last_stream_has() -> None:
    """Envoy: each stream holds its plugin, whose onDone comes when nobody holds it any more."""
    with start() as plugin:
        first, second = plugin.http_stream(), plugin.http_stream()
        send(first)
        send(second)
        plugin.plugin.release(next(iter(plugin.plugin._contexts)))
        assert ends_of_the_plugin(plugin) == []
        answer(first)
        first.close()
        assert ends_of_the_plugin(plugin) == []
        answer(second)
        second.close()
        assert second.to_client.status == 200
        assert ends_of_the_plugin(plugin) == list(ENDS)


def test_a_context_ends_once() -> None:
    """A plugin_lifecycle 4: done once each, whatever ends afterwards."""
    with host("lifecycle") as plugin:
        plugin.plugin.release(next(iter(plugin.plugin._contexts)))
        plugin.plugin.close()
        plugin.plugin.close()
        assert ends_of_the_plugin(plugin) == list(ENDS)


def test_three_configurations_are_three_contexts_and_each_ends_once() -> None:
    """A plugin_lifecycle 4."""
    plugin = host("lifecycle", b"1")
    plugin.plugin.context(Key(b"2"))
    plugin.plugin.context(Key(b"3"))
    del plugin.lines[:]
    plugin.close()
    assert sorted(plugin.logs()) == sorted(f"{name}({number})" for number in (1, 2, 3) for name in ENDS)


def test_a_refused_configuration_has_no_end() -> None:
    """Envoy deletes the root context without a word when onConfigure says no."""
    with start() as plugin:
        plugin.plugin.prepare([Key(relay.script(("configure", relay.RETURN, 0)))], lambda refused: None)
        plugin.run_background()
        assert not [row for row in plugin.trace() if row.name in ENDS]
        assert plugin.vm.contexts == 1


def test_a_trap_at_the_end_of_a_context_is_told_and_it_is_gone_all_the_same() -> None:
    """A plugin_lifecycle 8."""
    with start(("done", "unreachable")) as plugin:
        plugin.plugin.release(next(iter(plugin.plugin._contexts)))
        assert plugin.failures == 1
        assert "proxy_on_done: wasm trap" in plugin.events[-1].message
        assert ends_of_the_plugin(plugin) == ["proxy_on_done"]


def test_a_retired_plugin_lets_its_vm_go_when_a_deferred_end_is_over() -> None:
    """Its guest gets the seconds that it asked for, and no VM stays behind it."""
    with start(("done", relay.RETURN, 0), trace_rows=0) as plugin:
        vm = weakref.ref(plugin.vm)
        plugin._vms.clear()
        plugin.plugin.retire()
        plugin.plugin.release(next(iter(plugin.plugin._contexts)))
        assert plugin.plugin.supply.vms
        plugin.advance(6)
        gc.collect()
        assert not plugin.plugin.supply.vms
        assert vm() is None


def test_streams_of_a_closed_plugin_end_properly() -> None:
    """Its VM stays for them, and its context ends behind the last."""
    plugin = PluginHost(plugin_file("lifecycle"))
    stream = plugin.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    plugin.plugin.close()
    answer(stream)
    assert stream.to_client.status == 200
    assert ends_of_the_plugin(plugin) == []
    stream.close()
    assert plugin.logs()[-6:] == [f"{name}({number})" for number in (2, 1) for name in ENDS_OF[number]]
    assert not plugin.plugin.supply.vms
    plugin.close()


ENDS_OF = {2: ("proxy_on_log", "proxy_on_done", "proxy_on_delete"), 1: ENDS}


def test_a_context_that_the_collector_finds_on_another_thread_is_freed_by_its_own() -> None:
    """The table of contexts belongs to the thread that runs streams on the VM."""
    with start() as plugin:
        supply = plugin.plugin.supply
        assert isinstance(supply, VmSupply)
        vm, built = plugin.vm, supply._current
        assert built is not None
        holder = [contexts.RootContext(built.guest, vm, next(iter(supply._contexts)))]
        assert vm.contexts == 2
        thread = threading.Thread(target=holder.clear)
        thread.start()
        thread.join()
        assert vm.contexts == 2
        plugin.plugin.after_guest()
        assert vm.contexts == 1
