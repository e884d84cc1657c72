"""The host's metrics about plugins, by the plugin's name; what a plugin itself counts is the core's matter.

Counters are counted where things happen. What is a state (memory, contexts) is told now and then, by `publish`.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from host.metrics.table import Account, MetricsTable
from host.plugin import guests
from host.plugin.counts import What
from host.wasm.vm import GuestFailed


def account_of(table: MetricsTable, plugin: str) -> Account:
    """Return the counters of a plugin's VMs, and count one VM more."""
    account = table.account(plugin)
    account.count_start()
    return account


def count_failure(table: MetricsTable, plugin: str, failure: GuestFailed) -> None:
    """A VM has failed."""
    kind = failure.kind.name.lower()
    table.counter("plugin_failures_total", {"plugin": plugin, "kind": kind}).add()


def count_event(table: MetricsTable, plugin: str, what: What) -> None:
    """Count what has no counter of its own elsewhere."""
    if (name := _EVENTS.get(what)) is not None:
        table.counter(name, {"plugin": plugin}).add()


_EVENTS: dict[What, str] = {
    "restarted": "plugin_vm_restarts_total",
    "restart_failures": "plugin_vm_restart_failures_total",
    "recycled": "plugin_vms_recycled_total",
    "circuit_openings": "plugin_circuit_openings_total",
}


class Publisher:
    """Tells the states of the plugins of one table."""

    def __init__(self, table: MetricsTable) -> None:
        self._table = table
        self._told: set[tuple[str, str]] = set()

    def publish(self) -> None:
        """Tell how things are now: for each plugin, over all of its VMs, spares too."""
        now: Tally[tuple[str, str]] = Tally()
        for guest in guests.living():
            vm = guest.vm
            if vm is None or guest.services.metrics is not self._table:
                continue
            vm.tell_account()
            plugin = guest.settings.name
            now[plugin, "vms"] += 1
            now[plugin, "memory_bytes"] += vm.memory_size
            now[plugin, "contexts"] += vm.contexts
        self._tell(now, self._told.union(now))
        self._told = set(now)

    def _tell(self, now: Tally[tuple[str, str]], what: Iterable[tuple[str, str]]) -> None:
        for plugin, name in what:
            self._table.gauge(f"plugin_{name}", {"plugin": plugin}).set(now[plugin, name])
