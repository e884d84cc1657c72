"""The upstream's side of a connection: a request goes out, its response is judged and passed to the exchange.

It must not know what the exchange does with a response, nor when a request may be sent again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from host.headers import HeaderMap
from host.http.chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk
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
    WRITE_CHUNKED,
    WRITE_NO_BODY,
    MessageError,
    judge_response,
    message_error,
)

if TYPE_CHECKING:
    from host.upstream.balancer import NodeState
    from host.upstream.upstream import Upstream

CONNECTING: Final = 0
IDLE: Final = 1  # in the pool
HEAD: Final = 2  # a request is out, its response head is not complete
BODY: Final = 3
TUNNEL: Final = 4
CLOSED: Final = 5

# 100 and 103 are all that is in use; a server that sends more of them holds the request open.
_MOST_INTERIM: Final = 16

_FIRST_FINAL: Final = 200 << STATUS_SHIFT
UNTIL_CLOSE: Final = -1

logger = logging.getLogger("sluiceway.upstream")


class ClientExchange(Protocol):
    """What a connection tells the exchange whose request it carries."""

    response_pointer: Any
    """The `sw_headers *` that the judge fills before `response_head`."""

    @property
    def response_trailers(self) -> HeaderMap:
        """The map that the decoder fills before the response's end."""

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection asked for is there and takes a request."""

    def connect_failed(self, node: NodeState, error: Exception) -> None:
        """It could not be made."""

    def interim(self, status: int) -> None:
        """A 1xx response is in the map."""

    def response_head(self, head: int, length: int, data: bytes, end: bool) -> None:
        """The response's head (flags of the judge, Content-Length), what came with it, whether it is all."""

    def response_data(self, data: bytes, end: bool) -> None:
        """More content."""

    def switched(self, data: bytes) -> None:
        """A 101 is in the map and the connection is a tunnel now, with its first bytes."""

    def upstream_lost(self, connection: UpstreamConnection, answered: bool) -> None:
        """The connection closed before the response was complete; whether a byte of it had come."""

    def upstream_failed(self, status: int, reason: str) -> None:
        """The response is malformed (502) or late (504)."""

    def upstream_blocked(self) -> None:
        """The upstream does not read fast enough."""

    def upstream_unblocked(self) -> None:
        """It does again."""

    def tunnel_data_back(self, data: bytes) -> None:
        """Bytes of an upgraded connection."""

    def tunnel_end_back(self) -> None:
        """The upstream sends no more of them."""

    def failed(self) -> None:
        """Our own fault while handling its response; it was logged."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to a node, with one request at a time."""

    __slots__ = (
        "_blocked", "_decoder", "_exchange", "_interim", "_judge", "_keep", "_left", "_partial", "_request",
        "_request_done", "_state", "_to_send", "_upstream", "deadline", "flow", "info", "node",
        "requests", "transport",
    )  # fmt: skip

    transport: asyncio.Transport
    flow: FlowControl

    def __init__(self, upstream: Upstream, node: NodeState, exchange: ClientExchange) -> None:
        self._upstream, self.node = upstream, node
        self._judge = upstream.judge
        self._exchange: ClientExchange | None = exchange
        self._state = CONNECTING
        self.requests = 0
        self.info: Any = None  # for the exchange to keep here what it knows of the node
        self._partial = b""
        self._left = self._to_send = self._request = self._interim = 0
        self._request_done = self._blocked = False
        self._keep: int | bool = False
        self._decoder: ChunkedDecoder | None = None
        self.deadline = NEVER

    def __repr__(self) -> str:
        state = ("CONNECTING", "IDLE", "HEAD", "BODY", "TUNNEL", "CLOSED")[self._state]
        return f"<UpstreamConnection {self.node.authority.decode()} {state} requests={self.requests}>"

    # --- transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.flow = FlowControl(self.transport)
        self.transport.set_write_buffer_limits(high=self._upstream.write_buffer_bytes)
        self.deadline = NEVER
        exchange, self._exchange = self._exchange, None
        if exchange is None:  # given up meanwhile
            self.transport.abort()
            return
        self._state = IDLE
        try:
            exchange.connected(self)
        except Exception:
            logger.exception("a request could not be sent")
            exchange.failed()
            self.abort()

    def connect_failed(self, error: Exception) -> None:
        """The dialer's call: no connection."""
        self._state = CLOSED
        exchange, self._exchange = self._exchange, None
        self._upstream.closed(self)
        if exchange is not None:
            exchange.connect_failed(self.node, error)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:  # idle: nothing was asked
            self.abort()
            return
        try:
            state = self._state
            if state == HEAD:
                if self._partial:
                    data = self._partial + data
                    if data.find(b"\n", len(self._partial)) < 0 and len(data) <= self._judge.most_head_bytes:
                        self._partial = data
                        return
                self._read_head(exchange, data)
            elif state == BODY:
                self._read_body(exchange, data)
            elif state == TUNNEL:
                self.deadline = self._upstream.read_sweeps
                exchange.tunnel_data_back(data)
        except MessageError as error:
            logger.warning("malformed response of %s: %s", self.node.authority.decode(), error.reason)
            self.abort()
            exchange.upstream_failed(502, error.reason)
        except Exception:
            logger.exception("a response could not be handled")
            self.abort()
            exchange.failed()

    def eof_received(self) -> bool:
        exchange = self._exchange
        if exchange is not None and self._state == TUNNEL:
            exchange.tunnel_end_back()
            return True
        if exchange is not None and self._state == BODY and self._left == UNTIL_CLOSE:
            try:
                self._finish(exchange, b"")
            except Exception:
                logger.exception("a response could not be handled")
                exchange.failed()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        state, self._state = self._state, CLOSED
        answered = bool(self._partial or self._interim or state != HEAD)
        self.deadline = NEVER
        self._upstream.closed(self)
        if exchange is None or state == IDLE:
            return
        try:
            exchange.upstream_lost(self, answered)
        except Exception:
            logger.exception("a lost connection could not be handled")
            exchange.failed()

    def pause_writing(self) -> None:
        self._blocked = True
        self.deadline = self._upstream.send_sweeps
        if self._exchange is not None:
            self._exchange.upstream_blocked()

    def resume_writing(self) -> None:
        self._blocked = False
        self._await_response()
        if self._exchange is not None:
            self._exchange.upstream_unblocked()

    # --- sending: what the exchange calls ---

    def send(
        self, exchange: ClientExchange, request: int, head: bytes, framing: int, data: bytes, end: bool,
        trailers: bytes | None = None,
    ) -> None:  # fmt: skip
        """Send a request's head and first content in one write.

        `request` holds the judge's flags of the request, `framing` is what the head says of the content: its length,
        or one of WRITE_*.
        """
        self._exchange, self._request = exchange, request
        self._state = HEAD
        self.requests += 1
        if self._interim:
            self._interim = 0
        self._to_send, self._request_done = framing, end
        if framing != WRITE_NO_BODY:
            head += self._framed(data, end, trailers)
        self.transport.write(head)
        self.deadline = self._upstream.read_sweeps if end else NEVER

    def send_body(self, data: bytes, end: bool, trailers: bytes | None = None) -> None:
        """Send more content; `trailers` is the trailer section as bytes."""
        if end:
            self._request_done = True
            self._await_response()
        data = self._framed(data, end, trailers)
        if data:
            self.transport.write(data)

    def _framed(self, data: bytes, end: bool, trailers: bytes | None) -> bytes:
        """Return the bytes for this content. Raises MessageError (500) rather than send a wrong count of them."""
        if self._to_send == WRITE_CHUNKED:
            framed = encode_chunk(data) if data else b""
            if not end:
                return framed
            return framed + (LAST_CHUNK if trailers is None else b"0\r\n" + trailers)
        left = max(self._to_send, 0) - len(data)
        if left < 0 or (end and left):
            raise MessageError(500, "the filters changed the length of a request body that was announced")
        self._to_send = left
        return data

    def send_raw(self, data: bytes) -> None:
        """Send bytes of a tunnel."""
        self.deadline = self._upstream.read_sweeps
        self.transport.write(data)

    def hold(self, reason: int) -> None:
        """Read no more of the response for now; its timeout stands still."""
        self.flow.hold(reason)
        if not self._blocked:
            self.deadline = NEVER

    def release(self, reason: int) -> None:
        """Read on."""
        self.flow.release(reason)
        if not self._blocked and not self.flow.reasons:
            self._await_response()

    def _await_response(self) -> None:
        if self._state in (HEAD, BODY, TUNNEL) and self._request_done:
            self.deadline = self._upstream.read_sweeps
        else:
            self.deadline = NEVER

    def detach(self) -> None:
        """The exchange wants no more of this connection: it cannot be used again."""
        self._exchange = None
        self.abort()

    def finish(self) -> None:
        """The exchange wants no more, but what it wrote is to be sent."""
        self._exchange = None
        self.deadline = self._upstream.send_sweeps
        self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._state == CONNECTING:
            self._upstream.cancel(self)
        elif self._state != CLOSED:
            self.transport.abort()

    # --- reading ---

    def _read_head(self, exchange: ClientExchange, data: bytes) -> None:
        size = len(data)
        head = judge_response(self._judge, data, 0, size, self._request, exchange.response_pointer)
        at = 0
        if head < _FIRST_FINAL:
            head, at = self._read_interim(exchange, data, head)
            if not head:
                return
        at += head & HEAD_BYTES
        if self._partial:
            self._partial = b""
        self._keep = head & KEEP_ALIVE
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

    def _read_interim(self, exchange: ClientExchange, data: bytes, head: int) -> tuple[int, int]:
        """Pass 1xx responses on until a final one; return its head and where it starts, or 0 when it is not here."""
        at = 0
        while head < _FIRST_FINAL:
            if head < 0:
                raise message_error(-head)
            if not head:
                break
            at += head & HEAD_BYTES
            status = head >> STATUS_SHIFT
            if status == 101:
                self._switch(exchange, head, data[at:])
                return 0, 0
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                raise MessageError(502, "too many 1xx responses")
            exchange.interim(status)
            if self._exchange is not exchange:
                return 0, 0
            head = judge_response(self._judge, data, at, len(data), self._request, exchange.response_pointer)
        else:
            return head, at
        self._partial = data[at:]
        return 0, 0

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

    def _end(self, data: bytes, at: int) -> None:
        """The response is complete: to the pool, unless more came than was asked or the request is not all out."""
        self._exchange = None
        self._state = IDLE
        if (
            self._keep
            and self._request_done
            and at == len(data)
            and not self._blocked
            and not self.flow.reasons
        ):
            self._upstream.give_back(self)
        else:
            self.transport.close()

    def _switch(self, exchange: ClientExchange, head: int, data: bytes) -> None:
        if not head & UPGRADE or not self._request & UPGRADE or not self._request_done:
            raise MessageError(502, "101 without an upgrade asked for")
        self._state = TUNNEL
        self.deadline = self._upstream.read_sweeps
        exchange.switched(data)

    def on_deadline(self) -> None:
        if self._state == CONNECTING:
            self._upstream.cancel(self)
            self.connect_failed(TimeoutError("connect timeout"))
            return
        exchange, self._exchange = self._exchange, None
        self.transport.abort()
        if exchange is not None and self._state != IDLE:
            exchange.upstream_failed(504, "upstream timeout")
