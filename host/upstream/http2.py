"""A client's HTTP/2 connection to one node (RFC 9113): many requests at a time on one socket, h2c or TLS.

What its user does to streams leaves the connection in a turn of the loop of its own, and what comes of it arrives in
another: nothing is called back from inside a call. It knows nothing of plugins, nor of what requests mean.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from host.headers import HeaderMap
from host.http.deadlines import NEVER, Deadlines, sweeps
from host.http.http2 import (
    Closed,
    Data,
    End,
    ErrorCode,
    Event,
    GoAway,
    Head,
    Http2Session,
    Limits,
    Trailers,
)
from host.upstream.http2_stream import Http2Stream, StreamFailure, StreamHandler

logger = logging.getLogger("sluiceway.upstream")

_PING_AFTER: Final = 30.0
"""Seconds without a byte of the peer, while streams are open, before it is asked for a sign of life."""
_PONG_WITHIN: Final = 10.0
_WRITE_AT_ONCE: Final = 256 * 1024
_MOST_INTERIM: Final = 8  # 1xx heads of one response; more is no server's honest answer


class Http2Connection(asyncio.Protocol):
    """One connection. `closed` is called once when it is gone; streams hear of it themselves."""

    def __init__(
        self,
        name: str,
        deadlines: Deadlines,
        closed: Callable[[Http2Connection], None],
        *,
        idle_timeout: float = 60.0,
        limits: Limits | None = None,
    ) -> None:
        """`name`: of the node, for log lines. `idle_timeout`: seconds that it is kept without a stream.

        Raises Http2Unavailable.
        """
        self.session = Http2Session(limits=limits)
        self.deadline = NEVER
        self._name = name
        self._deadlines = deadlines
        self._closed = closed
        self._idle_sweeps = sweeps(idle_timeout)
        self._transport: asyncio.Transport | None = None
        self._streams: dict[int, Http2Stream] = {}
        self._is_blocked = self._is_flush_due = self._is_pinged = self._is_retired = False
        self._end_reason = ""

    def __repr__(self) -> str:
        return f"<Http2Connection {self._name} streams={len(self._streams)}>"

    @property
    def takes_requests(self) -> bool:
        """Whether another stream can be opened: it is connected, and neither side has said goodbye."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and not self._is_retired and self.session.takes_requests

    def request(self, head: HeaderMap, handler: StreamHandler, *, end: bool = False) -> Http2Stream:
        """Send a request's head. Raises Http2Error. More than the peer allows at a time wait for their turn."""
        number = self.session.request(head, end=end)
        stream = self._streams[number] = Http2Stream(self, number, handler)
        self._watch()
        self.flush_soon()
        return stream

    def retire(self) -> None:
        """Take no new requests, and close behind the last one that is in flight."""
        self._is_retired = True
        self._close_if_retired()

    def _close_if_retired(self) -> None:
        transport = self._transport
        if (
            transport is None
            or transport.is_closing()
            or any(each.handler for each in self._streams.values())
        ):
            return
        if transport.get_extra_info("ssl_object") is None:
            self._end("the connection was closed", ErrorCode.NO_ERROR)
        else:
            transport.abort()  # the goodbye of TLS would wait for the peer's, and the loop may end now

    # --- transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_AT_ONCE)
        self._deadlines.add(self)
        self._watch()
        self.flush_soon()

    def data_received(self, data: bytes) -> None:
        self._is_pinged = False
        self.session.receive(data)
        self._watch()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._deadlines.discard(self)
        reason = self._end_reason or (
            f"the connection was lost: {error}" if error else "the peer closed the connection"
        )
        streams, self._streams = self._streams, {}
        self._closed(self)
        for stream in streams.values():
            _fail(stream, StreamFailure(None, reason))

    def pause_writing(self) -> None:
        self._is_blocked = True

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._flush()

    # --- time ---

    def _watch(self) -> None:
        self.deadline = sweeps(_PING_AFTER) if self._streams else self._idle_sweeps

    def on_deadline(self) -> None:
        """Nothing has come for a while: ask for a sign of life, or end it."""
        if not self._streams:
            self._end("idle", ErrorCode.NO_ERROR)
        elif self._is_pinged:
            self._end("the peer gives no sign of life", ErrorCode.NO_ERROR)
        else:
            self._is_pinged = True
            self.deadline = sweeps(_PONG_WITHIN)
            self.session.ping()
            self._flush()

    # --- bytes and events ---

    def flush_soon(self) -> None:
        """Send what there is in the loop's next turn, together with what is still queued in this one."""
        if not self._is_flush_due and self._transport is not None:
            self._is_flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        while True:
            for event in self.session.events():
                try:
                    self._handle(event)
                except Exception:
                    logger.exception("what came of an HTTP/2 stream could not be handled")
            if self._is_blocked or not (data := self.session.output(_WRITE_AT_ONCE)):
                break
            transport.write(data)
        if self.session.error or self.session.is_over:
            fault = self.session.error or self.session.fault
            if fault:
                logger.warning("malformed HTTP/2 of %s: %s", self._name, fault)
            self._end_reason = self._end_reason or fault
            transport.close()
        elif self._is_retired:
            self._close_if_retired()
        elif not self._streams and self.deadline > self._idle_sweeps:
            self._watch()

    def _end(self, reason: str, code: ErrorCode) -> None:
        self._end_reason = reason
        self.session.end(code)
        if self._transport is not None:
            self._transport.write(self.session.output())
            self._transport.close()

    def _handle(self, event: Event) -> None:
        if isinstance(event, GoAway):
            if event.code:
                self._end_reason = f"the peer ended the connection: {_name(event.code)}"
            return
        number = getattr(event, "stream", 0)
        stream = self._streams.get(number)
        if stream is None:
            return
        handler = stream.handler
        if isinstance(event, Closed):
            del self._streams[number]
            _fail(stream, StreamFailure(event.code, f"the stream was reset: {_name(event.code)}"))
        elif handler is None:
            if isinstance(event, Data):
                self.session.consume(number, len(event.data))
        elif isinstance(event, Data):
            handler.response_data(event.data)
        elif isinstance(event, Head):
            self._handle_head(stream, handler, event)
        elif isinstance(event, Trailers):
            handler.response_trailers(event.fields)
        elif isinstance(event, End):
            stream.handler = None
            handler.response_end()

    def _handle_head(self, stream: Http2Stream, handler: StreamHandler, head: Head) -> None:
        if (head.fields.get(b":status") or b"").startswith(b"1"):
            stream.interim += 1
            if stream.interim > _MOST_INTERIM:
                stream.reset(ErrorCode.ENHANCE_YOUR_CALM)
                handler.stream_failed(StreamFailure(ErrorCode.INTERNAL_ERROR, "too many interim responses"))
        else:
            handler.response_head(head.fields, head.is_end)


def _fail(stream: Http2Stream, failure: StreamFailure) -> None:
    handler, stream.handler = stream.handler, None
    if handler is not None:
        handler.stream_failed(failure)


def _name(code: int) -> str:
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code:#x}"
