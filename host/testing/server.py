"""The whole gateway under test: `sluiceway run` in a process of its own, on a free port, with its log at hand.

What a test sees is production: the supervisor, its workers, sockets, signals. Nothing of the gateway is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

PATIENCE = 20.0
"""Seconds that a gateway has to come up, to reload, to log what is waited for, or to end."""

_WORKER = b"host.worker"  # in the command line of a worker

Settings = str | Mapping[str, Any]
"""A configuration: YAML, or a mapping of the same shape."""


class Answer(NamedTuple):
    """A response: `headers` are in the order and spelling of the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first value of a field, None without one; case does not matter (RFC 9110, 5.1)."""
        return next((value for own, value in self.headers if own.lower() == name.lower()), None)


class GatewayProcess:
    """`sluiceway run ARGUMENTS…`; `log` grows with the lines that it writes to standard error."""

    # -P: a folder `host` is not taken for ours
    _command: tuple[str, ...] = (sys.executable, "-P", "-m", "host", "run")

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        """Start it; `environment` is added to this process's own. `serving` waits until it is up."""
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [*self._command, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.log.append(line.decode(errors="replace").rstrip("\n"))

    def wait_for(
        self, pattern: str, count: int = 1, seconds: float = PATIENCE, *, behind: int = 0
    ) -> list[str]:
        """Return the first `count` log lines that the pattern is found in, as soon as they are there.

        `behind`: lines of the log that are passed over. Raises AssertionError, with the end of the log, when they do
        not come in time or the gateway has ended.
        """
        end = time.monotonic() + seconds
        while True:
            is_over = not self._reader.is_alive()
            found = [line for line in self.log[behind:] if re.search(pattern, line)]
            if len(found) >= count:
                return found[:count]
            if is_over or time.monotonic() > end:
                why = "it has ended" if is_over else f"{seconds:g} s have passed"
                raise AssertionError(f"no {pattern!r} in the log, and {why}:\n" + "\n".join(self.log[-50:]))
            time.sleep(0.01)

    def has(self, pattern: str) -> bool:
        """Return whether the pattern is found in a line of the log."""
        return any(re.search(pattern, line) for line in self.log)

    def serving(self, seconds: float = PATIENCE) -> tuple[str, int]:
        """Wait until it serves; return host and port. Raises AssertionError, with its log, when it does not."""
        (line,) = self.wait_for(r"serving on http://\S+[;,]", seconds=seconds)
        found = re.search(r"serving on http://([\d.]+):(\d+)[;,]", line)
        assert found is not None, line
        return found[1], int(found[2])

    def workers(self) -> list[int]:
        """Return the process ids of its workers; it has other children where it keeps processes of plugins."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children if _WORKER in _command_line(child)]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        self.process.send_signal(number)

    def stopped(self, seconds: float = PATIENCE) -> int:
        """Wait until it has ended; return the exit status. Raises subprocess.TimeoutExpired."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def kill(self) -> None:
        """End it and its workers at once. Idempotent."""
        workers = self.workers() if self.process.poll() is None else []
        self.process.kill()
        self.process.wait(PATIENCE)
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        self.stopped()


def _command_line(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class ProxyServer:
    """A gateway with a configuration of the test's::

    with ProxyServer(tmp_path, {"routes": [...]}) as proxy:
        assert proxy.request("GET", "/").status == 200
    """

    def __init__(
        self,
        folder: Path,
        configuration: Settings,
        *,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Start it and wait until it serves, for `patience` seconds at most. `folder` takes the configuration, whose
        paths start from there.

        Raises AssertionError, with the gateway's log, when it does not come up.
        """
        self._file = folder / "sluiceway.yaml"
        self._write(configuration)
        arguments = [str(self._file), "--listen", "127.0.0.1:0", "--workers", str(workers)]
        self.gateway = GatewayProcess(*arguments, environment=environment)
        self._workers = workers
        try:
            self.address = self.gateway.serving(patience)
        except BaseException:
            self.gateway.kill()
            raise

    def _write(self, configuration: Settings) -> None:
        # JSON is YAML as well.
        text = configuration if isinstance(configuration, str) else json.dumps(configuration, indent=2)
        self._file.write_text(text)

    @property
    def url(self) -> str:
        """Where it serves, without a path."""
        return "http://{}:{}".format(*self.address)

    @property
    def log(self) -> list[str]:
        """The lines that it has written to standard error so far."""
        return self.gateway.log

    def wait_for(self, pattern: str, count: int = 1, seconds: float = PATIENCE) -> list[str]:
        """Return log lines as soon as they are there, as `GatewayProcess.wait_for` does."""
        return self.gateway.wait_for(pattern, count, seconds)

    def request(
        self,
        method: str,
        target: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request on a connection of its own and return the answer. Raises OSError and HTTPException."""
        connection = HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            connection.request(method, target, body, {"Connection": "close", **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def reload(self, configuration: Settings) -> None:
        """Serve another configuration from now on, as SIGHUP makes a gateway do.

        Raises AssertionError, with the log, when it is refused; the last configuration then stays.
        """
        behind = len(self.log)
        self._write(configuration)
        self.gateway.signal(signal.SIGHUP)
        lines = self.gateway.wait_for(r"\bnot reloaded\b|\breloaded\b", 1, behind=behind)
        if "not reloaded" in lines[0]:
            raise AssertionError("the configuration was refused:\n" + "\n".join(self.log[behind:]))
        self.gateway.wait_for(r"\breloaded\b", self._workers, behind=behind)

    def close(self) -> None:
        """End it at once. Idempotent."""
        self.gateway.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
