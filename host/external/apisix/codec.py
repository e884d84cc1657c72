"""Frames of the ext-plugin protocol: the Python face of the C core's `apisix_read.c` and `apisix_write.c`.

It turns values into frames and frames into values, and must know nothing of sockets, of tokens, nor of what becomes of
an answer. The protocol: https://github.com/apache/apisix/blob/master/docs/en/latest/internal/plugin-runner.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from host._core import ffi, lib
from host.headers import HeaderMap

HEADER_SIZE: Final = 4
MOST_PAYLOAD: Final = 0xFFFFFF

METHODS: Final = frozenset(
    b"GET HEAD POST PUT DELETE MKCOL COPY MOVE OPTIONS PROPFIND PROPPATCH LOCK UNLOCK PATCH TRACE".split()
)
"""Request methods that the protocol has numbers for."""

Entry = tuple[bytes, bytes | None]
"""A name and its value; None deletes the name, or is an argument without a value."""


class FrameType(IntEnum):
    """What a frame is; a reply has its request's type, or ERROR."""

    ERROR = 0
    PREPARE_CONF = 1
    REQUEST_CALL = 2
    EXTRA_INFO = 3
    RESPONSE_CALL = 4


class ErrorCode(IntEnum):
    """What a runner says with a frame of type ERROR."""

    BAD_REQUEST = 0
    SERVICE_UNAVAILABLE = 1
    CONF_TOKEN_NOT_FOUND = 2


class InfoType(IntEnum):
    """What a runner may ask for while it has a call."""

    VARIABLE = 1
    REQUEST_BODY = 2
    RESPONSE_BODY = 3


class FrameError(ValueError):
    """Bytes that are no frame, or values that no frame can carry."""


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The runner could not do what it was asked. `code` is an `ErrorCode`, or what a later protocol knows."""

    code: int


@dataclass(frozen=True, slots=True)
class PrepareReply:
    """The number under which the runner keeps a configuration; 0 is none."""

    token: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Answer with this instead of asking the upstream. `status` 0: 200."""

    status: int
    headers: Sequence[Entry] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Changes to the request and to the response's fields; what is empty or None stays as it is."""

    path: bytes | None = None
    headers: Sequence[Entry] = ()
    arguments: Sequence[Entry] = ()
    response_headers: Sequence[Entry] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestReply:
    """What becomes of a request; `action` None: it goes on as it is."""

    id: int
    action: Stop | Rewrite | None = None


@dataclass(frozen=True, slots=True)
class ResponseReply:
    """What becomes of a response; `status` 0 and an empty body stand for those of the upstream."""

    id: int
    status: int = 0
    headers: Sequence[Entry] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class InfoRequest:
    """A question that comes before the reply. `type` is an `InfoType`, or what a later protocol knows."""

    type: int
    name: bytes = b""


Message = ErrorReply | PrepareReply | RequestReply | ResponseReply | InfoRequest

_FIELDS: Final = 11  # numbers of a message before its entries
_TYPES: Final = tuple(FrameType)
_read, _unpack = lib.sw_apisix_read, ffi.unpack


def read_header(header: bytes) -> tuple[FrameType, int]:
    """Return the type of a frame and how many bytes follow, from its first four. Raises FrameError."""
    if header[0] > FrameType.RESPONSE_CALL:
        raise FrameError(f"a frame of the type {header[0]}, which the protocol does not know")
    return _TYPES[header[0]], int.from_bytes(header[1:4], "big")


