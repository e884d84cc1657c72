"""One request on an HTTP/2 connection, and what it tells whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from host.headers import HeaderMap
from host.http.http2 import ErrorCode

if TYPE_CHECKING:
    from host.upstream.http2 import Http2Connection


class StreamFailure(NamedTuple):
    """Why a stream ended before its response was complete.

    `code`: that of the peer's RST_STREAM or GOAWAY, None where the connection was lost. `reason`: for people.
    """

    code: int | None
    reason: str


class StreamHandler(Protocol):
    """What a stream tells whoever opened it. Must not raise."""

    def response_head(self, fields: HeaderMap, is_end: bool) -> None:
        """The response's head; not an interim one. `is_end`: `response_end` follows at once."""

    def response_data(self, data: bytes) -> None:
        """Content. It counts against the window until the stream's `consume`."""

    def response_trailers(self, fields: HeaderMap) -> None:
        """The trailer section."""

    def response_end(self) -> None:
        """The response is complete."""

    def stream_failed(self, failure: StreamFailure) -> None:
        """There will be no more of it. Called at most once, and not behind `response_end`."""


class Http2Stream:
    """A request on a connection, and the way to its handler."""

    __slots__ = ("_connection", "handler", "interim", "number")

    def __init__(self, connection: Http2Connection, number: int, handler: StreamHandler) -> None:
        self._connection = connection
        self.number = number
        self.handler: StreamHandler | None = handler
        self.interim = 0

    def write(self, data: bytes, *, end: bool = False) -> None:
        """Queue content. Raises Http2Error where the request has ended or the stream is gone."""
        self._connection.session.write(self.number, data, end=end)
        self._connection.flush_soon()

    @property
    def unsent(self) -> int:
        """Bytes that wait for the peer's windows."""
        return self._connection.session.unsent(self.number)

    def consume(self, size: int) -> None:
        """Let the peer send as many bytes more."""
        self._connection.session.consume(self.number, size)
        self._connection.flush_soon()

    def reset(self, code: ErrorCode = ErrorCode.CANCEL) -> None:
        """End it; its handler hears of it no more."""
        self.handler = None
        self._connection.session.reset(self.number, code)
        self._connection.flush_soon()
