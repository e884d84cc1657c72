"""When a VM that has not failed is replaced all the same: for its memory, the streams it has served, or its age."""

from __future__ import annotations

from collections.abc import Callable

from host._core import lib
from host.plugin.services import Services, Timer
from host.plugin.settings import RecycleLimits
from host.wasm.vm import WasmVM


class Recycling:
    """Watches the VM that serves. The core compares at the end of each stream; age is a timer."""

    def __init__(self, limits: RecycleLimits, services: Services) -> None:
        self._limits = limits
        self._services = services
        self._vm: WasmVM | None = None
        self._timer: Timer | None = None
        self._is_old = False

    def watch(self, vm: WasmVM | None, look: Callable[[], None]) -> None:
        """Watch this VM from now on, and no other; `look` is called when it comes of age."""
        self._vm, self._is_old = vm, False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if vm is None:
            return
        lib.sw_vm_watch(vm.pointer, self._limits.max_requests, self._limits.max_memory_size)
        if self._limits.max_age:
            self._timer = self._services.call_later(self._limits.max_age, lambda: self._come_of_age(look))

    def _come_of_age(self, look: Callable[[], None]) -> None:
        self._timer, self._is_old = None, True
        look()

    @property
    def is_due(self) -> bool:
        """Whether the VM is to be replaced."""
        return self._vm is not None and (self._is_old or bool(lib.sw_vm_is_due(self._vm.pointer)))
