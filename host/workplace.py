"""One worker as the supervisor sees it: its sockets, the process that has them now, and the next one when that dies."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from host.admin.messages import AdminAnswer, AdminRequest
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

    stopping: asyncio.Event

    @property
    def config(self) -> Config:
        """What a process begins with."""

    @property
    def changing(self) -> asyncio.Lock:
        """Held while that changes."""

    def came_up(self, workplace: Workplace) -> None:
        """A worker that is not its workplace's first one serves."""

    def admin_asked(self, request: AdminRequest, reply: Callable[[AdminAnswer], None]) -> None:
        """A worker has got a request of the Admin API."""

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
        self._answer: asyncio.Future[list[str]] | None = (
            None  # to a configuration: why it is not served, or nothing
        )
        self._proposed: Control | None = None
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
        self._process = process
        async with self._employer.changing:  # it must not begin with what is about to be replaced
            self._control = control
            control.send("start", self._own(self._employer.config))
        if self._employer.stopping.is_set():
            process.kill()
        listening = asyncio.get_running_loop().create_task(self._listen(control))
        status = await process.wait()
        self._process = self._control = None
        if self._answer is not None and not self._answer.done():
            ended = f"worker {self.number} ended ({_how(status)}) while it took the configuration up"
            self._answer.set_result([ended] if self.is_up else [])
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
        elif answer == "admin":
            number, request = argument
            control = self._control
            assert control is not None
            self._employer.admin_asked(request, lambda made: control.send("admin", (number, made)))
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(argument)

    @property
    def has_process(self) -> bool:
        """Whether there is one that can be told anything, be it that it does not serve yet."""
        return self._control is not None

    async def propose(self, config: Config, *, tolerant: bool) -> list[str]:
        """Have the process bring another configuration up, and serve on with what it has until `settle`.

        Returns why it does not come up. A process that ends before it has ever served refuses nothing.
        """
        control = self._control
        if control is None:
            return []
        self._proposed = control
        control.send("reload", (self._own(config), tolerant))
        return await self._next_answer()

    async def settle(self, is_taken: bool) -> None:
        """Have the process serve what was proposed, or drop it; returns when it does."""
        control, self._proposed = self._proposed, None
        if control is None or control is not self._control:
            return
        control.send("settle", is_taken)
        if is_taken and (problems := await self._next_answer()):
            logger.error("worker %d: %s", self.number, "; ".join(problems))

    async def _next_answer(self) -> list[str]:
        self._answer = asyncio.get_running_loop().create_future()
        return await self._answer

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
