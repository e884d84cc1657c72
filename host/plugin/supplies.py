"""Which supply of VMs a plugin gets: by its isolation, and by its vm_id that of another plugin."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from host.errors import PluginStartError
from host.plugin.build import Tried
from host.plugin.context import PluginContext
from host.plugin.counts import Counts
from host.plugin.route_vms import RouteVms
from host.plugin.services import Services
from host.plugin.settings import Isolation, PluginSettings, RootKey
from host.plugin.stream_vms import StreamVms
from host.plugin.supply import VmSupply
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM


class Supply(Protocol):
    """Where the VMs of a plugin's contexts come from. See `host.plugin.supply.VmSupply` for what each does."""

    @property
    def vms(self) -> list[WasmVM]: ...
    @property
    def spare(self) -> WasmVM | None: ...
    @property
    def is_up(self) -> bool: ...
    @property
    def counts(self) -> Counts: ...
    @property
    def last_failure(self) -> GuestFailed | None: ...
    def join(self) -> None: ...
    def leave(self) -> None: ...
    def hurry(self, plugin: str) -> None: ...
    def prepare(self, new: Sequence[RootKey], done: Callable[[Tried | PluginStartError], None]) -> None: ...
    def add(self, key: RootKey, context: PluginContext) -> None: ...
    def remove(self, key: RootKey) -> None: ...
    def after_guest(self, key: RootKey | None = None) -> None: ...


class Supplies:
    """Makes supplies, and has plugins share one that are to share a VM: one object for each worker."""

    def __init__(self) -> None:
        self._shared: weakref.WeakValueDictionary[Hashable, VmSupply] = weakref.WeakValueDictionary()

    def supply(self, settings: PluginSettings, module: Module, services: Services) -> Supply:
        """Return the supply of a plugin with these settings, for it to `join`."""
        if settings.isolation is Isolation.ROUTE:
            return RouteVms(settings, module, services)
        if settings.isolation.is_per_stream:
            return StreamVms(settings, module, services)
        if not settings.vm.vm_id:
            return VmSupply(settings, module, services)
        key = vm_key(settings, module)
        found = self._shared.get(key)
        if found is None or found.is_closed:
            found = self._shared[key] = VmSupply(settings, module, services)
        return found


_OF_A_PLUGIN = {
    *(
        "name",
        "root_id",
        "max_request_body_size",
        "max_response_body_size",
        "allow_on_headers_stop_iteration",
    ),
    *("callouts", "vm"),
}
"""What plugins on one VM may differ in; `vm` is looked at by itself."""


def vm_key(settings: PluginSettings, module: Module) -> Hashable:
    """Return what two plugins must have in common to share a VM.

    Envoy's vm_key is made of vm_id, VM configuration, code and environment; here it is all that concerns the VM, so
    that none of its plugins gets other limits than its own.
    """
    rest = [field.name for field in dataclasses.fields(settings) if field.name not in _OF_A_PLUGIN]
    vm = [field.name for field in dataclasses.fields(settings.vm) if field.name != "environment"]
    return (
        module.digest,
        tuple(settings.vm.environment.items()),
        *(getattr(settings.vm, name) for name in vm),
        *(getattr(settings, name) for name in rest),
    )
