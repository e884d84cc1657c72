"""LEB128, the integers of WebAssembly, DWARF and Protocol Buffers. Reading them is each format's own matter."""

from __future__ import annotations


def encode_unsigned(value: int) -> bytes:
    """Return an integer of 0 or more in as few bytes as it takes (WebAssembly core specification 2.0, 5.2.2)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
