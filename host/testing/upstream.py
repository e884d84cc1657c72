"""An upstream under test: an HTTP/1.1 server in a thread, which keeps what it was asked and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self


class Request(NamedTuple):
    """What has come. `headers` are in the order and spelling of the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a field, None without one; case does not matter (RFC 9110, 5.1)."""
        return next((value for own, value in self.headers if own.lower() == name.lower()), None)


class Response(NamedTuple):
    """What is to be answered. Content-Length is added to `headers`."""

    status: int = 200
    headers: Iterable[tuple[str, str]] = ()
    body: bytes = b""


Handler = Callable[[Request], Response]


class UpstreamServer:
    """Answers 200 without content until told otherwise; `requests` are those that have come, oldest first."""

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1 and serve."""
        self.requests: list[Request] = []
        self.handler: Handler = lambda _: Response()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._server.server_port

    @property
    def node(self) -> str:
        """HOST:PORT, as `nodes` of a configuration has it."""
        return f"127.0.0.1:{self.port}"

    def respond(self, status: int = 200, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> None:
        """Answer so to every request from now on. `handler` may be set for more: it runs in a thread a connection."""
        response = Response(status, list(headers), body)
        self.handler = lambda _: response

    def close(self) -> None:
        """Serve no more. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, owner: UpstreamServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __getattr__(self, name: str) -> Callable[[], None]:
        # The base class looks for do_GET and its like; an upstream takes every method.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        owner = self.server.owner
        request = Request(self.command, self.path, self.headers.items(), self._content())
        owner.requests.append(request)
        response = owner.handler(request)
        self.send_response_only(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        if response.status >= 200 and response.status not in (204, 304):
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _content(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return content

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent."""
