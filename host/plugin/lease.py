"""A VM in the hands of one stream."""

from __future__ import annotations

from collections.abc import Callable

from host.plugin import lines, streams
from host.plugin.build import Built
from host.plugin.context import RootContext, free_forgotten
from host.plugin.services import Services
from host.plugin.settings import RootKey
from host.wasm.vm import WasmVM


class Lease:
    """What a supply of VMs is to plugins, this is to one stream: it sees to ticks, failures and the end."""

    def __init__(self, built: Built, services: Services, failed: Callable[[WasmVM], None]) -> None:
        """`failed` hears once of a VM that has."""
        self._built = built
        self._services = services
        self._failed: Callable[[WasmVM], None] | None = failed
        self._calls = built.vm.calls

    def begin(self) -> None:
        """A stream has it from now on."""
        self._built.guest.serve(self._after_delivery)
        self._follow_ticks()

    @property
    def vm(self) -> WasmVM:
        """The VM."""
        return self._built.vm

    @property
    def serial(self) -> int:
        """The VM's."""
        return self._built.vm.serial

    def root(self, key: RootKey) -> RootContext:
        """Return the plugin context of this key. Raises KeyError."""
        return self._built.roots[key]

    @property
    def is_untouched(self) -> bool:
        """Whether nothing has been called since the VM was made, and nothing will be by itself."""
        roots = self._built.roots.values()
        return self._built.vm.calls == self._calls and not any(root.is_ticking for root in roots)

    def free(self) -> None:
        """Give up a VM that no stream has entered."""
        self._built.free()

    def attend(self) -> None:
        """Do what the guest has asked for beside its result; see to its failure."""
        vm = self._built.vm
        if vm.is_failed:
            if self._failed is not None:
                failed, self._failed = self._failed, None
                failed(vm)
                self._built.guest.end()
                streams.settle_streams_of(vm)
        elif vm.take_ticks_changed():
            self._follow_ticks()

    def _follow_ticks(self) -> None:
        for root in self._built.roots.values():
            root.follow_ticks(self._services, self._after_delivery)

    def _after_delivery(self, flags: int) -> None:
        streams.settle_woken()
        self.attend()
        lines.deliver()
        free_forgotten()

    def end(self) -> None:
        """End the contexts and let the VM go: their stream is gone."""
        for root in self._built.roots.values():
            root.is_hurried = True
            root.end()
        self.attend()
        self._built.free()
