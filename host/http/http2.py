"""One HTTP/2 connection without its socket (RFC 9113), in either role: bytes in, events out; calls in, bytes out.

The protocol is nghttp2's, the system's library, which is looked up when HTTP/2 is first used. This room knows nothing
of sockets, of plugins, or of gRPC.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from host._core import ffi, lib
from host.errors import HostError
from host.headers import HeaderMap

LIBRARY = "libnghttp2.so.14"


class ErrorCode(IntEnum):
    """RFC 9113, section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Http2Unavailable(HostError):
    """The HTTP/2 library is not there, or is too old to be safe; the text says what to install."""


class Http2Error(HostError):
    """A call that cannot be carried out: a stream that is gone, fields not to be sent, a connection that ended."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may make of a connection. Windows are bytes that it may send before we have read others."""

    stream_window: int = 256 * 1024
    connection_window: int = (
        16 * 1024 * 1024
    )  # read content is given back at once: the streams' windows bound memory
    streams: int = 100  # open at once, of a client
    header_bytes: int = (
        64 * 1024
    )  # names and values of one header block, decompressed: an HPACK bomb ends there
    fields: int = 128
    control_frames: int = 1000  # in a row with neither content nor a head among them


class Head(NamedTuple):
    """A request or response head; interim responses (1xx) too. `is_end`: the message ends with it."""

    stream: int
    fields: HeaderMap
    is_end: bool


class Data(NamedTuple):
    """Content. Its reader calls `consume` to let the peer send as much again."""

    stream: int
    data: bytes


class Trailers(NamedTuple):
    """A trailer section; the stream's `End` comes with it."""

    stream: int
    fields: HeaderMap


class End(NamedTuple):
    """The peer sends no more on the stream."""

    stream: int


class Closed(NamedTuple):
    """The stream is gone; code 0: both sides had ended, or the peer says that nothing was wrong."""

    stream: int
    code: int


class GoAway(NamedTuple):
    """The peer takes no new streams; those above `last_stream` it has not seen."""

    last_stream: int
    code: int


class Pong(NamedTuple):
    """A PING was acknowledged."""


class SettingsReceived(NamedTuple):
    """The peer's settings have come, or changed."""


Event = Head | Data | Trailers | End | Closed | GoAway | Pong | SettingsReceived

_ERRORS = {
    lib.SW_HTTP2_LOST: "the connection has ended",
    lib.SW_HTTP2_NO_STREAM: "no such stream, or its content has ended",
    lib.SW_HTTP2_BAD_FIELDS: "a field that must not be sent in HTTP/2",
    lib.SW_HTTP2_REFUSED: "the connection takes no new streams",
}


@functools.cache
def load_library(path: str = LIBRARY) -> None:
    """Find nghttp2. Raises Http2Unavailable."""
    missing = lib.sw_nghttp2_load(path.encode())
    if missing == ffi.NULL:
        return
    what = ffi.string(missing).decode(errors="replace")
    if what.startswith("nghttp2_"):
        raise Http2Unavailable(
            f"HTTP/2 needs a newer {path}: it has no {what} (1.61, or an older one with its distribution's repairs)"
        )
    raise Http2Unavailable(f"HTTP/2 needs {path} (Debian, Ubuntu: apt-get install libnghttp2-14): {what}")


