"""The two serializations of the ABI that carry names: header maps and property paths.

Pure functions over bytes. They are the reference that faster codecs are compared with, so they are written to
be read, and refuse everything that is not exactly the format: what a lenient reader makes of a damaged map
differs from host to host, and headers are security matter.

A map is, with all integers u32 little-endian::

    count, count times (size of name, size of value), count times (name, 0x00, value, 0x00)

Source: Proxy-Wasm specification, "Serialization". (The bytes of the example there are wrong: 0x49 and 0x50
are not the digits 1 and 2.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from abi.limits import PAIRS_MAX_BYTES, PAIRS_MAX_COUNT

Pairs = list[tuple[bytes, bytes]]
"""Names and values in order; a name may come more than once."""

_U32_MAX = 0xFFFFFFFF
_EMPTY_FORMS = (b"", b"\x00", b"\x00\x00\x00\x00")
"""An empty map as hosts write it, as the specification also allows it, and as the Go SDK writes it."""


class PairsError(ValueError):
    """Bytes that are no serialized map, or pairs that cannot be serialized."""


def encode_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Serialize `pairs` in order. No pairs give no bytes, as hosts write an empty map.

    Has no limit but the format's own: what the host itself holds was bounded when it came in. Raises
    `PairsError` when a length does not fit a u32.
    """
    items = list(pairs)
    if not items:
        return b""
    if len(items) > _U32_MAX or any(max(len(name), len(value)) > _U32_MAX for name, value in items):
        raise PairsError("more than 2^32 - 1 pairs, or a name or value longer than that")
    sizes = [size for name, value in items for size in (len(name), len(value))]
    texts = [text for pair in items for text in pair]
    head = struct.pack(f"<{1 + len(sizes)}I", len(items), *sizes)
    return b"".join((head, *(part for text in texts for part in (text, b"\x00"))))


def decode_pairs(data: bytes, *, max_bytes: int = PAIRS_MAX_BYTES, max_count: int = PAIRS_MAX_COUNT) -> Pairs:
    """The pairs that `data` serializes, in order.

    Raises `PairsError`, which names the offset, when `data` is longer than `max_bytes`, declares more than
    `max_count` pairs, is too short or too long for the sizes it declares, or lacks a terminating NUL.
    """
    if len(data) > max_bytes:
        raise PairsError(f"{len(data)} bytes, more than the limit of {max_bytes}")
    if data in _EMPTY_FORMS:
        return []
    if len(data) < 4:
        raise PairsError(f"{len(data)} bytes are too short for the count of pairs")
    (count,) = struct.unpack_from("<I", data)
    if count > max_count:
        raise PairsError(f"count of {count} pairs at offset 0, more than the limit of {max_count}")
    offset = 4 + 8 * count
    if offset > len(data):
        raise PairsError(f"{count} pairs declared, but the sizes end at offset {len(data)}")
    sizes = struct.unpack_from(f"<{2 * count}I", data, 4)
    texts = []
    for size in sizes:
        end = offset + size
        if end >= len(data):
            raise PairsError(f"{size} bytes and a NUL declared at offset {offset}, which end beyond the map")
        if data[end]:
            raise PairsError(f"0x{data[end]:02x} at offset {end} in place of the terminating NUL")
        texts.append(data[offset:end])
        offset = end + 1
    if offset != len(data):
        raise PairsError(f"{len(data) - offset} bytes follow the last pair at offset {offset}")
    return list(zip(texts[::2], texts[1::2], strict=True))


def split_path(data: bytes) -> tuple[bytes, ...]:
    """The segments of a serialized property path; a NUL at the very end is tolerated.

    Empty bytes are the path of no segments. Any bytes are some path: segments may be empty.
    """
    if data.endswith(b"\x00"):
        data = data[:-1]
    return tuple(data.split(b"\x00")) if data else ()


def join_path(segments: Sequence[bytes]) -> bytes:
    """Serialize a property path. Raises `PairsError` when a segment is empty or holds a NUL."""
    for segment in segments:
        if not segment or b"\x00" in segment:
            raise PairsError(f"property path segment {segment!r} is empty or holds a NUL")
    return b"\x00".join(segments)
