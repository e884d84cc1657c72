"""Values of Protocol Buffers that have any form (google.protobuf.Value, Struct, ListValue), and text, as Python's.

Text that is no UTF-8 is written with U+FFFD in its place, since readers refuse a whole message for one such byte.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from abi.protobuf import ProtobufError, delimited, iterate_fields

MAX_DEPTH: Final = 64
"""Levels of nesting in a Value; a plugin's own text is not the place for more."""

_double = struct.Struct("<d")


def text(data: Any) -> str:
    """Return the text of a field. Raises ProtobufError for one that is no text."""
    if not isinstance(data, bytes):
        raise ProtobufError("expected a text")
    return data.decode("utf-8", "surrogateescape")


def encoded(value: Any) -> bytes:
    """Return text as UTF-8 and bytes as they are; other values as their text."""
    if isinstance(value, bytes):
        return value
    data = value if isinstance(value, str) else str(value)
    try:
        return data.encode()
    except UnicodeEncodeError:  # bytes that were no UTF-8
        return data.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def encode_value(value: Any, depth: int = 0) -> bytes:
    """Return a Value. Raises ProtobufError for one that is nested too deep."""
    if isinstance(value, str):
        return delimited(b"\x1a", encoded(value))
    if value is None:
        return b"\x08\x00"
    if value is True or value is False:
        return b"\x20\x01" if value else b"\x20\x00"
    if isinstance(value, int | float):
        return b"\x11" + _double.pack(value)
    if depth >= MAX_DEPTH:
        raise ProtobufError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return delimited(b"\x2a", encode_struct(value, depth + 1))
    if isinstance(value, bytes):
        return delimited(b"\x1a", value.decode("utf-8", "replace").encode())
    return delimited(b"\x32", encode_list(value, depth + 1))


def encode_struct(values: Mapping[str, Any], depth: int = 0) -> bytes:
    """Return a Struct."""
    return b"".join(
        delimited(b"\x0a", delimited(b"\x0a", encoded(key)) + delimited(b"\x12", encode_value(value, depth)))
        for key, value in values.items()
    )


def encode_list(values: Sequence[Any], depth: int = 0) -> bytes:
    """Return a ListValue."""
    return b"".join(delimited(b"\x0a", encode_value(value, depth)) for value in values)


def decode_value(data: Any, depth: int = 0) -> Any:
    """Return the value of a Value: text, number, boolean, None, list or dict. Raises ProtobufError."""
    result: Any = None
    if not isinstance(data, bytes):
        raise ProtobufError("expected a value")
    if depth > MAX_DEPTH:
        raise ProtobufError(f"nested deeper than {MAX_DEPTH} levels")
    for number, value in iterate_fields(data):
        if number == 3:
            result = text(value)
        elif number == 2:
            result = _number(value)
        elif number == 4:
            result = bool(value)
        elif number == 5:
            result = decode_struct(value, depth + 1)
        elif number == 6:
            result = decode_list(value, depth + 1)
        elif number == 1:
            result = None
    return result


def decode_struct(data: Any, depth: int = 0) -> dict[str, Any]:
    """Return the fields of a Struct. Raises ProtobufError."""
    result: dict[str, Any] = {}
    if not isinstance(data, bytes):
        raise ProtobufError("expected a structure")
    for number, entry in iterate_fields(data):
        if number == 1:
            pair = dict(iterate_fields(entry)) if isinstance(entry, bytes) else {}
            result[text(pair.get(1, b""))] = decode_value(pair.get(2, b""), depth)
    return result


def decode_list(data: Any, depth: int = 0) -> list[Any]:
    """Return the values of a ListValue. Raises ProtobufError."""
    if not isinstance(data, bytes):
        raise ProtobufError("expected a list")
    return [decode_value(value, depth) for number, value in iterate_fields(data) if number == 1]


def _number(data: Any) -> int | float:
    if not isinstance(data, bytes) or len(data) != 8:
        raise ProtobufError("expected a double")
    (value,) = _double.unpack(data)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
