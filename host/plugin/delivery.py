"""What a callback of a plugin context brings along: the Python face of core/delivery.c."""

from __future__ import annotations

from typing import Any

from abi.types import BufferType, MapType
from host._core import ffi, lib
from host.headers import HeaderMap


class Delivery:
    """Filled by whoever delivers it; the guest reads it in that callback, by the host calls for maps and buffers."""

    __slots__ = ("pointer",)

    pointer: Any

    def __init__(self) -> None:
        self.pointer = ffi.gc(lib.sw_delivery_new(), lib.sw_delivery_delete)
        if self.pointer == ffi.NULL:
            raise MemoryError("no memory for a delivery")

    def map(self, kind: MapType) -> HeaderMap:
        """Return the map of this type (one of a call), which is there for the guest from now on."""
        return HeaderMap.view(lib.sw_delivery_map(self.pointer, kind), self.pointer)

    def append(self, kind: BufferType, data: bytes) -> None:
        """Append to the buffer of this type, which is there for the guest from now on. Raises MemoryError."""
        if lib.sw_delivery_append(self.pointer, kind, data, len(data)):
            raise MemoryError("no memory for what a callback brings along")

    def length(self, kind: BufferType) -> int:
        """Return how many bytes are in the buffer of this type."""
        return int(lib.sw_delivery_length(self.pointer, kind))

    def set_status(self, status: int, message: str = "") -> None:
        """Say what proxy_get_status tells."""
        text = message.encode()
        if lib.sw_delivery_set_status(self.pointer, status, text, len(text)):
            raise MemoryError("no memory for what a callback brings along")
