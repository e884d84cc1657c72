"""Redis, the distribution's, started by tests: it keeps everything it has acknowledged over a stop."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from tests.peers.process import Server, free_port

BINARY = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")


class RedisServer:
    """A server with its data in `folder`, on a port that it keeps over `stop` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._server: Server | None = None
        self.start()

    def start(self) -> None:
        """Start it, with what it had."""
        command = [
            str(BINARY),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"),
        ]
        self._server = Server(command, self.port, self.folder / "log")

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP makes it hang, SIGKILL ends it without a word."""
        assert self._server is not None
        os.kill(self._server.pid, number)
