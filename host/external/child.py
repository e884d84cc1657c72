"""One run of a process: started through the launcher, its output, its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from host.config.process_values import ProcessSpec

_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_LATE = 3.0  # seconds that a launcher may need beyond the time for its command
_PIPE_SECONDS = 1.0  # for output that comes behind the end: somebody else may hold the pipe open
_LONGEST_PID = 20


class Child(asyncio.SubprocessProtocol):
    """`pid` is that of the command, 0 until it runs; `ended` has its exit status, negative for a signal."""

    def __init__(self, stop_timeout: float, take: Callable[[bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.pid = 0
        self.ended: asyncio.Future[int] = loop.create_future()
        self.started: asyncio.Future[None] = loop.create_future()
        self._stop_timeout = stop_timeout
        self._take = take
        self._head: bytes | None = b""  # of the output, until the pid has been read
        self._launcher: asyncio.SubprocessTransport | None = None
        self._killing: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._is_told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The launcher runs."""
        self._launcher = cast(asyncio.SubprocessTransport, transport)  # uvloop's is none by descent

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """The launcher's first line, or output of the command."""
        if self._head is None:
            self._take(data)
            return
        self._head += data
        if b"\n" in self._head or len(self._head) > _LONGEST_PID:
            line, _, rest = self._head.partition(b"\n")
            if line.isdigit() and len(line) < _LONGEST_PID:
                self.pid = int(line)
                if not self.started.done():
                    self.started.set_result(None)
            else:  # the launcher itself has failed, and says why
                rest = self._head
            self._head = None
            if rest:
                self._take(rest)

    def process_exited(self) -> None:
        """The launcher has ended."""
        if self._launcher is None:
            return
        if self._launcher.get_returncode() == -signal.SIGKILL:  # perhaps its own end, and not the command's
            self._kill_group()
        self._closing = asyncio.get_running_loop().call_later(_PIPE_SECONDS, self._launcher.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The launcher has ended and the output with it."""
        assert self._launcher is not None
        status = self._launcher.get_returncode()
        self._launcher.close()
        for timer in (self._killing, self._closing):
            if timer is not None:
                timer.cancel()
        if self._head:
            self._take(self._head)
        if not self.started.done():
            self.started.set_result(None)
        if not self.ended.done():
            self.ended.set_result(status if status is not None else 1)

    def terminate(self) -> None:
        """Have the launcher end the group; a launcher that does not is killed with it. Idempotent."""
        if self._launcher is None or self.ended.done() or self._is_told:
            return
        self._is_told = True
        self._signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        self._killing = loop.call_later(self._stop_timeout + _LATE, self._give_up)

    def kill(self) -> None:
        """End the group at once. The launcher, which knows what has left the group, sees to the rest."""
        self._kill_group()
        self.terminate()

    def _give_up(self) -> None:
        self._kill_group()
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._launcher is not None and self._launcher.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError):
                self._launcher.send_signal(number)

    def _kill_group(self) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


async def launch(spec: ProcessSpec, environment: Mapping[str, str], take: Callable[[bytes], None]) -> Child:
    """Start the command; `take` is called with its output. Raises OSError when no process can be made."""
    order = {
        "command": spec.command,
        "environment": dict(environment),
        "folder": str(spec.folder) if spec.folder is not None else "",
        "stop_timeout": spec.stop_timeout,
    }
    loop = asyncio.get_running_loop()
    # -I -S: nothing of the environment and no site-packages, which cost time and may run anything.
    # A session of its own: signals of the terminal, or to the gateway's group, are the gateway's to pass on.
    transport, child = await loop.subprocess_exec(
        lambda: Child(spec.stop_timeout, take),
        *(sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), spec.name),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(0))
    stdin.write(json.dumps(order).encode())
    stdin.write_eof()
    return child
