"""The upstream's side of a connection: a request goes out, and the connection serves the next one or closes.

It must not know what the exchange does with a response, nor when a request may be sent again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from host.http.chunked import LAST_CHUNK, encode_chunk
from host.http.deadlines import NEVER
from host.http.flow import FlowControl
from host.http.message import WRITE_CHUNKED, WRITE_NO_BODY, MessageError
from host.upstream.interfaces import ClientExchange
from host.upstream.response import BODY, CLOSED, CONNECTING, HEAD, IDLE, TUNNEL, UNTIL_CLOSE, ResponseReader

if TYPE_CHECKING:
    from host.upstream.balancer import NodeState
    from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.upstream")


class UpstreamConnection(ResponseReader):
    """One connection to a node, with one request at a time."""

    __slots__ = ("_to_send", "info", "node", "requests", "transport")

    transport: asyncio.Transport

    def __init__(self, upstream: Upstream, node: NodeState, exchange: ClientExchange) -> None:
        super().__init__(upstream, exchange)
        self.node = node
        self.requests = 0
        self.info: Any = None  # for the exchange to keep here what it knows of the node
        self._to_send = 0

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

    # --- the end of a response, and of its time ---

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

    def on_deadline(self) -> None:
        if self._state == CONNECTING:
            self._upstream.cancel(self)
            self.connect_failed(TimeoutError("connect timeout"))
            return
        exchange, self._exchange = self._exchange, None
        self.transport.abort()
        if exchange is not None and self._state != IDLE:
            exchange.upstream_failed(504, "upstream timeout")
