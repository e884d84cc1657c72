"""Where a guest's log lines go: each VM has a sink, which outlives it by the lines that explain its end."""

from __future__ import annotations

import weakref
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from host.plugin.streams import request_of
from host.wasm.logs import take_lines
from host.wasm.vm import WasmVM


class LineSink(Protocol):
    """Takes what a guest logged in one go: see `host.plugin.services.Services.guest_lines`. Must not raise."""

    def __call__(self, plugin: str, context: int, request: str, lines: list[tuple[int, bytes]]) -> None: ...


_sinks: dict[int, tuple[str, LineSink]] = {}
_gone: list[int] = []


def register(serial: int, name: str, sink: LineSink) -> None:
    """Send the lines of the VM with this serial to `sink` under the plugin's name."""
    _sinks[serial] = (name, sink)


def forget_with(vm: WasmVM) -> None:
    """Drop the sink behind the last lines of the VM."""
    weakref.finalize(vm, _gone.append, vm.serial).atexit = False


def deliver() -> None:
    """Hand all waiting lines to their sinks, those of one context in a row together."""
    gone = _gone[:]
    for (vm, context, stream), rows in groupby(take_lines(), key=_origin):
        entry = _sinks.get(vm)
        if entry is not None:
            name, sink = entry
            sink(name, context, request_of(stream), [(row.level, row.message) for row in rows])
    for serial in gone:
        _sinks.pop(serial, None)
        _gone.remove(serial)


_origin = attrgetter("vm", "context", "stream")
