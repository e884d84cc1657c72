"""One guest: an instance of a module, and the calls that are rare enough for Python.

Callbacks of streams are called by the C core; here are start, configuration, ticks and the end. A VM is used by one
thread at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from abi.callbacks import CALLBACKS
from abi.hostcalls import HOSTCALLS
from abi.limits import (
    MEMORY_MAX_BYTES,
    PLUGIN_METRICS_MAX,
    START_CPU_MILLISECONDS,
    STREAM_CALLBACK_CPU_MILLISECONDS,
)
from abi.types import LogLevel
from abi.wasi import WASI_FUNCTIONS
from host._core import ffi, lib
from host.metrics.table import Account
from host.wasm.engine import engine, engine_pointer
from host.wasm.module import Module

_INDEX = {row.name: index for index, row in enumerate(CALLBACKS)}
_TRACED = tuple(tuple(row.name for row in table) for table in (HOSTCALLS, WASI_FUNCTIONS, CALLBACKS))
_MOST_PARAMETERS = 6  # of a callback (core/vm.h)
_UNLIMITED_FUEL = (1 << 63) - 1
_serials = itertools.count(1)


def new_serial() -> int:
    """Return a number for a VM, unique in the process."""
    return next(_serials)


class FailureKind(IntEnum):
    """Why a VM failed (core/vm.h)."""

    NONE = 0
    TRAP = 1
    DEADLINE = 2
    EXIT = 3
    RESTRICTED = 4
    FUEL = 5

    @property
    def is_overrun(self) -> bool:
        """Whether the guest has used up what it may."""
        return self in (FailureKind.DEADLINE, FailureKind.FUEL)


class GuestFailed(Exception):
    """The VM has failed; `reason` names the callback and the cause, further lines are the guest's frames."""

    def __init__(self, reason: str, kind: FailureKind) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


