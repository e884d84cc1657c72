"""The client's side of a connection: heads judged, bodies framed, pipelining, keep-alive, timeouts.

One request is in flight at a time; it is the exchange's, which answers through `send_head`, `send_body` and `next`.
It must not know what an exchange does with a request.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, cast

from host.http import message
from host.http.chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk
from host.http.deadlines import NEVER
from host.http.flow import HELD, FlowControl
from host.http.local import error_answer
from host.http.message import CHUNKED, FRAMING, HEAD_BYTES, MessageError, judge_request, message_error

if TYPE_CHECKING:
    from host.http.server import Server

HEAD: Final = 0  # waiting for a head or in the middle of one
BODY: Final = 1  # an exchange is on; its content is not all here
BUSY: Final = 2  # an exchange is on; its request is complete
TUNNEL: Final = 3
LINGERING: Final = 4  # answered for the last time; what still comes is thrown away
CLOSED: Final = 5

UNTIL_CLOSE: Final = -4  # beside the WRITE_* values

logger = logging.getLogger("sluiceway.http")


class Downstream(asyncio.Protocol):
    """One client connection."""

    __slots__ = (
        "_blocked_at",
        "_decoder",
        "_draining",
        "_exchange",
        "_head",
        "_held",
        "_held_at",
        "_judge",
        "_keep",
        "_left",
        "_partial",
        "_reading",
        "_received",
        "_request_headers",
        "_requests",
        "_server",
        "_settings",
        "_state",
        "_timeouts",
        "_to_send",
        "_writer",
        "client",
        "deadline",
        "flow",
        "transport",
    )  # fmt: skip

    transport: asyncio.Transport
    flow: FlowControl

    def __init__(self, server: Server) -> None:
        self._server = server
        self._settings = server.settings
        self._judge, self._writer = server.judge, server.writer
        self._timeouts = server.timeouts
        self._exchange = server.new_exchange(self)
        self._request_headers = self._exchange.request_headers.pointer
        self.deadline = NEVER
        self.client: Any = None
        self._state = HEAD
        self._partial = b""  # of a head
        self._held, self._held_at = b"", 0  # pipelined behind the request in flight
        self._reading = self._draining = False
        self._keep: int | bool = False
        self._head = self._requests = self._received = 0
        self._left = self._to_send = 0  # content bytes to come, and to be sent; -1 = not known
        self._blocked_at = -1  # bytes that waited in the transport when last looked at; -1 = it takes more
        self._decoder: ChunkedDecoder | None = None

    def __repr__(self) -> str:
        state = ("HEAD", "BODY", "BUSY", "TUNNEL", "LINGERING", "CLOSED")[self._state]
        return f"<Downstream {state} requests={self._requests}>"

    # --- transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.flow = FlowControl(self.transport)
        self.transport.set_write_buffer_limits(high=self._settings.write_buffer_bytes)
        self.client = message.new_client(*_addresses(self.transport))
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

    # --- reading ---

    def _read_head(self, data: bytes, at: int) -> None:
        head = judge_request(self._judge, data, at, len(data), self._request_headers)
        if head <= 0:
            self._head_incomplete(data, at, head)
            return
        at += head & HEAD_BYTES
        self._head = head
        if self._partial:
            self._partial = b""
        self._requests += 1
        self.deadline = self._timeouts.stream
        if head & FRAMING:
            self._first_body(data, at)
            return
        self._state = BUSY
        if at != len(data):
            self._hold(data, at)
            self._reading = True  # not to be read by `next` under our feet
        self._exchange.begin(head, 0, b"", True)

    def _head_incomplete(self, data: bytes, at: int, code: int) -> None:
        if code:
            raise message_error(-code)
        if not self._partial:
            self.deadline = self._timeouts.head
        self._partial = data[at:]

    def _first_body(self, data: bytes, at: int) -> None:
        """Pass a head together with the content that came with it, so that both can leave in one write."""
        head = self._head
        length = -1
        if head & FRAMING == CHUNKED:
            self._decoder = ChunkedDecoder(self._judge, self._exchange.request_trailers.pointer)
        else:
            length = self._judge.content_length
        self._left = length
        self._received = 0
        limit = self._settings.max_body_bytes
        if limit and length > limit:
            raise MessageError(413, "request body too large")
        body, end = self._content(data, at)
        self._reading = True
        self._state = BUSY if end else BODY
        self._exchange.begin(head, length, body, end)
        if not self._held:
            self._reading = False

    def _read_body(self, data: bytes, at: int) -> None:
        body, end = self._content(data, at)
        if end:
            self._state = BUSY
        if body or end:
            self._exchange.request_data(body, end)

    def _content(self, data: bytes, at: int) -> tuple[bytes, bool]:
        """Return what of data[at:] is the request's content, and whether that is its end; the rest is held."""
        if self._decoder is not None:
            body, used = self._decoder.feed(data, at)
            end = self._decoder.done
        else:
            body = data[at : at + self._left] if at or len(data) > self._left else data
            used = len(body)
            self._left -= used
            end = not self._left
        self._received += len(body)
        limit = self._settings.max_body_bytes
        if limit and self._received > limit:
            raise MessageError(413, "request body too large")
        if end:
            self._decoder = None
            self.deadline = self._timeouts.stream
            if at + used != len(data):
                self._hold(data, at + used)
        elif self._blocked_at < 0 and not self.flow.reasons:
            self.deadline = self._timeouts.body
        return body, end

    def _hold(self, data: bytes, at: int) -> None:
        """Keep pipelined bytes for after the request in flight."""
        if self._held:
            self._held = self._held[self._held_at :] + data[at:]
            self._held_at = 0
        else:
            self._held, self._held_at = data, at
        if len(self._held) - self._held_at > self._settings.max_held_bytes:
            self.flow.hold(HELD)

    def _read_held(self) -> None:
        """Read the pipelined requests that can be read now. A loop: each may be answered on the spot."""
        self._reading = True
        while self._held and self._state == HEAD:
            data, at = self._held, self._held_at
            self._held, self._held_at = b"", 0
            self._read_head(data, at)
        if not self._held:
            self.flow.release(HELD)

    def _discard(self, count: int) -> None:
        self._received += count
        if self._received > self._settings.linger_bytes:
            self.abort()

    # --- writing: what the exchange calls ---

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

    def send_head(
        self, headers: Any, framing: int, flags: int, data: bytes, end: bool, trailers: Any = None
    ) -> None:
        """Send the head and its first content in one write.

        `framing` is the content's length, or one of WRITE_*; WRITE_CHUNKED also stands for "not known". Raises
        MessageError, with nothing sent, when the head cannot be written.
        """
        request = self._head
        keep = (
            request & message.KEEP_ALIVE
            and self._state == BUSY
            and not self._draining
            and self._requests < self._settings.max_requests
        )
        self._to_send = framing
        if framing == message.WRITE_CHUNKED and request & message.HTTP_1_0:
            self._to_send, framing, keep = UNTIL_CLOSE, message.WRITE_NO_BODY, 0
        if not keep:
            flags |= message.WRITE_CLOSE
        elif request & message.HTTP_1_0:
            flags |= message.WRITE_KEEP_ALIVE
        head, status = self._writer.response(headers, framing, flags)
        self._keep = keep
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

    def next(self) -> None:
        """The answer is complete and its exchange closed: go on with the next request, or close."""
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

    def hold(self, reason: int) -> None:
        """Read no more of the request for now; its timeout stands still."""
        self.flow.hold(reason)
        if self._state == BODY and self._blocked_at < 0:
            self.deadline = self._timeouts.stream

    def release(self, reason: int) -> None:
        """Read on."""
        self.flow.release(reason)
        if self._state == BODY and self._blocked_at < 0 and not self.flow.reasons:
            self._set_deadline()

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
                self._exchange.client_lost()
        except Exception:
            logger.exception("a failed request could not be closed")
        if active and self._exchange.answered:
            self.abort()
        elif self._state not in (LINGERING, CLOSED):
            self._refuse(500, "Internal Server Error")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without an exchange, and close."""
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

    def drain(self) -> None:
        """Let the request in flight be the last; an idle connection is closed now."""
        self._draining = True
        if self._state == HEAD and not self._partial:
            self.close()


def _addresses(transport: asyncio.Transport) -> tuple[bytes, bytes]:
    """Return the client's address and the port that it connected to; empty where the transport has none."""
    peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    address = str(peer[0]).encode() if isinstance(peer, tuple) else b""
    port = str(local[1]).encode() if isinstance(local, tuple) else b""
    return address, port
