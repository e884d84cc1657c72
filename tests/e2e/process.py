"""`sluiceway run` as users run it: a process, its log, its workers; and an origin to put behind it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from host.testing.server import GatewayProcess

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "testdata/plugins"


def plugin(name: str) -> Path:
    """The file of a plugin of testdata."""
    return PLUGINS / name / "plugin.wasm"


@contextlib.contextmanager
def running(*arguments: str | Path, environment: dict[str, str] | None = None) -> Iterator[GatewayProcess]:
    """Run a gateway until the block ends; whatever happens in it, no process is left."""
    gateway = GatewayProcess(*map(str, arguments), environment=environment, cwd=ROOT)
    try:
        yield gateway
    finally:
        gateway.kill()


class _Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the path; `/slow/SECONDS` takes its time."""
        if self.path.startswith("/slow/"):
            self.server.slow_requests.release()  # type: ignore[attr-defined]
            time.sleep(float(self.path.rpartition("/")[2]))
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent."""


class _OriginServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.slow_requests = threading.Semaphore(0)
        super().__init__(("127.0.0.1", 0), _Origin)


@contextlib.contextmanager
def origin() -> Iterator[_OriginServer]:
    """Serve an origin in a thread; `server_port` says where, `slow_requests` counts slow ones that have come."""
    server = _OriginServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def get(
    address: tuple[str, int],
    path: str = "/",
    timeout: float = 20.0,
    fields: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own: status, fields by lower-case name, body."""
    connection = HTTPConnection(*address, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close", **(fields or {})})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
