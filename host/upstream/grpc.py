"""A gRPC call over HTTP/2 (grpc/grpc doc/PROTOCOL-HTTP2.md): messages out and in, and one end with a status.

It knows nothing of plugins, and messages are bytes to it: what they hold is their sender's and receiver's.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes

from abi.grpc_status import GrpcStatus
from host.headers import HeaderMap
from host.http.http2 import ErrorCode, Http2Error
from host.upstream.grpc_messages import BadMessage, MessageReader, encode_message
from host.upstream.grpc_status import of_error_code, of_field, of_http_status
from host.upstream.http2_pool import Acquired, Http2Pool
from host.upstream.http2_stream import Http2Stream, StreamFailure

_MOST_TIMEOUT: Final = 99_999_999  # grpc-timeout has at most eight digits


@dataclass(frozen=True, slots=True)
class GrpcRequest:
    """What is called; bytes that are no UTF-8 stand in text as surrogates.

    `timeout`: seconds until the call's end, None for no limit. `authority`: "" for the node's own.
    `max_message_bytes` bounds one received message, `max_unsent_bytes` what waits for the peer to take it.
    """

    service: str
    method: str
    metadata: tuple[tuple[bytes, bytes], ...] = ()
    timeout: float | None = None
    authority: str = ""
    max_message_bytes: int = 4 * 1024 * 1024  # grpc's own default
    max_unsent_bytes: int = 4 * 1024 * 1024


class GrpcReceiver(Protocol):
    """What a call tells whoever made it, always in a later turn of the loop than the call that caused it."""

    def initial_metadata(self, fields: HeaderMap) -> None:
        """The response's head."""

    def message(self, data: bytes) -> None:
        """One message."""

    def trailing_metadata(self, fields: HeaderMap) -> None:
        """The trailer section; of a response that was cut off, an empty one.

        Where no response began, its status and the reason, behind an empty `initial_metadata`.
        """

    def closed(self, status: int, message: str) -> None:
        """The call has ended. The last that is heard of it, and heard once, unless it was cancelled."""


