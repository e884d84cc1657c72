"""A guest as it was when it had started, to start further VMs from without running it.

The memory is shared between them until they write to it, so a VM costs the pages that it changes.
"""

from __future__ import annotations

from abi.hostcalls import HOSTCALLS
from host._core import ffi, lib
from host.wasm.vm import WasmVM

_HARMLESS = frozenset(
    (
        "proxy_log",
        "proxy_get_log_level",
        "proxy_get_current_time_nanoseconds",
        "proxy_set_tick_period_milliseconds",
        "proxy_get_buffer_status",
        "proxy_get_buffer_bytes",
        "proxy_get_configuration",
        "proxy_get_property",
        "proxy_set_effective_context",
        "proxy_get_status",
        "proxy_define_metric",
        "proxy_increment_metric",
        "proxy_record_metric",
        "proxy_get_metric",
        "proxy_get_shared_data",
        "proxy_set_shared_data",
        "emscripten_notify_memory_growth",
        "pthread_equal",
    )
)
"""Host calls that leave nothing behind which belongs to one VM. A queue's registrant, or a call in flight, does."""

_MASK = sum(1 << index for index, row in enumerate(HOSTCALLS) if row.name not in _HARMLESS)


class CannotSnapshot(Exception):
    """The VM cannot be copied; the text says why."""


class Snapshot:
    """The memory and the globals of a VM, and the ids it had given out."""

    def __init__(self, vm: WasmVM) -> None:
        """Take it. Raises CannotSnapshot."""
        if vm.module.globals is None:
            raise CannotSnapshot("its module was not made for it")
        if used := lib.sw_vm_used_hostcalls(vm.pointer) & _MASK:
            names = ", ".join(row.name for index, row in enumerate(HOSTCALLS) if used >> index & 1)
            raise CannotSnapshot(
                f"it has called {names} in its start, which binds it to more than its memory"
            )
        native = lib.sw_snapshot_take(vm.pointer, vm.module.globals)
        if native == ffi.NULL:
            raise CannotSnapshot("its memory cannot be copied")
        self.pointer = ffi.gc(native, lib.sw_snapshot_delete)
        self.next_id = int(lib.sw_vm_next_id(vm.pointer))

    def finish(self, vm: WasmVM) -> None:
        """Have a VM go on from where this one was, when its contexts have been made anew."""
        lib.sw_vm_set_next_id(vm.pointer, self.next_id)

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the guest's memory, and how many of them are kept here."""
        kept = ffi.new("size_t *")
        return int(lib.sw_snapshot_size(self.pointer, kept)), int(kept[0])
