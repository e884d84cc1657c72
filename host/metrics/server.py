"""The address that Prometheus scrapes, served on threads of its own: a scrape never holds up an event loop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from host.errors import ListenError
from host.metrics.exposition import CONTENT_TYPE

_MOST_CONNECTIONS = 16
_TIMEOUT = 5.0  # seconds that a client may take to ask, and between two reads of the answer


class MetricsServer:
    """Serves `text()` at one path; it listens from the start on, and answers once it is started."""

    def __init__(self, host: str, port: int, path: str, text: Callable[[], str]) -> None:
        """Listen. `text` is called on a thread of the server's. Raises ListenError."""

        class Handler(_Handler):
            pass

        Handler.path_served, Handler.text = path, staticmethod(text)
        try:
            self._server = _Server(host, port, Handler)
        except OSError as error:
            raise ListenError(f"cannot listen on {host}:{port} for metrics: {error.strerror}") from error
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def close(self) -> None:
        """Stop. Idempotent."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, handler: type[_Handler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__((host, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for the connection, if there are not too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Run on the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is none of our faults."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _TIMEOUT
    server_version, sys_version = "sluiceway", ""
    path_served = ""
    text: Callable[[], str]

    def do_GET(self) -> None:
        """Answer with all metrics."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer without them."""
        self._answer()

    def _answer(self) -> None:
        if self.path.partition("?")[0] != self.path_served:
            self.send_error(404)
            return
        body = type(self).text().encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not logged."""
