"""Starts a demo origin and, in front of it, the gateway with this folder's two files. Ends both together.

python examples/quickstart/run.py [--origin HOST:PORT] [--config FILE] [further arguments of `sluiceway run`]
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Origin(BaseHTTPRequestHandler):
    """Answers GET and HEAD with the request line it saw, and POST and PUT with the body it got."""

    protocol_version = "HTTP/1.1"

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        """Answer with the request line, so that a plugin that changes the path can be watched."""
        self._answer(f"{self.requestline}\n".encode())

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Answer with the request's body. One without Content-Length is refused: this server reads no chunks."""
        if (length := self.headers.get("Content-Length")) is None:
            self.close_connection = True
            self.send_error(411)
        else:
            self._answer(self.rfile.read(int(length)))

    do_PUT = do_POST

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent: the terminal is the gateway's."""


def main() -> int:
    """Serve until the gateway ends or a signal ends it; return the gateway's exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--origin", default="127.0.0.1:1980", metavar="HOST:PORT")
    parser.add_argument("--config", default=str(HERE / "config.yaml"), metavar="FILE")
    options, gateway_arguments = parser.parse_known_args()
    host, _, port = options.origin.rpartition(":")
    try:
        origin = ThreadingHTTPServer((host, int(port)), Origin)
    except OSError as error:
        print(
            f"The demo origin cannot listen on {options.origin}: {error.strerror} (another `make run`?)",
            file=sys.stderr,
        )
        return 1
    origin.daemon_threads = True
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    # A session of its own: an interrupt from the terminal would reach it beside the one handed on below, and a second
    # signal tells the gateway to drop the requests in flight.
    command = [sys.executable, "-m", "host", "run", options.config, *gateway_arguments]
    gateway = subprocess.Popen(command, start_new_session=True)

    def hand_on(number: int, frame: object) -> None:
        gateway.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, hand_on)
    status = gateway.wait()
    origin.shutdown()
    return status


if __name__ == "__main__":
    sys.exit(main())