class Http2Session:
    """The state of one connection. Feed it with `receive`, go through `events`, send what `output` gives, until both
    are empty. Errors of the peer end a stream (`Closed`) or the connection (`error`), and raise nothing.
    """

    __slots__ = ("_length", "_pointer")

    def __init__(self, *, server: bool = False, limits: Limits | None = None) -> None:
        """Raises Http2Unavailable where the library is missing."""
        load_library()
        most = limits or Limits()
        native = ffi.new(
            "sw_http2_limits *",
            (
                most.stream_window,
                most.connection_window,
                most.streams,
                most.header_bytes,
                most.fields,
                most.control_frames,
            ),
        )
        pointer = lib.sw_http2_new(server, native)
        if pointer == ffi.NULL:
            raise MemoryError("no memory for an HTTP/2 connection")
        self._pointer = ffi.gc(pointer, lib.sw_http2_delete)
        self._length = ffi.new("size_t *")

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer."""
        lib.sw_http2_receive(self._pointer, data, len(data))

    def events(self) -> Iterator[Event]:
        """Take what has happened since the last time."""
        rows = lib.sw_http2_take_events(self._pointer, self._length)
        count = self._length[0]
        if not count:
            return iter(())
        numbers = ffi.unpack(rows, count * 5)
        content = lib.sw_http2_event_bytes(self._pointer)
        # All at once: what is done about one may make new ones in the place of these.
        return iter([self._event(content, *numbers[at : at + 5]) for at in range(0, count * 5, 5)])

    @staticmethod
    def _event(content: Any, kind: int, stream: int, code: int, offset: int, length: int) -> Event:
        if kind == lib.SW_HTTP2_DATA:
            return Data(stream, bytes(ffi.buffer(content + offset, length)))
        if kind in (lib.SW_HTTP2_HEAD, lib.SW_HTTP2_TRAILERS):
            fields = HeaderMap()
            if lib.sw_headers_set_pairs(fields.pointer, content + offset, length) < 0:
                raise MemoryError("no memory for a header map")
            return Head(stream, fields, bool(code)) if kind == lib.SW_HTTP2_HEAD else Trailers(stream, fields)
        if kind == lib.SW_HTTP2_END:
            return End(stream)
        if kind == lib.SW_HTTP2_CLOSED:
            return Closed(stream, code)
        if kind == lib.SW_HTTP2_GOAWAY:
            return GoAway(stream, code)
        return Pong() if kind == lib.SW_HTTP2_PONG else SettingsReceived()

    def output(self, most: int = 256 * 1024) -> bytes:
        """Take what is to be sent, hardly more than `most` bytes; empty: nothing now."""
        data = lib.sw_http2_take_output(self._pointer, most, self._length)
        return bytes(ffi.buffer(data, self._length[0])) if self._length[0] else b""

    def request(self, head: HeaderMap, *, end: bool) -> int:
        """Open a stream with this request head and return its number. Raises Http2Error.

        Beyond the number of streams that the peer allows, requests wait for others to end.
        """
        return self._checked(lib.sw_http2_request(self._pointer, head.pointer, end))

    def respond(self, stream: int, head: HeaderMap, *, end: bool) -> None:
        """Send a response head. Raises Http2Error."""
        self._checked(lib.sw_http2_respond(self._pointer, stream, head.pointer, end))

    def write(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """Queue content, to be sent as the peer's windows let it. Raises Http2Error."""
        self._checked(lib.sw_http2_write(self._pointer, stream, data, len(data), end))

    def write_trailers(self, stream: int, trailers: HeaderMap) -> None:
        """End the content with a trailer section. Raises Http2Error."""
        self._checked(lib.sw_http2_write_trailers(self._pointer, stream, trailers.pointer))

    def unsent(self, stream: int) -> int:
        """Return how many bytes of a stream wait for the peer's window."""
        return int(lib.sw_http2_unsent(self._pointer, stream))

    def consume(self, stream: int, size: int) -> None:
        """Let the peer send as many bytes more on a stream; nothing happens for one that is gone."""
        lib.sw_http2_consume(self._pointer, stream, size)

    def reset(self, stream: int, code: ErrorCode = ErrorCode.CANCEL) -> None:
        """End a stream with RST_STREAM; nothing happens for one that is gone."""
        lib.sw_http2_reset(self._pointer, stream, code)

    def ping(self) -> None:
        """Ask for a sign of life, which is a `Pong`."""
        lib.sw_http2_ping(self._pointer)

    def end(self, code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        """End the connection with a GOAWAY."""
        lib.sw_http2_end(self._pointer, code)

    @property
    def takes_requests(self) -> bool:
        """Whether a client may open another stream: no GOAWAY has gone either way, and numbers are left."""
        return bool(lib.sw_http2_takes_requests(self._pointer))

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be read or sent: the socket can be closed."""
        return bool(lib.sw_http2_is_over(self._pointer))

    @property
    def error(self) -> str:
        """Why the connection was lost, "" while it is not."""
        return _text(lib.sw_http2_error(self._pointer))

    @property
    def fault(self) -> str:
        """What of the protocol the peer has violated last, "" if nothing. It has been answered as RFC 9113 says."""
        return _text(lib.sw_http2_fault(self._pointer))

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            raise Http2Error(_ERRORS.get(result, "HTTP/2 failed"))
        return result


def _text(pointer: Any) -> str:
    return "" if pointer == ffi.NULL else str(ffi.string(pointer).decode())
