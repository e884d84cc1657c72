"""The ext-plugin protocol by the `flatbuffers` runtime: an independent writer and reader of both sides' frames.

What the gateway writes is compared with it byte for byte; what runners write is made with it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import flatbuffers
from flatbuffers import number_types
from flatbuffers.table import Table

ERROR, PREPARE_CONF, REQUEST_CALL, EXTRA_INFO, RESPONSE_CALL = range(5)
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "MKCOL",
    "COPY",
    "MOVE",
    "OPTIONS",
    "PROPFIND",
    "PROPPATCH",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
]

Entries = Sequence[tuple[bytes, bytes | None]]


def frame(type_: int, payload: bytes) -> bytes:
    """Return a whole frame."""
    return bytes([type_]) + len(payload).to_bytes(3, "big") + payload


# --- writing


def text(builder: Any, value: bytes) -> int:
    """Put a string, of any bytes."""
    return int(builder.CreateString(value))


def entry(builder: Any, name: bytes, value: bytes | None) -> int:
    """Put a TextEntry."""
    name_at = text(builder, name)
    value_at = 0 if value is None else text(builder, value)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, name_at, 0)
    builder.PrependUOffsetTRelativeSlot(1, value_at, 0)
    return int(builder.EndObject())


def vector(builder: Any, items: Sequence[int]) -> int:
    """Put a vector of what lies at these places."""
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())


def entries(builder: Any, values: Entries) -> int:
    """Put a vector of TextEntry."""
    return vector(builder, [entry(builder, name, value) for name, value in values])


def _finish(builder: Any, type_: int) -> bytes:
    builder.Finish(builder.EndObject())
    return frame(type_, bytes(builder.Output()))


def prepare_request(key: bytes, conf: Entries) -> bytes:
    """PrepareConf.Req"""
    builder = flatbuffers.Builder()
    conf_at = entries(builder, conf)
    key_at = text(builder, key)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, conf_at, 0)
    builder.PrependUOffsetTRelativeSlot(1, key_at, 0)
    return _finish(builder, PREPARE_CONF)


def request_call(
    id_: int, address: bytes, method: str, path: bytes, arguments: Entries, headers: Entries, token: int
) -> bytes:
    """HTTPReqCall.Req"""
    builder = flatbuffers.Builder()
    path_at, address_at = text(builder, path), builder.CreateByteVector(address)
    arguments_at = entries(builder, arguments) if arguments else 0
    headers_at = entries(builder, headers)
    builder.StartObject(7)
    builder.PrependUint32Slot(0, id_, 0)
    builder.PrependUOffsetTRelativeSlot(1, address_at, 0)
    builder.PrependUint8Slot(2, METHODS.index(method), 0)
    builder.PrependUOffsetTRelativeSlot(3, path_at, 0)
    builder.PrependUOffsetTRelativeSlot(4, arguments_at, 0)
    builder.PrependUOffsetTRelativeSlot(5, headers_at, 0)
    builder.PrependUint32Slot(6, token, 0)
    return _finish(builder, REQUEST_CALL)


def response_call(id_: int, status: int, headers: Entries, token: int) -> bytes:
    """HTTPRespCall.Req"""
    builder = flatbuffers.Builder()
    headers_at = entries(builder, headers)
    builder.StartObject(4)
    builder.PrependUint32Slot(0, id_, 0)
    builder.PrependUint16Slot(1, status, 0)
    builder.PrependUOffsetTRelativeSlot(2, headers_at, 0)
    builder.PrependUint32Slot(3, token, 0)
    return _finish(builder, RESPONSE_CALL)


def extra_info_reply(result: bytes | None) -> bytes:
    """ExtraInfo.Resp"""
    builder = flatbuffers.Builder()
    result_at = 0 if result is None else builder.CreateByteVector(result)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, result_at, 0)
    return _finish(builder, EXTRA_INFO)


def error_reply(code: int) -> bytes:
    """Err.Resp"""
    builder = flatbuffers.Builder()
    builder.StartObject(1)
    builder.PrependUint8Slot(0, code, 0)
    return _finish(builder, ERROR)


def prepare_reply(token: int) -> bytes:
    """PrepareConf.Resp"""
    builder = flatbuffers.Builder()
    builder.StartObject(1)
    builder.PrependUint32Slot(0, token, 0)
    return _finish(builder, PREPARE_CONF)


def _reply(builder: Any, id_: int, action_type: int, action_at: int) -> bytes:
    builder.StartObject(3)
    builder.PrependUint32Slot(0, id_, 0)
    builder.PrependUint8Slot(1, action_type, 0)
    builder.PrependUOffsetTRelativeSlot(2, action_at, 0)
    return _finish(builder, REQUEST_CALL)


def no_action(id_: int) -> bytes:
    """HTTPReqCall.Resp that lets the request pass."""
    return _reply(flatbuffers.Builder(), id_, 0, 0)


def stop(id_: int, status: int, headers: Entries = (), body: bytes = b"") -> bytes:
    """HTTPReqCall.Resp with Stop."""
    builder = flatbuffers.Builder()
    body_at = builder.CreateByteVector(body) if body else 0
    headers_at = entries(builder, headers) if headers else 0
    builder.StartObject(3)
    builder.PrependUint16Slot(0, status, 0)
    builder.PrependUOffsetTRelativeSlot(1, headers_at, 0)
    builder.PrependUOffsetTRelativeSlot(2, body_at, 0)
    return _reply(builder, id_, 1, builder.EndObject())


def rewrite(
    id_: int,
    *,
    path: bytes | None = None,
    headers: Entries = (),
    arguments: Entries = (),
    response_headers: Entries = (),
    body: bytes = b"",
) -> bytes:
    """HTTPReqCall.Resp with Rewrite."""
    builder = flatbuffers.Builder()
    path_at = 0 if path is None else text(builder, path)
    vectors = [entries(builder, values) for values in (headers, arguments, response_headers)]
    body_at = builder.CreateByteVector(body) if body else 0
    builder.StartObject(5)
    builder.PrependUOffsetTRelativeSlot(0, path_at, 0)
    for slot, place in enumerate(vectors, 1):
        builder.PrependUOffsetTRelativeSlot(slot, place, 0)
    builder.PrependUOffsetTRelativeSlot(4, body_at, 0)
    return _reply(builder, id_, 2, builder.EndObject())


def response_reply(id_: int, status: int = 0, headers: Entries = (), body: bytes = b"") -> bytes:
    """HTTPRespCall.Resp"""
    builder = flatbuffers.Builder()
    headers_at = entries(builder, headers)
    body_at = builder.CreateByteVector(body) if body else 0
    builder.StartObject(4)
    builder.PrependUint32Slot(0, id_, 0)
    builder.PrependUint16Slot(1, status, 0)
    builder.PrependUOffsetTRelativeSlot(2, headers_at, 0)
    builder.PrependUOffsetTRelativeSlot(3, body_at, 0)
    return _finish(builder, RESPONSE_CALL)


def info_request(type_: int, name: bytes | None = None) -> bytes:
    """ExtraInfo.Req"""
    builder = flatbuffers.Builder()
    name_at = 0 if name is None else text(builder, name)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, name_at, 0)
    info_at = builder.EndObject()
    builder.StartObject(2)
    builder.PrependUint8Slot(0, type_, 0)
    builder.PrependUOffsetTRelativeSlot(1, info_at, 0)
    return _finish(builder, EXTRA_INFO)


# --- reading what the gateway sends


class Reader:
    """One table by its slots."""

    def __init__(self, data: bytes, at: int | None = None) -> None:
        self.data = data
        self.table = Table(data, struct.unpack_from("<I", data)[0] if at is None else at)

    def _place(self, slot: int) -> int:
        offset = self.table.Offset(4 + 2 * slot)
        return self.table.Pos + offset if offset else 0

    def number(self, slot: int, flags: Any = number_types.Uint32Flags) -> int:
        """Return the number of a slot."""
        place = self._place(slot)
        return int(self.table.Get(flags, place)) if place else 0

    def bytes(self, slot: int) -> bytes | None:
        """Return the string or vector of bytes of a slot."""
        place = self._place(slot)
        return bytes(self.table.String(place)) if place else None

    def entries(self, slot: int) -> list[tuple[bytes, bytes | None]]:
        """Return the vector of TextEntry of a slot."""
        offset = self.table.Offset(4 + 2 * slot)
        if not offset:
            return []
        first = self.table.Vector(offset)
        tables = [
            Reader(self.data, self.table.Indirect(first + 4 * index))
            for index in range(self.table.VectorLen(offset))
        ]
        return [(table.bytes(0) or b"", table.bytes(1)) for table in tables]