class GrpcStream:
    """A call in flight. Its methods may be used before there is a connection."""

    def __init__(self, pool: Http2Pool, request: GrpcRequest, receiver: GrpcReceiver) -> None:
        self._request, self._pool = request, pool
        self._receiver: GrpcReceiver | None = receiver
        self._stream: Http2Stream | None = None
        self._reader = MessageReader(request.max_message_bytes)
        self._queued = bytearray()  # until there is a connection
        self._is_half_closed = self._has_begun = False
        self._waiter = pool.acquire(self._open, lambda reason: self._fail(GrpcStatus.UNAVAILABLE, reason))
        self._timer: asyncio.TimerHandle | None = None
        if request.timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(request.timeout, self._time_out)

    # --- out ---

    def send(self, message: bytes, end: bool = False) -> bool:
        """Queue a message; `end`: the last one. False: the request has ended, or too much waits to be sent already."""
        return self._write(encode_message(message), end)

    def half_close(self) -> None:
        """Say that no more messages come. Harmless when that was said."""
        self._write(b"", True)

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer to take them."""
        return len(self._queued) if self._stream is None else self._stream.unsent

    def cancel(self) -> None:
        """End the call; nothing is heard of it any more."""
        self._finish()
        self._waiter.cancel()
        if self._stream is not None:
            self._stream.reset(ErrorCode.CANCEL)

    def _write(self, data: bytes, end: bool) -> bool:
        if self._is_half_closed or self._receiver is None:
            return False
        if self.unsent + len(data) > self._request.max_unsent_bytes:
            return False
        if self._stream is None:
            self._queued += data
        else:
            try:
                self._stream.write(data, end=end)
            except Http2Error:  # the connection is going down: its end is on its way
                return False
        self._is_half_closed = end
        return True

    def _open(self, acquired: Acquired) -> None:
        try:
            stream = acquired.connection.request(self._head(acquired), self)
            self._stream = stream
            if self._queued or self._is_half_closed:
                stream.write(bytes(self._queued), end=self._is_half_closed)
                self._queued.clear()
        except (Http2Error, MemoryError) as error:
            reason = str(error)
            asyncio.get_running_loop().call_soon(self._fail, GrpcStatus.INTERNAL, reason)

    def _head(self, acquired: Acquired) -> HeaderMap:
        request, node = self._request, acquired.node
        head = HeaderMap(
            [
                (b":method", b"POST"),
                (b":scheme", self._pool.upstream.scheme.encode()),
                (b":path", f"/{request.service}/{request.method}".encode(errors="surrogateescape")),
                (b":authority", request.authority.encode() or node.host or node.authority),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
            ]
        )
        if request.timeout is not None:
            head.add(b"grpc-timeout", b"%dm" % min(max(1, round(request.timeout * 1000)), _MOST_TIMEOUT))
        for name, value in request.metadata:
            if name.lower() == b"content-type":
                head.set(name, value)
            else:
                head.add(name, value)
        return head

    # --- in: what the stream tells ---

    def response_head(self, fields: HeaderMap, is_end: bool) -> None:
        """The response has begun. One that ends with its head has its trailing metadata there (Trailers-Only)."""
        if (receiver := self._receiver) is None:
            return
        self._has_begun = True
        status = fields.get(b":status") or b""
        is_grpc = (fields.get(b"content-type") or b"").startswith(b"application/grpc")
        receiver.initial_metadata(HeaderMap() if is_end else fields)
        if self._receiver is None:
            return
        if is_end and b"grpc-status" in fields:
            self._end(fields)
        elif status != b"200":
            self._abort(of_http_status(status), f"HTTP status {status.decode(errors='replace')}")
        elif not is_grpc:
            self._abort(GrpcStatus.UNKNOWN, "the response is not gRPC: its content-type is another")

    def response_data(self, data: bytes) -> None:
        """Messages, or parts of them."""
        stream = self._stream
        try:
            for message in self._reader.read(data):
                if self._receiver is None:
                    return
                self._receiver.message(message)
        except BadMessage as error:
            self._abort(error.status, str(error))
        else:
            if stream is not None and self._receiver is not None:
                stream.consume(len(data))

    def response_trailers(self, fields: HeaderMap) -> None:
        """The end of the response, with the call's status."""
        if self._reader.is_within_message:
            self._abort(GrpcStatus.INTERNAL, "the response ended within a message")
        else:
            self._end(fields)

    def response_end(self) -> None:
        """The response ended; without a status if the call has not."""
        self._fail(GrpcStatus.UNKNOWN, "the response ended without a status")

    def stream_failed(self, failure: StreamFailure) -> None:
        """The stream or its connection is gone."""
        self._fail(of_error_code(failure.code), failure.reason)

    # --- ends ---

    def _end(self, trailers: HeaderMap) -> None:
        message = unquote_to_bytes(trailers.get(b"grpc-message") or b"").decode(errors="replace")
        self._close(trailers, of_field(trailers.get(b"grpc-status")), message)
        if self._stream is not None and not self._is_half_closed:
            self._stream.reset(ErrorCode.NO_ERROR)  # the server wants no more messages

    def _fail(self, status: GrpcStatus, reason: str) -> None:
        trailers = HeaderMap()
        if not self._has_begun and self._receiver is not None:
            # An answer in the server's place, as Envoy makes it: trailing metadata alone.
            self._has_begun = True
            self._receiver.initial_metadata(HeaderMap())
            trailers = HeaderMap([(b"grpc-status", b"%d" % status), (b"grpc-message", reason.encode())])
        self._close(trailers, status, reason)

    def _abort(self, status: GrpcStatus, reason: str) -> None:
        stream = self._stream
        self._fail(status, reason)
        if stream is not None:
            stream.reset(ErrorCode.CANCEL)

    def _time_out(self) -> None:
        self._timer = None
        self._waiter.cancel()
        self._abort(GrpcStatus.DEADLINE_EXCEEDED, "the call's time is over")

    def _close(self, trailers: HeaderMap, status: GrpcStatus, message: str) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        receiver.trailing_metadata(trailers)
        if self._receiver is None:  # cancelled from there
            return
        self._finish()
        receiver.closed(status, message)

    def _finish(self) -> None:
        self._receiver = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
