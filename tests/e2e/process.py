"""`sluiceway run` as users run it: a process, its log, its workers; and an origin to put behind it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "testdata/plugins"


def plugin(name: str) -> Path:
    """The file of a plugin of testdata."""
    return PLUGINS / name / "plugin.wasm"


class GatewayProcess:
    """A running `sluiceway run …`; `log` grows with what it writes to standard error."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "host", "run", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.log.append(line.decode(errors="replace").rstrip("\n"))

    def wait_for(self, pattern: str, count: int = 1, seconds: float = 20.0) -> list[str]:
        """Return the first `count` log lines with the pattern, as soon as they are there."""
        end = time.monotonic() + seconds
        while True:
            found = [line for line in self.log if re.search(pattern, line)]
            if len(found) >= count:
                return found[:count]
            assert time.monotonic() < end, f"no {pattern!r} in:\n" + "\n".join(self.log[-50:])
            assert self.process.poll() is None or self._reader.is_alive(), "\n".join(self.log[-50:])
            time.sleep(0.01)

    def has(self, pattern: str) -> bool:
        """Whether a log line with the pattern is there."""
        return any(re.search(pattern, line) for line in self.log)

    def serving(self) -> tuple[str, int]:
        """Wait until it serves; return the address."""
        (line,) = self.wait_for(r"serving on http://\S+;")
        found = re.search(r"serving on http://([\d.]+):(\d+);", line)
        assert found is not None
        return found[1], int(found[2])

    def workers(self) -> list[int]:
        """The process ids of its children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the first process."""
        self.process.send_signal(number)

    def stopped(self, seconds: float = 20.0) -> int:
        """Wait until it has ended; return the exit status."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status


@contextlib.contextmanager
def running(*arguments: str | Path, environment: dict[str, str] | None = None) -> Iterator[GatewayProcess]:
    """Run a gateway until the block ends; whatever happens in it, no process is left."""
    gateway = GatewayProcess(*map(str, arguments), environment=environment)
    try:
        yield gateway
    finally:
        children = gateway.workers() if gateway.process.poll() is None else []
        gateway.process.kill()
        gateway.process.wait(10)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        gateway.stopped()


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
