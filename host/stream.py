"""Stand-in for the stream engine, with an empty chain: everything passes at once. TO BE REPLACED by the real one."""

from __future__ import annotations

from dataclasses import dataclass

from host.headers import HeaderMap

REQUEST_HEAD, REQUEST_BODY, REQUEST_END = 1, 2, 4
RESPONSE_HEAD, RESPONSE_BODY, RESPONSE_END = 8, 16, 32
LOCAL_RESPONSE, RESET = 64, 128
REQUEST_BLOCKED, RESPONSE_BLOCKED = 256, 512


class FilterChain:
    """No filters."""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """Who is connected to whom, as `ip:port`."""

    source_address: str
    destination_address: str


class HttpStream:
    """One HTTP exchange through a chain."""

    wants_request_body = wants_response_body = changes_request_body = changes_response_body = False

    def __init__(self) -> None:
        self.request_headers, self.request_trailers = HeaderMap(), HeaderMap()
        self.response_headers, self.response_trailers = HeaderMap(), HeaderMap()
        self._local = b""

    def open(self, chain: FilterChain, connection: ConnectionInfo | None = None) -> None:
        """Begin."""

    def on_request_headers(self, end_of_stream: bool) -> int:
        """Pass the request's head."""
        return REQUEST_HEAD | REQUEST_END if end_of_stream else REQUEST_HEAD

    def on_request_body(self, data: bytes, end_of_stream: bool) -> int:
        """Not called: no filter wants it."""
        raise NotImplementedError

    def on_request_trailers(self) -> int:
        """Not called: no filter wants them."""
        raise NotImplementedError

    def on_response_headers(self, end_of_stream: bool) -> int:
        """Pass the response's head."""
        return RESPONSE_HEAD | RESPONSE_END if end_of_stream else RESPONSE_HEAD

    def on_response_body(self, data: bytes, end_of_stream: bool) -> int:
        """Not called: no filter wants it."""
        raise NotImplementedError

    def on_response_trailers(self) -> int:
        """Not called: no filter wants them."""
        raise NotImplementedError

    def local_response(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, details: str
    ) -> int:
        """Answer instead of the upstream."""
        self.response_headers.clear()
        self.response_headers.add(b":status", b"%d" % status)
        for name, value in headers:
            self.response_headers.add(name, value)
        self._local = body
        return LOCAL_RESPONSE | RESPONSE_HEAD | RESPONSE_BODY | RESPONSE_END

    def take_request_body(self) -> bytes:
        """Nothing is ever held."""
        return b""

    def take_response_body(self) -> bytes:
        """The body of a local response."""
        body, self._local = self._local, b""
        return body

    def on_ready(self, flags: int) -> None:
        """Progress from elsewhere."""

    def close(self) -> None:
        """End."""
