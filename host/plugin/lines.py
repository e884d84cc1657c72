"""Where a guest's log lines go: each VM has a sink, which outlives it by the lines that explain its end."""

from __future__ import annotations

import weakref
from typing import Protocol

from abi.types import LogLevel
from host.plugin.streams import request_of
from host.wasm.logs import take_lines
from host.wasm.vm import WasmVM


class LineSink(Protocol):
    """Takes a line. `request` is "" outside of requests; `context` 0 is the VM itself. Must not raise."""

    def __call__(self, plugin: str, context: int, request: str, level: LogLevel, message: bytes) -> None: ...


_sinks: dict[int, tuple[str, LineSink]] = {}
_gone: list[int] = []


def register(serial: int, name: str, sink: LineSink) -> None:
    """Send the lines of the VM with this serial to `sink` under the plugin's name."""
    _sinks[serial] = (name, sink)


def forget_with(vm: WasmVM) -> None:
    """Drop the sink behind the last lines of the VM."""
    weakref.finalize(vm, _gone.append, vm.serial).atexit = False


def deliver() -> None:
    """Hand all waiting lines to their sinks."""
    gone = _gone[:]
    for line in take_lines():
        entry = _sinks.get(line.vm)
        if entry is not None:
            name, sink = entry
            sink(name, line.context, request_of(line.stream), line.level, line.message)
    for serial in gone:
        _sinks.pop(serial, None)
        _gone.remove(serial)
