"""The reading half of a connection to a node: its response is judged, and passed to the exchange as it comes.

It must not know how requests are sent, nor what the exchange does with a response.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from host.http.chunked import ChunkedDecoder
from host.http.deadlines import NEVER
from host.http.flow import FlowControl
from host.http.message import (
    CHUNKED,
    FRAMING,
    HEAD_BYTES,
    KEEP_ALIVE,
    LENGTH,
    STATUS_SHIFT,
    UPGRADE,
    MessageError,
    message_error,
)

if TYPE_CHECKING:
    from host.upstream.interfaces import ClientExchange
    from host.upstream.upstream import Upstream

CONNECTING: Final = 0
IDLE: Final = 1  # in the pool
HEAD: Final = 2  # a request is out, its response head is not complete
BODY: Final = 3
TUNNEL: Final = 4
CLOSED: Final = 5

UNTIL_CLOSE: Final = -1

# 100 and 103 are all that is in use; a server that sends more of them holds the request open.
_MOST_INTERIM: Final = 16

_FIRST_FINAL: Final = 200 << STATUS_SHIFT


class ResponseReader(asyncio.Protocol, ABC):
    """Reads the responses of one connection, one at a time; the connection extends it."""

    __slots__ = (
        "_blocked", "_decoder", "_exchange", "_interim", "_judge", "_judge_handle", "_keep", "_left", "_partial",
        "_request", "_request_done", "_state", "_upstream", "deadline", "flow",
    )  # fmt: skip

    flow: FlowControl

    def __init__(self, upstream: Upstream, exchange: ClientExchange) -> None:
        self._upstream = upstream
        self._judge, self._judge_handle = upstream.judge, upstream.judge_handle
        self._exchange: ClientExchange | None = exchange
        self._state = CONNECTING
        self._request = 0  # the judge's flags of the request that the response is for
        self._request_done = self._blocked = False
        self._partial = b""
        self._left = self._interim = 0
        self._keep: int | bool = False
        self._decoder: ChunkedDecoder | None = None
        self.deadline = NEVER

    @abstractmethod
    def _end(self, data: bytes, at: int) -> None:
        """The response is complete, at this place of the data; the connection's to say what becomes of it."""

    def _read_head(self, exchange: ClientExchange, data: bytes) -> None:
        at, size = 0, len(data)
        head, is_passed = exchange.judge_response(self._judge_handle, self._request, data, 0)
        while head < _FIRST_FINAL:
            at = self._read_interim(exchange, data, at, head)
            if at < 0:
                return
            head, is_passed = exchange.judge_response(self._judge_handle, self._request, data, at)
        if self._partial:
            self._partial = b""
        self._keep = head & KEEP_ALIVE
        if is_passed:
            self._end(data, size)
            exchange.response_passed(head)
            return
        at += head & HEAD_BYTES
        framing = head & FRAMING
        length = 0
        if framing == LENGTH:
            length = self._judge.content_length
            if length == size - at:  # the whole response, as most are
                self._end(data, size)
                exchange.response_head(head, length, data[at:], True)
                return
            self._left = length
        elif not framing:
            self._end(data, at)
            exchange.response_head(head, 0, b"", True)
            return
        elif framing == CHUNKED:
            self._decoder = ChunkedDecoder(self._judge, exchange.response_trailers.pointer)
        else:
            self._left = UNTIL_CLOSE
        self._state = BODY
        body, end = self._content(data, at)
        exchange.response_head(head, length, body, end)

    def _read_interim(self, exchange: ClientExchange, data: bytes, at: int, head: int) -> int:
        """Pass a 1xx response on; return where the next one starts, or -1 when nothing more can be read now."""
        if head < 0:
            raise message_error(-head)
        if not head:
            self._partial = data[at:]
            return -1
        at += head & HEAD_BYTES
        status = head >> STATUS_SHIFT
        if status == 101:
            self._switch(exchange, head, data[at:])
            return -1
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            raise MessageError(502, "too many 1xx responses")
        exchange.interim(status)
        return at if self._exchange is exchange else -1

    def _read_body(self, exchange: ClientExchange, data: bytes) -> None:
        body, end = self._content(data, 0)
        if body or end:
            exchange.response_data(body, end)

    def _content(self, data: bytes, at: int) -> tuple[bytes, bool]:
        """Return what of data[at:] is content, and whether that is its end: the connection is free then."""
        if self._decoder is not None:
            body, used = self._decoder.feed(data, at)
            if self._decoder.done:
                self._decoder = None
                self._end(data, at + used)
                return body, True
        else:
            left = self._left
            if left >= 0:
                size = len(data) - at
                if size >= left:
                    body = data[at : at + left]
                    self._end(data, at + left)
                    return body, True
                self._left = left - size
            body = data[at:] if at else data
        if not self._blocked and not self.flow.reasons and self._request_done:
            self.deadline = self._upstream.read_sweeps
        return body, False

    def _finish(self, exchange: ClientExchange, data: bytes) -> None:
        self._keep = False
        self._end(b"", 0)
        exchange.response_data(data, True)

    def _switch(self, exchange: ClientExchange, head: int, data: bytes) -> None:
        if not head & UPGRADE or not self._request & UPGRADE or not self._request_done:
            raise MessageError(502, "101 without an upgrade asked for")
        self._state = TUNNEL
        self.deadline = self._upstream.read_sweeps
        exchange.switched(data)
