"""The reading half of a client's connection: heads judged, contents delimited, pipelined bytes held.

It must not know what an exchange does with a request, nor when the connection ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.http.chunked import ChunkedDecoder
from host.http.deadlines import NEVER
from host.http.flow import HELD, FlowControl
from host.http.message import CHUNKED, FRAMING, HEAD_BYTES, MessageError, judge_request, message_error
from host.http.response import BODY, BUSY, HEAD, ResponseWriter

if TYPE_CHECKING:
    from host.hot import Capsule, Target
    from host.http.interfaces import ServerExchange
    from host.http.server import Server


class RequestReader(ResponseWriter):
    """Reads the requests of one connection, one at a time, and begins the exchange with each."""

    __slots__ = (
        "_blocked_at", "_decoder", "_exchange", "_held", "_held_at", "_judge", "_judge_handle", "_left", "_partial",
        "_reading", "_received", "_request_headers", "_timeouts", "deadline", "flow",
    )  # fmt: skip

    flow: FlowControl
    _exchange: ServerExchange
    _request_headers: Capsule

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._judge, self._timeouts = server.judge, server.timeouts
        self._judge_handle = server.judge_handle
        self.deadline = NEVER
        self._partial = b""  # of a head
        self._held, self._held_at = b"", 0  # pipelined behind the request in flight
        self._reading = False
        self._received = self._left = 0  # content bytes that came, and that are to come; -1 = not known
        self._blocked_at = -1  # bytes that waited in the transport when last looked at; -1 = it takes more
        self._decoder: ChunkedDecoder | None = None

    def _read_head(self, data: bytes, at: int) -> None:
        head, target = judge_request(self._judge_handle, self._request_headers, data, at)
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
            self._first_body(data, at, target)
            return
        self._state = BUSY
        if at != len(data):
            self._hold(data, at)
            self._reading = True  # not to be read by `next` under our feet
        self._exchange.begin(head, target, 0, b"", True)

    def _head_incomplete(self, data: bytes, at: int, code: int) -> None:
        if code:
            raise message_error(-code)
        if not self._partial:
            self.deadline = self._timeouts.head
        self._partial = data[at:]

    def _first_body(self, data: bytes, at: int, target: Target) -> None:
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
        self._exchange.begin(head, target, length, body, end)
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

    # --- what the exchange calls ---

    def hold(self, reason: int) -> None:
        """Read no more of the request for now; its timeout stands still."""
        self.flow.hold(reason)
        if self._state == BODY and self._blocked_at < 0:
            self.deadline = self._timeouts.stream

    def release(self, reason: int) -> None:
        """Read on."""
        self.flow.release(reason)
        if self._state == BODY and self._blocked_at < 0 and not self.flow.reasons:
            self.deadline = self._timeouts.body
