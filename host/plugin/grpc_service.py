"""The first argument of proxy_grpc_call and proxy_grpc_stream: which server is meant.

It is a name, or Envoy's `GrpcService` message (envoy/config/core/v3/grpc_service.proto) in protobuf's binary form, as
Envoy's own SDKs send it. Five of that message's fields matter here, so it is read by these lines and not by a protobuf
library, which would come with a megabyte and generated code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types (protobuf.dev/programming-guides/encoding)
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class GrpcTarget:
    """`name`: of an upstream, or an address. `authority`: what :authority says, "" for the node's own."""

    name: str
    authority: str = ""
    is_tls: bool = False


def parse_grpc_service(data: bytes) -> GrpcTarget:
    """Return what a GrpcService message names. Raises ValueError where it is none, or names nothing."""
    target = None
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):  # EnvoyGrpc
            inner = dict(_fields(value))
            target = GrpcTarget(_text(inner.get(1)), _text(inner.get(2)))
        elif number == 2 and isinstance(value, bytes):  # GoogleGrpc
            inner = dict(_fields(value))
            uri = _text(inner.get(1))
            for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
                uri = uri.removeprefix(scheme)
            credentials = inner.get(2, b"")
            is_tls = isinstance(credentials, bytes) and any(field == 1 for field, _ in _fields(credentials))
            target = GrpcTarget(uri, is_tls=is_tls)
    if target is None or not target.name:
        raise ValueError("neither envoy_grpc.cluster_name nor google_grpc.target_uri")
    return target


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Go through a message's fields: their numbers and values. Raises ValueError for bytes that are no message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind, number = key & 7, key >> 3
        if number == 0:
            raise ValueError("no protobuf message: a field without a number")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"no protobuf message: wire type {kind}")
        if length > len(data) - at:
            raise ValueError("no protobuf message: it ends within a field")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError("no protobuf message: a number without an end")


def _text(value: int | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else ""  # UnicodeDecodeError is a ValueError