@dataclass(frozen=True, slots=True)
class VmSettings:
    """What a VM is given. Deadlines are CPU milliseconds of one call; `trace_rows` calls are kept from the start.

    `max_metrics`: how many names the plugin may define; what it counts beyond that is not shown. `callback_fuel`: units
    of wasmtime's fuel, about an instruction each, for one call behind the start; 0: not counted.
    `allowed_capabilities`: names of host calls, callbacks and WASI functions (`abi.capabilities`); empty: all.
    `properties`: pairs of path and value that the plugin reads everywhere, outside of exchanges too.
    """

    vm_id: str = ""
    configuration: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)
    log_level: LogLevel = LogLevel.INFO
    memory_limit: int = MEMORY_MAX_BYTES
    start_deadline: int = START_CPU_MILLISECONDS
    callback_deadline: int = STREAM_CALLBACK_CPU_MILLISECONDS
    trace_rows: int = 0
    callback_fuel: int = 0
    allowed_capabilities: frozenset[str] = frozenset()
    max_metrics: int = PLUGIN_METRICS_MAX
    properties: bytes = b""


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One call into or out of the guest. `result` of a callback without one means nothing; `time` is monotonic ns."""

    name: str
    arguments: tuple[int, ...]
    result: int
    context: int
    time: int


class WasmVM:
    """An instance. Raises GuestFailed from whatever enters the guest."""

    __slots__ = ("__weakref__", "_link", "_result", "module", "pointer", "serial", "settings")

    def __init__(
        self,
        module: Module,
        settings: VmSettings | None = None,
        serial: int | None = None,
        account: Account | None = None,
        snapshot: Any = None,
    ) -> None:
        """Instantiate and run the start functions: `_initialize` (then `main`), else `_start`.

        `snapshot`: a `sw_snapshot *` of a VM of the module, which takes their place.

        `serial` names the VM in log rows; one from `new_serial` lets a caller know it before the guest runs.
        `account`: where the guest, and the host for it, count; without one it can define no metrics.
        """
        self.module = module
        self.settings = settings if settings is not None else VmSettings()
        self.serial = serial if serial is not None else new_serial()
        self._result = ffi.new("int32_t *")
        if self.settings.callback_fuel and not module.is_metered:
            raise ValueError("fuel is for modules that are compiled to count it: Module(…, metered=True)")
        self._link = module.link(self.settings.allowed_capabilities)
        its_engine = engine_pointer(engine(metered=module.is_metered))
        native = lib.sw_vm_new(its_engine, self.serial, self.settings.memory_limit)
        if native == ffi.NULL:
            raise MemoryError("no memory for a VM")
        self.pointer = ffi.gc(native, lib.sw_vm_release)
        self._configure()
        if account is not None:
            lib.sw_vm_count_in(self.pointer, account.pointer, self.settings.max_metrics, account.indexes)
        self._instantiate()
        if snapshot is None:
            self._start()
        elif lib.sw_snapshot_apply(snapshot, self.pointer):
            raise MemoryError("no memory for the copy of a VM")

    def _configure(self) -> None:
        settings = self.settings
        vm_id = settings.vm_id.encode()
        environment = b"".join(
            f"{key}={value}".encode() + b"\0" for key, value in settings.environment.items()
        )
        lib.sw_vm_configure(
            self.pointer,
            list(type(self.module.abi_version)).index(self.module.abi_version) + 1,
            settings.log_level,
            vm_id,
            len(vm_id),
            settings.configuration,
            len(settings.configuration),
            environment,
            len(environment),
        )
        if settings.properties and lib.sw_vm_set_properties(
            self.pointer, settings.properties, len(settings.properties)
        ):
            raise MemoryError("no memory for properties")
        self.begin()
        if settings.trace_rows:
            self.start_trace(settings.trace_rows)

    def _instantiate(self) -> None:
        link = self._link
        if lib.sw_vm_instantiate(self.pointer, lib.sw_linker_pre(link.linker)):
            raise self._failed()
        lib.sw_vm_bind_all(self.pointer, link.bindings, len(link.bindings))

    def _start(self) -> None:
        exported = self._link.exported
        if "_initialize" in exported:  # a reactor; its `main` is then the plugin's, not the runtime's
            starts = ["_initialize", *([name for name in ("main", "__main_void") if name in exported][:1])]
        else:
            starts = ["_start"] if "_start" in exported else []
        for name in starts:
            if lib.sw_vm_start(self.pointer, _INDEX[name]):
                raise self._failed()

    def begin(self) -> None:
        """Give what follows the deadline of a start again: another configuration comes to a VM that serves."""
        lib.sw_vm_set_deadline(self.pointer, self.settings.start_deadline * 1_000_000)
        if self.module.is_metered:
            lib.sw_vm_set_fuel(self.pointer, _UNLIMITED_FUEL)

    def serve(self) -> None:
        """End the start: from now on deadline and fuel are those of stream callbacks."""
        lib.sw_vm_set_deadline(self.pointer, self.settings.callback_deadline * 1_000_000)
        if self.module.is_metered:
            lib.sw_vm_set_fuel(self.pointer, self.settings.callback_fuel or _UNLIMITED_FUEL)

    def exports(self, name: str) -> bool:
        """Whether the module exports this callback, and the plugin is allowed it."""
        return name in self._link.exported

    def call(self, name: str, context: Any, *arguments: int) -> int | None:
        """Call a callback under a native context (`ffi.NULL`: none); None when the module does not export it."""
        if name not in self._link.exported:
            return None
        if lib.sw_vm_call(self.pointer, _INDEX[name], context, list(arguments), self._result):
            raise self._failed()
        return int(self._result[0])

    def deliver(self, name: str, context: Any, delivery: Any, *arguments: int) -> None:
        """Call a callback, if the module exports it, which may read the `sw_delivery *` while it runs."""
        arguments += (0,) * (_MOST_PARAMETERS - len(arguments))
        if lib.sw_vm_deliver(self.pointer, _INDEX[name], context, delivery, arguments):
            raise self._failed()

    def set_log_level(self, level: LogLevel) -> None:
        """Lines below this level are dropped before they leave the core."""
        lib.sw_vm_set_log_level(self.pointer, level)

    def take_ticks_changed(self) -> bool:
        """Return whether a plugin context has set its tick period since this was last asked."""
        return bool(lib.sw_vm_take_ticks_changed(self.pointer))

    @property
    def is_failed(self) -> bool:
        """Whether a call has trapped: such a VM is never entered again."""
        return bool(lib.sw_vm_is_failed(self.pointer))

    @property
    def failure(self) -> GuestFailed:
        """Why the VM failed."""
        return self._failed()

    def _failed(self) -> GuestFailed:
        kind, length = ffi.new("int *"), ffi.new("size_t *")
        text = lib.sw_vm_failure(self.pointer, kind, length)
        reason = ffi.unpack(text, length[0]).decode(errors="replace") if length[0] else "unknown"
        return GuestFailed(reason, FailureKind(kind[0]))

    @property
    def memory_size(self) -> int:
        """Bytes of the guest's linear memory now."""
        return int(lib.sw_vm_memory_size(self.pointer))

    @property
    def calls(self) -> int:
        """Calls into the guest so far."""
        return int(lib.sw_vm_calls(self.pointer))

    @property
    def hostcalls(self) -> int:
        """Calls of the guest to the host so far, WASI included."""
        return int(lib.sw_vm_hostcalls(self.pointer))

    def tell_account(self) -> None:
        """Add what this VM has done since the last time to its plugin's counters."""
        lib.sw_vm_tell_account(self.pointer)

    @property
    def contexts(self) -> int:
        """Contexts alive, plugin and stream contexts together."""
        return int(lib.sw_vm_live_contexts(self.pointer))

    def read_memory(self, address: int, length: int) -> bytes:
        """Return guest memory. Raises IndexError when any of it is outside."""
        place = lib.sw_vm_memory(self.pointer, address, length)
        if place == ffi.NULL:
            raise IndexError(f"{length} bytes at {address} are outside the guest's memory")
        return bytes(ffi.unpack(place, length)) if length else b""

    def start_trace(self, rows: int = 4096) -> None:
        """Keep the last `rows` calls in both directions from now on; 0 ends it."""
        if lib.sw_vm_trace(self.pointer, rows):
            raise MemoryError("no memory for a trace")

    def trace(self) -> list[TraceRow]:
        """Return the calls kept, oldest first; a call stands where it returned."""
        rows, size = ffi.new("sw_trace_row **"), ffi.new("uint32_t *")
        count = lib.sw_vm_trace_rows(self.pointer, rows, size)
        first = max(0, count - size[0])
        return [_trace_row(rows[0][index % size[0]]) for index in range(first, count)]


def _trace_row(row: Any) -> TraceRow:
    return TraceRow(
        name=_TRACED[row.what][row.index],
        arguments=tuple(row.arguments[index] for index in range(row.count)),
        result=row.result,
        context=row.context,
        time=row.time_ns,
    )
