"""The client's side of a connection: its states, pipelining, keep-alive, timeouts, its end.

One request is in flight at a time; it is the exchange's, which answers through `send_head`, `send_body` and `next`.
It must not know what an exchange does with a request.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from host import hot
from host.http import message
from host.http.deadlines import NEVER
from host.http.flow import HELD, FlowControl
from host.http.local import error_answer
from host.http.message import MessageError
from host.http.request import RequestReader
from host.http.response import BODY, BUSY, CLOSED, HEAD, LINGERING, TUNNEL

if TYPE_CHECKING:
    from host.http.server import Server

logger = logging.getLogger("sluiceway.http")


class Downstream(RequestReader):
    """One client connection."""

    __slots__ = ("_server", "client", "client_handle")

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._server = server
        self.client: Any = None
        self._exchange = server.new_exchange(self)
        self._request_headers = hot.capsule(self._exchange.request_headers.pointer)

    def __repr__(self) -> str:
        state = ("HEAD", "BODY", "BUSY", "TUNNEL", "LINGERING", "CLOSED")[self._state]
        return f"<Downstream {state} requests={self._requests}>"

    # --- transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.flow = FlowControl(self.transport)
        self.transport.set_write_buffer_limits(high=self._settings.write_buffer_bytes)
        self.client = message.new_client(*_addresses(self.transport))
        self.client_handle = hot.capsule(self.client)
        self.deadline = self._timeouts.head
        if not self._server.opened(self):
            self._refuse(503, "too many connections")

    def data_received(self, data: bytes) -> None:
        try:
            state = self._state
            if state == HEAD:
                if self._partial:
                    data = self._partial + data
                    if (
                        data.find(b"\n", len(self._partial)) < 0
                        and len(data) <= self._settings.max_head_bytes
                    ):
                        self._partial = data
                        return  # no line is complete: judging again would find nothing new
                self._read_head(data, 0)
                if self._held:
                    self._read_held()
                    self._reading = False
            elif state == BODY:
                self._read_body(data, 0)
            elif state == BUSY:
                self._hold(data, 0)
            elif state == TUNNEL:
                self._exchange.tunnel_data(data)
            else:
                self._discard(len(data))
        except MessageError as error:
            self._bad_message(error)
        except Exception:
            logger.exception("a request could not be handled")
            self.fail()

    def eof_received(self) -> bool:
        if self._state == TUNNEL:
            self._exchange.tunnel_end()
            return True
        # A client that sends no more is taken for gone, as Envoy and nginx do: the same FIN is all that tells of one
        # that gave up, and its upstream should not work on.
        return False

    def connection_lost(self, error: Exception | None) -> None:
        active = HEAD < self._state < LINGERING
        self._state = CLOSED
        self.deadline = NEVER
        self._server.closed(self)
        if active:
            try:
                self._exchange.client_lost()
            except Exception:
                logger.exception("a lost connection could not be handled")

    def pause_writing(self) -> None:
        self._blocked_at = self.transport.get_write_buffer_size()
        self.deadline = self._timeouts.send
        if HEAD < self._state < LINGERING:
            self._exchange.client_blocked()

    def resume_writing(self) -> None:
        self._blocked_at = -1
        self._set_deadline()
        if HEAD < self._state < LINGERING:
            self._exchange.client_unblocked()

    # --- what the exchange calls, beside what writes ---

    def next(self, response: bytes = b"") -> None:
        """The answer is complete and its exchange closed: go on with the next request, or close.

        `response`: the whole answer, if it is still to be sent; its head was written with `head_flags`.
        """
        if response:
            self.transport.write(response)
        if self._state == BUSY and self._keep:
            self._state = HEAD
            if self._blocked_at < 0:
                self.deadline = self._timeouts.keepalive
            if self._held and not self._reading:
                try:
                    self._read_held()
                except MessageError as error:
                    self._bad_message(error)
                finally:
                    self._reading = False
        elif self._state == BUSY and not self._held:
            self.close()
        elif self._state in (BODY, BUSY):
            self._linger()

    @property
    def is_blocked(self) -> bool:
        """Whether the client does not take what was written."""
        return self._blocked_at >= 0

    def start_tunnel(self) -> bytes:
        """Become a tunnel behind a 101 that was sent; returns what the client has sent into it already."""
        self._state = TUNNEL
        self.deadline = NEVER
        held, self._held = self._held[self._held_at :], b""
        self.flow.release(HELD)
        return held

    def close(self) -> None:
        """Close once all is written."""
        self._state = LINGERING
        if not self.transport.is_closing():
            self.deadline = self._timeouts.send
            self.transport.close()

    def abort(self) -> None:
        """Close at once; what is not written is lost, and the client can tell."""
        self.transport.abort()

    def _linger(self) -> None:
        """Close, but go on reading for a while: a reset would take the answer from a client that is still sending."""
        self._state = LINGERING
        self._received = 0
        self._decoder = None
        self._held = self._partial = b""
        self.deadline = self._timeouts.linger
        if self.transport.is_closing():
            return
        if self.flow.reasons:
            self.flow.release(self.flow.reasons)
        self.transport.write_eof()

    def _discard(self, count: int) -> None:
        self._received += count
        if self._received > self._settings.linger_bytes:
            self.abort()

    # --- refusals and timeouts ---

    def _bad_message(self, error: MessageError) -> None:
        """The client's bytes cannot be read further: answer, and close."""
        logger.info("request refused: %s", error.reason)
        self._reading = False
        if HEAD < self._state < LINGERING:
            self._state = BODY  # its end will never be known
            self._exchange.client_failed(error.status, error.reason)
        else:
            self._refuse(error.status, error.reason)

    def fail(self) -> None:
        """Our own fault, in the middle of a request: this connection answers 500 or ends, and nothing else does."""
        active, self._reading = HEAD < self._state < LINGERING, False
        try:
            if active:
                if not self._exchange.answered:
                    self._exchange.client_refused(500)
                self._exchange.client_lost()
        except Exception:
            logger.exception("a failed request could not be closed")
        if active and self._exchange.answered:
            self.abort()
        elif self._state not in (LINGERING, CLOSED):
            (self._answer if active else self._refuse)(500, "Internal Server Error")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without an exchange, and close."""
        self._exchange.client_refused(status)
        self._answer(status, reason)

    def _answer(self, status: int, reason: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(error_answer(self._writer, status, f"{status} {reason}"))
        self._linger()

    def on_deadline(self) -> None:
        if self._blocked_at >= 0:
            waiting = self.transport.get_write_buffer_size()
            if waiting >= self._blocked_at:
                self.abort()
                return
            self._blocked_at = waiting
            self.deadline = self._timeouts.send
        elif self._state == HEAD:
            if self._partial:
                self._refuse(408, "Request Timeout")
            else:
                self.close()
        elif self._state == BODY and not self.flow.reasons:
            self._bad_message(MessageError(408, "Request Timeout"))
        elif self._state in (BODY, BUSY):
            if self._exchange.client_idle():
                self.deadline = self._timeouts.stream
        elif self._state == LINGERING:
            self.abort()

    def _set_deadline(self) -> None:
        """What the client has to do next, and until when."""
        timeouts = self._timeouts
        self.deadline = (
            timeouts.keepalive, timeouts.body, timeouts.stream, NEVER, timeouts.linger, NEVER,
        )[self._state]  # fmt: skip

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request."""
        return self._state == HEAD and not self._partial

    @property
    def is_reading_head(self) -> bool:
        """Whether a part of a request's head has come."""
        return self._state == HEAD and bool(self._partial)

    def drain(self) -> None:
        """Let the request in flight be the last; an idle connection is closed now."""
        self._draining = True
        if self.is_idle:
            self.close()


def _addresses(transport: asyncio.Transport) -> tuple[bytes, bytes]:
    """Return the client's address and the port that it connected to; empty where the transport has none."""
    peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    address = str(peer[0]).encode() if isinstance(peer, tuple) else b""
    port = str(local[1]).encode() if isinstance(local, tuple) else b""
    return address, port
