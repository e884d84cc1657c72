"""The writing half of a client's connection: heads and bodies of responses, framed for who asked.

It must not know what the exchange answers, nor how requests are read.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from host.http import message
from host.http.chunked import LAST_CHUNK, encode_chunk

if TYPE_CHECKING:
    from host.http.server import Server

HEAD: Final = 0  # waiting for a head or in the middle of one
BODY: Final = 1  # an exchange is on; its content is not all here
BUSY: Final = 2  # an exchange is on; its request is complete
TUNNEL: Final = 3
LINGERING: Final = 4  # answered for the last time; what still comes is thrown away
CLOSED: Final = 5

UNTIL_CLOSE: Final = -4  # beside the WRITE_* values


class ResponseWriter(asyncio.Protocol):
    """Writes the responses of one connection, one at a time; what reads the requests extends it."""

    __slots__ = (
        "_draining", "_head", "_keep", "_requests", "_settings", "_state", "_to_send", "_writer", "transport",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._settings = server.settings
        self._writer = server.writer
        self._state = HEAD
        self._draining = False
        self._head = self._requests = 0  # the judge's flags of the request in flight, and its number
        self._keep: int | bool = False
        self._to_send = 0  # content bytes to be sent, or one of WRITE_* and UNTIL_CLOSE

    @property
    def requests(self) -> int:
        """How many requests have come on this connection."""
        return self._requests

    @property
    def speaks_http_1_0(self) -> bool:
        """Whether the request in flight came by HTTP/1.0: no 1xx, no chunked coding."""
        return bool(self._head & message.HTTP_1_0)

    def send_interim(self, headers: Any) -> None:
        """Send a 1xx response."""
        self.transport.write(self._writer.response(headers, message.WRITE_NO_BODY, 0)[0])

    def send_continue(self) -> None:
        """Send a 100 (Continue) of our own."""
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def head_flags(self) -> int:
        """Settle whether the connection outlives the response in hand, and return how its head is to say so."""
        request = self._head
        self._keep = (
            request & message.KEEP_ALIVE
            and self._state == BUSY
            and not self._draining
            and self._requests < self._settings.max_requests
        )
        if not self._keep:
            return message.WRITE_CLOSE
        return message.WRITE_KEEP_ALIVE if request & message.HTTP_1_0 else 0

    def send_head(
        self, headers: Any, framing: int, flags: int, data: bytes, end: bool, trailers: Any = None
    ) -> None:
        """Send the head and its first content in one write.

        `framing` is the content's length, or one of WRITE_*; WRITE_CHUNKED also stands for "not known". Raises
        MessageError, with nothing sent, when the head cannot be written.
        """
        request = self._head
        self._to_send = framing
        if framing == message.WRITE_CHUNKED and request & message.HTTP_1_0:
            self._to_send, framing, self._keep = UNTIL_CLOSE, message.WRITE_NO_BODY, False
            flags |= message.WRITE_CLOSE
        else:
            flags |= self.head_flags()
        head, status = self._writer.response(headers, framing, flags)
        if status & message.CLOSES:
            self._keep = False
            status ^= message.CLOSES
        if status == 204 or status == 304 or request & message.HEAD_METHOD:
            self._to_send = message.WRITE_NO_BODY
        elif framing == len(data):  # the whole content, as most are
            self._to_send = 0
            self.transport.write(head + data)
            return
        self.transport.write(head + self._framed(data, end, trailers))

    def send_body(self, data: bytes, end: bool, trailers: Any = None) -> None:
        """Send more content; with `end` the last of it, with the trailers if it is chunked."""
        data = self._framed(data, end, trailers)
        if data:
            self.transport.write(data)

    def _framed(self, data: bytes, end: bool, trailers: Any) -> bytes:
        """Return the bytes for this content. Never a wrong count: what is too much is not sent, what is too little
        closes the connection, and the client can tell."""
        left = self._to_send
        if left >= 0:
            size = len(data)
            if size == left:
                self._to_send = 0
                return data
            if size > left or end:
                self._keep = False
                data = data[:left]
            self._to_send = left - len(data)
            return data
        if left == message.WRITE_CHUNKED:
            framed = encode_chunk(data) if data else b""
            if not end:
                return framed
            return framed + (LAST_CHUNK if trailers is None else b"0\r\n" + self._writer.trailers(trailers))
        return data if left == UNTIL_CLOSE else b""
