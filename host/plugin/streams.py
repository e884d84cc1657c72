"""The streams that are open, by the number that the C core knows them by.

The core names a stream by this number: in log lines, when a guest has resumed it from elsewhere, and when its VM has
died. The numbers are used again.
"""

from __future__ import annotations

from typing import Protocol

from host._core import lib
from host.wasm.vm import WasmVM


class OpenStream(Protocol):
    """What this room needs of a stream."""

    @property
    def request_id(self) -> str:
        """The request's name in log lines."""

    def settle(self) -> None:
        """Carry out what was asked for from elsewhere."""


_streams: list[OpenStream | None] = []
_free: list[int] = []


def enter(stream: OpenStream) -> int:
    """Give the stream a number."""
    if _free:
        number = _free.pop()
        _streams[number] = stream
        return number
    _streams.append(stream)
    return len(_streams) - 1


def leave(number: int) -> None:
    """Take the number back."""
    _streams[number] = None
    _free.append(number)


def stream_of(number: int) -> OpenStream | None:
    """Return the open stream of this number."""
    return _streams[number] if number < len(_streams) else None


def request_of(number: int | None) -> str:
    """Return the request's name for log lines, "" outside of requests."""
    stream = stream_of(number) if number is not None else None
    return stream.request_id if stream is not None else ""


def settle_woken() -> None:
    """Go on with all streams that a guest has resumed, answered or closed from another context."""
    while (number := lib.sw_stream_next_woken()) >= 0:
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
