"""Servers as child processes: started on free loopback ports, awaited, and ended by their own process group."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Return `count` different TCP ports of 127.0.0.1 that nothing listens on at this moment."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port() -> int:
    """Return one such port."""
    return free_ports(1)[0]


class Server:
    """One running server. `log` holds what it wrote to stdout and stderr.

    Raises RuntimeError, with the end of the log, when it ends or does not listen within `patience` seconds.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        *,
        patience: float = 30.0,
        cwd: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port = port
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # a group of its own, which stop() ends whole
            )
        try:
            self._await_listening(patience)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id of what was started; the workers of the server are its children."""
        return self._process.pid

    def _await_listening(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(
                    f"{self._process.args!r} ended with {self._process.returncode}:\n{self.tail()}"
                )
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"nothing listens on {self.port} after {patience} s:\n{self.tail()}")

    def tail(self, characters: int = 3000) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace")[-characters:]

    def stop(self, patience: float = 5.0) -> None:
        """End the process group: by SIGTERM, and after `patience` seconds by SIGKILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait(patience)