class Codec:
    """Writes and reads frames. Each thread needs one of its own: it keeps the room in which frames are made."""

    __slots__ = ("_call", "_entries", "_message", "_numbers", "_writer")

    def __init__(self) -> None:
        self._message: Any = ffi.new("sw_apisix_message *")
        self._numbers: Any = ffi.cast("uint32_t *", self._message)
        self._entries: Any = self._message.entries
        self._writer: Any = ffi.gc(lib.sw_apisix_writer_new(), lib.sw_apisix_writer_delete)
        self._call: Any = ffi.new("sw_apisix_call *")

    def read_message(self, type_: FrameType, payload: bytes) -> Message:
        """Return what a runner says with the bytes behind a header. Raises FrameError."""
        fault = _read(type_, payload, len(payload), self._message)
        if fault:
            raise FrameError(f"a frame of the type {type_.name} cannot be read: {_text(fault)}")
        (
            id_,
            number,
            is_error,
            status,
            text_at,
            text_length,
            body_at,
            body_length,
            headers,
            arguments,
            others,
        ) = _unpack(self._numbers, _FIELDS)
        if is_error:
            return ErrorReply(number)
        if type_ is FrameType.REQUEST_CALL and not number:
            return RequestReply(id_)
        if type_ is FrameType.PREPARE_CONF:
            return PrepareReply(number)
        text = payload[text_at : text_at + text_length] if text_at else None
        if type_ is FrameType.EXTRA_INFO:
            return InfoRequest(number, text or b"")
        body = payload[body_at : body_at + body_length]
        entries = self._entries_of(payload, headers + arguments + others)
        if type_ is FrameType.RESPONSE_CALL:
            return ResponseReply(id_, status, entries, body)
        if number == lib.SW_APISIX_STOP:
            return RequestReply(id_, Stop(status, entries, body))
        behind = headers + arguments
        action = Rewrite(text, entries[:headers], entries[headers:behind], entries[behind:], body)
        return RequestReply(id_, action)

    def _entries_of(self, payload: bytes, count: int) -> list[Entry]:
        if not count:
            return []
        numbers = iter(_unpack(self._entries, 4 * count))
        return [
            (payload[name : name + name_length], payload[value : value + value_length] if value else None)
            for name, name_length, value, value_length in zip(numbers, numbers, numbers, numbers, strict=True)
        ]

    def write_prepare(self, key: bytes, conf: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Return the frame that asks for a token: names of plugins with their configurations. Raises FrameError."""
        lib.sw_apisix_begin_conf(self._writer)
        for name, value in conf:
            lib.sw_apisix_add_conf(self._writer, name, len(name), value, len(value))
        return self._frame(lib.sw_apisix_write_conf(self._writer, key, len(key)))

    def write_request_call(
        self, headers: HeaderMap, id_: int, token: int, address: bytes, *, has_bare_arguments: bool = True
    ) -> bytes:
        """Return the frame that sends a request: its fields and pseudo-headers, and the client's packed address.

        `has_bare_arguments`: an argument without `=` goes without a value, else with an empty one. Raises FrameError,
        among others for a method that the protocol does not know.
        """
        call, packed = self._call, ffi.from_buffer(address)
        call.id, call.token, call.address, call.address_length = id_, token, packed, len(address)
        call.has_bare_arguments = has_bare_arguments
        return self._frame(lib.sw_apisix_write_request_call(self._writer, headers.pointer, call))

    def write_response_call(self, headers: HeaderMap, id_: int, token: int) -> bytes:
        """Return the frame that sends a response's status and fields. Raises FrameError."""
        return self._frame(lib.sw_apisix_write_response_call(self._writer, headers.pointer, id_, token))

    def write_extra_info(self, result: bytes | None) -> bytes:
        """Return the frame that answers an `InfoRequest`; None: there is no such thing. Raises FrameError."""
        data, length = (ffi.NULL, 0) if result is None else (result, len(result))
        return self._frame(lib.sw_apisix_write_extra_info(self._writer, data, length))

    def _frame(self, fault: int) -> bytes:
        if fault:
            raise FrameError(f"no frame can be written: {_text(fault)}")
        return bytes(_unpack(self._writer.frame, self._writer.frame_length))


def _text(fault: int) -> str:
    return str(ffi.string(lib.sw_apisix_fault_text(fault)).decode())
