"""The messages of Kong's plugin protocol over Protocol Buffers (`pluginsocket.proto` of go-pdk), as Python's values.

Read and written by hand on `abi.protobuf`: a library costs about as much for each small message as the rest of a call
does (see "Why msgpack, and no protobuf library, for Kong's plugin servers?" in RATIONALE.md).

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from abi.protobuf import ProtobufError, delimited, iterate_fields, signed, varint
from host.external.kong.values import (
    decode_struct,
    decode_value,
    encode_struct,
    encode_value,
    encoded,
    text,
)

_double = struct.Struct("<d")

Decoder = Callable[[bytes], list[Any]]
Encoder = Callable[[Any], bytes]


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
