"""One worker as the supervisor sees it: its sockets, the process that has them now, and the next one when that dies."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from host.config import Config
from host.control import Control
from host.metrics.file import MetricsFile

logger = logging.getLogger("sluiceway")

_SHORT_LIFE = 10.0  # a worker that dies sooner is started again after a growing pause
_LONGEST_PAUSE = 30.0
_GRACE = 5.0  # seconds over those for requests in flight, until a worker that does not end is killed

# Not `-m host.worker`: that would look into the current folder first, whatever lies there. The gateway's own folder
# comes last, for one that is not installed.
_START = "import sys; sys.path.append(sys.argv[1]); from host.worker import main; main(sys.argv[2:])"
_FOLDER = str(Path(__file__).resolve().parent.parent)


class Employer(Protocol):
    """What a workplace needs of its supervisor."""

    config: Config
    stopping: asyncio.Event

    def came_up(self, workplace: Workplace) -> None:
        """A worker that is not its workplace's first one serves."""

    def accepted(self, workplace: Workplace, config: Config) -> None:
        """A worker serves this configuration now."""

    def refused(self, workplace: Workplace, problems: list[str]) -> None:
        """A worker does not take a configuration, for these reasons."""

    def enqueued(self, workplace: Workplace, queues: list[int] | None) -> None:
        """A worker has put items into these shared queues; None: it has died, and may have before."""


class Workplace:
    """`metrics` outlive its processes.

    `settled` is set once the first process serves, or has failed to; `is_up` says whether one serves now.
    """

    def __init__(self, number: int, employer: Employer, sockets: list[socket.socket]) -> None:
        self.number = number
        self.settled = asyncio.Event()
        self.is_up = False
        self._employer = employer
        self._sockets = sockets
        self.metrics = MetricsFile(f"sluiceway-metrics-{number}")
        self._process: asyncio.subprocess.Process | None = None
        self._control: Control | None = None
        self._sent: list[
            Config
        ] = []  # to this process: the first is what it serves, the others it has not answered
        self._pause = 0.0

    async def keep(self) -> int:
        """Run the process, and another when it dies, until the gateway stops. Returns the last exit status."""
        stopping = self._employer.stopping
        while not stopping.is_set():
            began = time.monotonic()
            status = await self._run_process()
            self.settled.set()
            if stopping.is_set():
                return 0 if status in (0, -signal.SIGKILL) else 1
            lived = time.monotonic() - began
            self._pause = min(max(0.1, self._pause * 2), _LONGEST_PAUSE) if lived < _SHORT_LIFE else 0.0
            logger.error("worker %d ended (%s); next in %.1f s", self.number, _how(status), self._pause)
            try:
                await asyncio.wait_for(stopping.wait(), self._pause)
            except TimeoutError:
                continue
        self.settled.set()
        return 0

    async def _run_process(self) -> int:
        ours, theirs = socket.socketpair()
        descriptors = [each.fileno() for each in (theirs, *self._sockets)]
        descriptors.insert(1, self.metrics.descriptor)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-c", _START, _FOLDER, *map(str, descriptors), pass_fds=descriptors
            )
        control = await Control.over(ours)
        self._process, self._control = process, control
        self._sent = [self._employer.config]
        control.send("start", self._own(self._sent[0]))
        if self._employer.stopping.is_set():
            process.kill()
        listening = asyncio.get_running_loop().create_task(self._listen(control))
        status = await process.wait()
        self._process = self._control = None
        self.is_up = False
        listening.cancel()
        control.close()
        self._employer.enqueued(self, None)
        return status

    async def _listen(self, control: Control) -> None:
        try:
            while True:
                self._take(*await control.receive())
        except EOFError:
            return

    def _take(self, answer: str, argument: list[Any]) -> None:
        if answer == "enqueued":
            self._employer.enqueued(self, argument)
        elif answer == "ready":
            self.is_up = True
            self.wake(None)  # of what came while it started
            if self.settled.is_set():
                self._employer.came_up(self)
            self.settled.set()
        elif answer == "reloaded":
            del self._sent[0]
            self._employer.accepted(self, self._sent[0])
        else:
            del self._sent[1]
            self._employer.refused(self, argument)

    def reload(self, config: Config) -> None:
        """Have the process take another configuration, unless it has been given it already."""
        if self._control is not None and self._sent[-1] is not config:
            self._sent.append(config)
            self._control.send("reload", self._own(config))

    def _own(self, config: Config) -> Config:
        """The configuration as this worker has it: a plugin that runs once runs in the first."""
        if not self.number:
            return config
        services = tuple(service for service in config.wasm_services if not service.singleton)
        return dataclasses.replace(config, wasm_services=services)

    def reopen(self) -> None:
        """Have the process open its access log anew."""
        if self._control is not None:
            self._control.send("reopen", None)

    def wake(self, queues: list[int] | None) -> None:
        """Have the process tell its plugins of items in these shared queues; None: in any."""
        if self.is_up and self._control is not None:
            self._control.send("wake", queues)

    def drain(self, within: float) -> None:
        """Have the process finish its requests and end; one that does not serve yet is ended at once."""
        for each in self._sockets:
            each.close()  # with the worker's own copies: who connects now is refused, and need not wait
        if self.is_up and self._control is not None:
            self._control.send("drain", within)
            asyncio.get_running_loop().call_later(within + _GRACE, self.kill)
        else:
            self.kill()

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
