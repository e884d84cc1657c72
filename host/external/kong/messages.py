"""The messages of Kong's plugin protocol over Protocol Buffers (`pluginsocket.proto` of go-pdk), as Python's values.

Read and written by hand on `abi.protobuf`: a library costs about as much for each small message as the rest of a call
does (see "Why no protobuf library for Kong's plugin servers?" in RATIONALE.md). Text that is no UTF-8 is written with
U+FFFD in its place, since readers refuse a whole message for one such byte.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from abi.leb128 import encode_unsigned
from abi.protobuf import ProtobufError, iterate_fields

MAX_DEPTH: Final = 64
"""Levels of nesting in a Value; a plugin's own text is not the place for more."""

_double = struct.Struct("<d")
_SMALL: Final = tuple(bytes((number,)) for number in range(128))
_UINT64: Final = (1 << 64) - 1

Decoder = Callable[[bytes], list[Any]]
Encoder = Callable[[Any], bytes]


def delimited(tag: bytes, data: bytes) -> bytes:
    """Return a field of bytes: its tag, its length, itself."""
    length = len(data)
    return tag + (_SMALL[length] if length < 128 else encode_unsigned(length)) + data


def varint(number: int) -> bytes:
    """Return a whole number; a negative one takes ten bytes, as int32 and int64 have it."""
    return _SMALL[number] if 0 <= number < 128 else encode_unsigned(number & _UINT64)


def signed(number: Any) -> int:
    """Return a number that was read as unsigned as int32 or int64 have it."""
    if not isinstance(number, int):
        raise ProtobufError("expected a number")
    return number - (1 << 64) if number >> 63 else number


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


# --- google.protobuf.Value, Struct, ListValue


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


# --- arguments of the PDK's methods, as the list that the MessagePack dialect sends


def no_arguments(_: bytes) -> list[Any]:
    """google.protobuf.Empty."""
    return []


def one_text(data: bytes) -> list[Any]:
    """String."""
    return [text(dict(iterate_fields(data)).get(1, b""))]


def one_integer(data: bytes) -> list[Any]:
    """Int; 0, the default, stands for none."""
    return [signed(dict(iterate_fields(data)).get(1, 0)) or None]


def one_boolean(data: bytes) -> list[Any]:
    """Bool."""
    return [bool(dict(iterate_fields(data)).get(1, 0))]


def one_bytes(data: bytes) -> list[Any]:
    """ByteString."""
    value = dict(iterate_fields(data)).get(1, b"")
    if not isinstance(value, bytes):
        raise ProtobufError("expected bytes")
    return [value]


def key_and_value(data: bytes) -> list[Any]:
    """KV."""
    fields = dict(iterate_fields(data))
    return [text(fields.get(1, b"")), decode_value(fields.get(2, b""))]


def one_struct(data: bytes) -> list[Any]:
    """google.protobuf.Struct."""
    return [decode_struct(data)]


def exit_arguments(data: bytes) -> list[Any]:
    """ExitArgs."""
    fields = dict(iterate_fields(data))
    headers = fields.get(3)
    return [
        signed(fields.get(1, 0)),
        fields.get(2, b""),
        decode_struct(headers) if headers is not None else None,
    ]


def target(data: bytes) -> list[Any]:
    """Target."""
    fields = dict(iterate_fields(data))
    return [text(fields.get(1, b"")), signed(fields.get(2, 0))]


def consumer_spec(data: bytes) -> list[Any]:
    """ConsumerSpec."""
    fields = dict(iterate_fields(data))
    return [text(fields.get(1, b"")), bool(fields.get(2, 0))]


def authenticate_arguments(data: bytes) -> list[Any]:
    """AuthenticateArgs."""
    fields = dict(iterate_fields(data))
    consumer, credential = fields.get(1), fields.get(2)
    return [
        _decode_entity(consumer, CONSUMER) if isinstance(consumer, bytes) else None,
        _decode_entity(credential, CREDENTIAL) if isinstance(credential, bytes) else None,
    ]


# --- results


def nothing(_: Any) -> bytes:
    """google.protobuf.Empty."""
    return b""


def a_text(value: Any) -> bytes:
    """String. One that is missing cannot be told from an empty one."""
    return delimited(b"\x0a", encoded(value)) if value is not None and value != "" else b""


def an_integer(value: Any) -> bytes:
    """Int."""
    return b"\x08" + varint(int(value)) if value else b""


def a_number(value: Any) -> bytes:
    """Number."""
    return b"\x09" + _double.pack(float(value)) if value else b""


def a_boolean(value: Any) -> bytes:
    """Bool."""
    return b"\x08\x01" if value else b""


def some_bytes(value: Any) -> bytes:
    """ByteString."""
    return delimited(b"\x0a", encoded(value)) if value else b""


