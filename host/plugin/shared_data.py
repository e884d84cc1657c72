"""Host calls for shared data, as far as they are not served in C (core/calls_shared_data.c).

Where a guest's vm_id is kept in memory, the C core is given its shared data when the VM is made, and serves them alone.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from abi.types import LogLevel, Status
from host._core import ffi, lib
from host.plugin.guests import Guest, guest_of
from host.store import MemorySpace, Refused, Space
from host.wasm.module import Module

logger = logging.getLogger("sluiceway.plugin")

_QUIET = 1.0
"""Seconds between two lines about refusals to one guest: a plugin that floods a store must not flood the log too."""


class SharedState:
    """The shared data of a guest's vm_id, and what is told of refusals."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.vm_id = guest.settings.vm.vm_id
        self._space: Space | None = None
        self._told = -_QUIET
        self._untold = 0

    def space(self) -> Space:
        """Return the shared data and queues of the guest's vm_id. Raises Refused when they cannot be had."""
        if self._space is None:
            self._space = self.guest.services.stores.space(self.vm_id)
            vm = self.guest.vm
            if vm is not None and isinstance(self._space, MemorySpace):
                lib.sw_vm_share(vm.pointer, self._space.pointer)
        return self._space

    def refused(self, what: str, why: object) -> None:
        """Say in the log what a store did not do for this guest, not more often than each second."""
        now = time.monotonic()
        if now - self._told < _QUIET:
            self._untold += 1
            return
        more = f" ({self._untold} more were refused since the last line)" if self._untold else ""
        self._told, self._untold = now, 0
        self.guest.services.event(LogLevel.WARN, f"{what}: {why}{more}", self.guest.settings.name)

    def root_ended(self, root: int) -> None:
        """Shared data belong to no plugin context."""

    def ended(self) -> None:
        """Nor to a VM."""


def prepare(guest: Guest, module: Module) -> None:
    """Open the store of a guest that could use it, while its VM is built: that may take longer than a callback may."""
    if any("_shared_" in imported.name for imported in module.file.imports):
        state = guest.subject(SharedState)
        try:
            state.space()
        except Refused as error:
            state.refused("there are no shared data and queues", error)


def state_of(serial: int) -> SharedState:
    """Return what is known of the guest of this VM. Raises LookupError when it is gone."""
    guest = guest_of(serial)
    if guest is None:
        raise LookupError(f"no guest has the serial {serial}")
    return guest.subject(SharedState)


def failed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Tell of a fault of ours; the guest gets what `error` says."""
    logger.error("a host call failed", exc_info=(kind, error, trace))


def append(buffer: Any, data: bytes) -> None:
    """Put bytes where C finds them. Raises MemoryError."""
    if not _append(buffer, data, len(data)):
        raise MemoryError("no memory for what a host call returns")


def text(pointer: Any, length: int) -> bytes:
    """Return bytes of the guest."""
    return _unpack(pointer, length) if length else b""


_append, _unpack = lib.sw_buffer_append, ffi.unpack
_OK, _NOT_FOUND = int(Status.OK), int(Status.NOT_FOUND)


@ffi.def_extern(name="sw_call_get_shared_data", error=Status.INTERNAL_FAILURE, onerror=failed)  # type: ignore[untyped-decorator]
def _get(vm: int, key: Any, key_length: int, value: Any, cas: Any) -> int:
    state = state_of(vm)
    try:
        found = state.space().get(_unpack(key, key_length) if key_length else b"")
    except Refused as error:
        state.refused("proxy_get_shared_data answers NOT_FOUND", error)
        return _NOT_FOUND  # SDKs panic at others
    if found is None:
        return _NOT_FOUND
    append(value, found[0])
    cas[0] = found[1]
    return _OK


@ffi.def_extern(name="sw_call_set_shared_data", error=Status.INTERNAL_FAILURE, onerror=failed)  # type: ignore[untyped-decorator]
def _set(vm: int, key: Any, key_length: int, value: Any, value_length: int, cas: int) -> int:
    state = state_of(vm)
    try:
        space, name = state.space(), _unpack(key, key_length) if key_length else b""
        if value == ffi.NULL:
            return space.delete(name, cas)
        return space.set(name, _unpack(value, value_length) if value_length else b"", cas)
    except Refused as error:
        state.refused("proxy_set_shared_data answers CAS_MISMATCH", error)
        return Status.CAS_MISMATCH  # likewise


@ffi.def_extern(name="sw_call_shared_data_refused", onerror=failed)  # type: ignore[untyped-decorator]
def _refused(vm: int, key_length: int, value_length: int) -> None:
    state = state_of(vm)
    why = f"an entry of {key_length + value_length} bytes is over max_size"
    state.refused("proxy_set_shared_data answers CAS_MISMATCH", why)
