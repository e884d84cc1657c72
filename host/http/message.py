"""The Python face of core/message.c: the judge of heads, their flags, and the writer of heads.

The functions and flags are used as they are by the protocols of the hot path; see message.h for what they mean.
"""

from __future__ import annotations

from typing import Any, Final

from host import hot
from host._core import ffi, lib

NONE: Final = int(lib.SW_FRAMING_NONE)
LENGTH: Final = int(lib.SW_FRAMING_LENGTH)
CHUNKED: Final = int(lib.SW_FRAMING_CHUNKED)
CLOSE: Final = int(lib.SW_FRAMING_CLOSE)
FRAMING: Final = int(lib.SW_FRAMING_MASK)
KEEP_ALIVE: Final = int(lib.SW_KEEP_ALIVE)
EXPECT_CONTINUE: Final = int(lib.SW_EXPECT_CONTINUE)
UPGRADE: Final = int(lib.SW_UPGRADE)
HTTP_1_0: Final = int(lib.SW_HTTP_1_0)
HEAD_METHOD: Final = int(lib.SW_HEAD_METHOD)
IDEMPOTENT: Final = int(lib.SW_IDEMPOTENT)
HEAD_BYTES: Final = 0xFFFFF
STATUS_SHIFT: Final = 32
CLOSES: Final = 1 << 16

NO_CLIENT: Final = ffi.NULL
"""For a request that no client has sent: no fields tell of one."""

WRITE_NO_BODY: Final = -1
WRITE_CHUNKED: Final = -2
WRITE_AS_IS: Final = -3
WRITE_CLOSE: Final = 1
WRITE_KEEP_ALIVE: Final = 2
WRITE_UPGRADE: Final = 4
WRITE_EXPECT: Final = 8
WRITE_LOCAL: Final = 16

judge_request = hot.judge_request
_write_request_head = lib.sw_write_request_head
_write_response_head = lib.sw_write_response_head
_unpack = ffi.unpack


class MessageError(Exception):
    """A peer's message that breaks the rules, or one of ours that filters have made impossible to write.

    `status` is the answer that a client gets for it.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def message_error(code: int) -> MessageError:
    """Return the error for a code of the judge."""
    return MessageError(
        lib.sw_message_error_status(code), ffi.string(lib.sw_message_error_text(code)).decode()
    )


def new_judge(head_bytes: int, target_bytes: int, fields: int, trust_forwarded: bool = False) -> Any:
    """Return a `sw_judge *` with these limits; it serves one event loop."""
    judge = ffi.new("sw_judge *")
    judge.most_head_bytes, judge.most_target_bytes, judge.most_fields = head_bytes, target_bytes, fields
    judge.trust_forwarded = trust_forwarded
    return judge


def new_client(address: bytes, port: bytes, tls: bool = False) -> Any:
    """Return the `sw_client *` of a connection: the peer's address, and the port that it came in by."""
    client = ffi.new("sw_client *")
    address, port = address[:64], port[:8]
    client.address[0 : len(address)], client.port[0 : len(port)] = address, port
    client.address_length, client.port_length, client.tls = len(address), len(port), tls
    return client


class HeadWriter:
    """Writes heads into one block that is reused; it serves one event loop."""

    __slots__ = ("_block", "_size")

    def __init__(self, size: int = 16 * 1024) -> None:
        self._block, self._size = ffi.new("char[]", size), size

    def request(self, headers: Any, client: Any, host: bytes, framing: int, flags: int) -> bytes:
        """Return the request head; `host` replaces :authority where it is not empty.

        Raises MessageError (500) when the map holds what must not be written.
        """
        written = _write_request_head(
            headers, self._block, self._size, client, host, len(host), framing, flags
        )
        if written < 0:
            self._grow(-written)
            return self.request(headers, client, host, framing, flags)
        if not written:
            raise MessageError(500, "invalid request head after the filters")
        return _unpack(self._block, written)  # type: ignore[no-any-return]

    def response(self, headers: Any, framing: int, flags: int) -> tuple[bytes, int]:
        """Return the response head and its status, with CLOSES where a filter wants the connection closed behind it.

        Raises MessageError (502) as `request` does.
        """
        written = _write_response_head(headers, self._block, self._size, framing, flags)
        if written < 0:
            self._grow(-written)
            return self.response(headers, framing, flags)
        if not written:
            raise MessageError(502, "invalid response head after the filters")
        return _unpack(self._block, written & 0xFFFFFFFF), written >> 32

    def trailers(self, trailers: Any) -> bytes:
        """Return the trailer section with its empty line. Raises MessageError (500) as `request` does."""
        written = lib.sw_write_trailers(trailers, self._block, self._size)
        if written < 0:
            self._grow(-written)
            return self.trailers(trailers)
        if not written:
            raise MessageError(500, "invalid trailers after the filters")
        return _unpack(self._block, written)  # type: ignore[no-any-return]

    def _grow(self, size: int) -> None:
        self._block, self._size = ffi.new("char[]", size), size
