"""An origin that answers with what it has been sent, as httpbin does: args, headers, method, url, data."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Echo(ThreadingHTTPServer):
    """`requests` counts them."""

    daemon_threads = True

    def __init__(self) -> None:
        self.requests = 0
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def count(self) -> None:
        """One more."""
        with self._lock:
            self.requests += 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Echo

    def _answer(self) -> None:
        self.server.count()
        length = int(self.headers.get("Content-Length") or 0)
        data = self.rfile.read(length)
        told = {
            "args": dict(parse_qsl(urlsplit(self.path).query)),
            "data": data.decode("latin-1"),
            "headers": dict(self.headers.items()),
            "method": self.command,
            "url": f"http://{self.headers.get('Host')}{self.path}",
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent."""


@contextlib.contextmanager
def echoing() -> Iterator[Echo]:
    """Serve one in a thread."""
    server = Echo()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