def a_value(value: Any) -> bytes:
    """google.protobuf.Value."""
    return encode_value(value) if value is not None else b""


def a_multi_map(value: Any) -> bytes:
    """google.protobuf.Struct of texts and lists of texts; an argument without a value is an empty list."""
    return encode_struct({key: [] if each is True else each for key, each in (value or {}).items()})


def raw_body(value: Any) -> bytes:
    """RawBodyResult; the content is told of although it is empty."""
    return delimited(b"\x0a", encoded(value if value is not None else b""))


def captures(value: Any) -> bytes:
    """UriCapturesResult."""
    unnamed, named = (value or {}).get("unnamed", []), (value or {}).get("named", {})
    return b"".join(delimited(b"\x0a", encoded(each)) for each in unnamed) + b"".join(
        delimited(b"\x12", delimited(b"\x0a", encoded(key)) + delimited(b"\x12", encoded(each)))
        for key, each in named.items()
    )


# --- entities: key, number of the field, kind

Fields = tuple[tuple[str, int, str], ...]

ROUTE: Final[Fields] = (
    ("id", 1, "text"), ("created_at", 2, "number"), ("updated_at", 3, "number"), ("name", 4, "text"),
    ("protocols", 5, "texts"), ("methods", 6, "texts"), ("hosts", 7, "texts"), ("paths", 8, "texts"),
    ("headers", 9, "texts"), ("https_redirect_status_code", 10, "number"), ("regex_priority", 11, "number"),
    ("strip_path", 12, "number"), ("preserve_host", 13, "number"), ("snis", 14, "texts"), ("sources", 15, "texts"),
    ("destinations", 16, "texts"), ("tags", 17, "texts"), ("service", 18, "key"),
)  # fmt: skip
SERVICE: Final[Fields] = (
    ("id", 1, "text"), ("created_at", 2, "number"), ("updated_at", 3, "number"), ("name", 4, "text"),
    ("retries", 5, "number"), ("protocol", 6, "text"), ("host", 7, "text"), ("port", 8, "number"),
    ("path", 9, "text"), ("connect_timeout", 10, "number"), ("write_timeout", 11, "number"),
    ("read_timeout", 12, "number"), ("tags", 13, "texts"), ("client_certificate", 14, "key"),
)  # fmt: skip
CONSUMER: Final[Fields] = (
    ("id", 1, "text"), ("created_at", 2, "number"), ("username", 3, "text"), ("custom_id", 4, "text"),
    ("tags", 5, "texts"),
)  # fmt: skip
CREDENTIAL: Final[Fields] = (("id", 1, "text"), ("consumer_id", 2, "text"))


def entity(fields: Fields) -> Encoder:
    """Return what encodes a mapping with these keys; None is a message without fields."""
    known = tuple(
        (key, varint(number << 3 | (0 if kind == "number" else 2)), kind) for key, number, kind in fields
    )

    def encode(value: Any) -> bytes:
        parts = []
        for key, tag, kind in known:
            each = (value or {}).get(key)
            if not each:
                continue
            if kind == "number":
                parts.append(tag + varint(int(each)))
            elif kind == "text":
                parts.append(delimited(tag, encoded(each)))
            elif kind == "texts":
                parts += [delimited(tag, encoded(item)) for item in each]
            else:
                parts.append(delimited(tag, delimited(b"\x0a", encoded(each.get("id", "")))))
        return b"".join(parts)

    return encode


def _decode_entity(data: bytes, fields: Fields) -> dict[str, Any]:
    kinds = {number: (key, kind) for key, number, kind in fields}
    result: dict[str, Any] = {}
    for number, value in iterate_fields(data):
        key, kind = kinds.get(number, ("", ""))
        if kind == "text":
            result[key] = text(value)
        elif kind == "number":
            result[key] = signed(value)
        elif kind == "texts":
            result.setdefault(key, []).append(text(value))
    return result


def memory_stats(value: Any) -> bytes:
    """MemoryStats: `lua_shared_dicts` by name, `workers_lua_vms` a list."""
    stats, parts = value or {}, []
    dicts = stats.get("lua_shared_dicts", {})
    inner = b"".join(
        delimited(tag, b"\x08" + varint(each["allocated_slabs"]) + b"\x10" + varint(each["capacity"]))
        for tag, each in ((b"\x0a", dicts.get("kong")), (b"\x12", dicts.get("kong_db_cache")))
        if each is not None
    )
    parts.append(delimited(b"\x0a", inner))
    parts += [
        delimited(b"\x12", b"\x08" + varint(each["http_allocated_gc"]) + b"\x10" + varint(each["pid"]))
        for each in stats.get("workers_lua_vms", [])
    ]
    return b"".join(parts)
