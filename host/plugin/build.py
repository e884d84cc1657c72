"""Building a VM with all plugin contexts that it is to have. Runs on any thread; the result belongs to the loop's."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from host.errors import PluginStartError
from host.plugin import hostcalls as hostcalls
from host.plugin import shared_data
from host.plugin.context import RootContext, StartRefused
from host.plugin.copies import Copies, VmCopy
from host.plugin.guests import Guest
from host.plugin.metrics import account_of
from host.plugin.services import Services
from host.plugin.settings import PluginSettings, RootKey
from host.wasm.module import Module
from host.wasm.snapshot import Snapshot
from host.wasm.vm import GuestFailed, WasmVM


@dataclass(slots=True)
class Built:
    """A VM with a root for each key, and why others have none.

    `slow`: keys whose configuration took more CPU time than a callback of the plugin may.
    """

    guest: Guest
    vm: WasmVM
    roots: dict[RootKey, RootContext] = field(default_factory=dict)
    refused: dict[RootKey, PluginStartError] = field(default_factory=dict)
    slow: set[RootKey] = field(default_factory=set)

    def free(self) -> None:
        """Give up a VM that has served nobody. On the thread that owns it."""
        for root in self.roots.values():
            root.free()
        self.roots.clear()
        self.guest.end()


@dataclass(slots=True)
class Tried:
    """What became of contexts that were tried on a VM of their own: why some were refused."""

    refused: dict[RootKey, PluginStartError] = field(default_factory=dict)


def build(
    settings: PluginSettings,
    module: Module,
    services: Services,
    keys: Iterable[RootKey],
    copies: Copies | None = None,
) -> Built:
    """Return a running VM with a root for each key that the guest accepts.

    A key whose configuration traps costs the VM: it is built again without that key. `copies`: where a VM that has
    been built with these keys before may be found, and is kept. Raises PluginStartError when the guest does not even
    start.
    """
    refused: dict[RootKey, PluginStartError] = {}
    wanted = dict.fromkeys(keys)
    if copies is not None and (copy := copies.find(wanted)) is not None:
        return _restore(settings, module, services, copy)
    while True:
        try:
            built = _start(settings, module, services)
        except GuestFailed as error:
            raise PluginStartError(settings.name, error.reason) from error
        for key in wanted:
            refusal = configure(built, key)
            if refusal is not None:
                refused[key] = refusal
        if not built.vm.is_failed:
            if copies is not None and not refused:
                copies.take(settings.name, built.vm, built.roots)
            built.vm.serve()
            built.refused = refused
            return built
        wanted = {key: None for key in wanted if key not in refused}


def configure(built: Built, key: RootKey) -> PluginStartError | None:
    """Add a root for the key; returns why there is none. The VM may have failed afterwards."""
    if built.vm.is_failed:
        return None
    began = time.thread_time()
    try:
        built.roots[key] = RootContext(built.guest, built.vm, key)
    except (GuestFailed, StartRefused) as error:
        return PluginStartError(key.settings.name, str(error))
    if (time.thread_time() - began) * 1000 > built.vm.settings.callback_deadline:
        built.slow.add(key)
    return None


def _restore(settings: PluginSettings, module: Module, services: Services, copy: VmCopy) -> Built:
    built = _start(settings, module, services, copy.snapshot)
    for key, copied in copy.roots.items():
        built.roots[key] = RootContext(built.guest, built.vm, key, copied)
    copy.snapshot.finish(built.vm)
    built.vm.serve()
    return built


def _start(
    settings: PluginSettings, module: Module, services: Services, snapshot: Snapshot | None = None
) -> Built:
    guest = Guest(settings, services)
    account = account_of(services.metrics, settings.name)
    vm = WasmVM(
        module, settings.vm, guest.serial, account, snapshot.pointer if snapshot is not None else None
    )
    guest.hold(vm)
    shared_data.prepare(guest, module)
    return Built(guest, vm)
