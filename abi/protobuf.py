"""The wire format of Protocol Buffers, as far as messages that guests pass in bytes need it: flat, without groups.

A few fields of a few messages are read, for which a protobuf library would bring a megabyte and generated code.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from abi.leb128 import encode_unsigned

Value = int | bytes

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BYTE = tuple(bytes((number,)) for number in range(128))
_UINT64 = (1 << 64) - 1
_FIXED = {_FIXED64: 8, _FIXED32: 4}


class ProtobufError(ValueError):
    """Bytes that are no message."""


def varint(number: int) -> bytes:
    """Return a whole number; a negative one takes ten bytes, as int32 and int64 have it."""
    return _BYTE[number] if 0 <= number < 128 else encode_unsigned(number & _UINT64)


def delimited(tag: bytes, data: bytes) -> bytes:
    """Return a field of bytes: its tag, its length, itself."""
    length = len(data)
    return tag + (_BYTE[length] if length < 128 else encode_unsigned(length)) + data


def signed(value: Any) -> int:
    """Return a number that was read as unsigned as int32 and int64 have it. Raises ProtobufError for bytes."""
    if not isinstance(value, int):
        raise ProtobufError("bytes where a number is expected")
    return value - (1 << 64) if value >> 63 else value


def decode_message(data: bytes) -> dict[int, Value]:
    """Return the last value of each field by its number: whole numbers, or bytes. Raises ProtobufError."""
    return dict(iterate_fields(data))


def encode_message(fields: Mapping[int, Value]) -> bytes:
    """Return a message of these fields in their order; those with the default value (0, no bytes) are left out."""
    parts = []
    for number, value in fields.items():
        if isinstance(value, bytes):
            if value:
                parts.append(_delimited(number, value))
        elif value:
            parts += [encode_unsigned(number << 3 | _VARINT), encode_unsigned(value)]
    return b"".join(parts)


def encode_struct(fields: Mapping[str, Any]) -> bytes:
    """Return a `google.protobuf.Struct` of a mapping of JSON's values; a whole number becomes a double."""
    return b"".join(
        _delimited(
            1, _delimited(1, key.encode("utf-8", "surrogateescape")) + _delimited(2, _encode_value(value))
        )
        for key, value in fields.items()
    )


def _encode_value(value: Any) -> bytes:
    """A `google.protobuf.Value`. It is one of several kinds, so that a default is written as well."""
    match value:
        case None:
            return bytes([1 << 3 | _VARINT, 0])
        case bool():
            return bytes([4 << 3 | _VARINT, value])
        case int() | float():
            return bytes([2 << 3 | _FIXED64]) + struct.pack("<d", to_double(value))
        case str():
            return _delimited(3, value.encode("utf-8", "surrogateescape"))
        case Mapping():
            return _delimited(5, encode_struct({str(key): item for key, item in value.items()}))
        case list():
            return _delimited(6, b"".join(_delimited(1, _encode_value(item)) for item in value))
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def to_double(value: int | float) -> float:
    """Return the number as Struct has it: infinite beyond 308 digits."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _delimited(number: int, data: bytes) -> bytes:
    return delimited(encode_unsigned(number << 3 | _LENGTH), data)


def iterate_fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yield the number and value of each field in order, repeated ones each. Raises ProtobufError."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise ProtobufError("a field with the number 0")
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if kind == _LENGTH:
            length, at = _read_varint(data, at)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ProtobufError(f"a field of the type {kind}")
        if length > len(data) - at:
            raise ProtobufError("it ends inside a field")
        yield number, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    if at < len(data) and (value := data[at]) < 0x80:  # nearly every one
        return value, at + 1
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ProtobufError("it ends inside a number")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value & _UINT64, at
    raise ProtobufError("a number of more than ten bytes")
