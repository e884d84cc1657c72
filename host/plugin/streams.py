"""All streams, by the number that the C core knows them by.

The core names a stream by this number: in log lines, when a guest has resumed it from elsewhere, and when its VM has
died. A stream keeps its number over all of its exchanges; it is used again when the stream is gone.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

from host import hot
from host._core import lib
from host.wasm.vm import WasmVM


class NumberedStream(Protocol):
    """What this room needs of a stream."""

    @property
    def native(self) -> Any:
        """The core's `sw_stream *`."""

    @property
    def request_id(self) -> str:
        """The request's name in log lines."""

    def settle(self) -> None:
        """Carry out what was asked for from elsewhere."""


WOKEN = 8192
"""The flag (core/stream.h) that a stream is to be settled. Others beside it: log lines wait, a VM died, a guest set its
tick, a plugin context can end."""
ANY = 0xFFFFFFFF
"""All flags: something that tells nothing has entered a guest."""

OPEN: list[NumberedStream | None] = []
"""The open streams by number, put here and taken away by themselves. A stream that is open is kept alive by it: its
filters want to hear of its end."""

_numbers: dict[int, weakref.ref[NumberedStream]] = {}
_free: list[int] = []


def number_of(stream: NumberedStream) -> int:
    """Give the stream a number for as long as it lives."""
    number = _free.pop() if _free else len(OPEN)

    def leave(_: object) -> None:
        del _numbers[number]
        _free.append(number)

    if number == len(OPEN):
        OPEN.append(None)
    _numbers[number] = weakref.ref(stream, leave)
    return number


def stream_of(number: int) -> NumberedStream | None:
    """Return the open stream of this number."""
    return OPEN[number] if number < len(OPEN) else None


def request_of(number: int | None) -> str:
    """Return the request's name for log lines, "" outside of requests."""
    stream = stream_of(number) if number is not None else None
    return stream.request_id if stream is not None else ""


def settle_woken() -> None:
    """Go on with all streams that a guest has resumed, answered or closed from another context."""
    while (number := hot.next_woken()) >= 0:
        stream = stream_of(number)
        if stream is not None:
            stream.settle()


def settle_streams_of(vm: WasmVM) -> None:
    """Let all streams with a context on this failed VM meet their plugin's policy."""
    while (number := lib.sw_vm_first_stream(vm.pointer)) >= 0:
        stream = stream_of(number)
        if stream is None:
            return  # a stream that is just being closed: it leaves the VM by itself
        stream.settle()
