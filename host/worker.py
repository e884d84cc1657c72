"""A worker process: one gateway on one event loop, told what to do through a control connection.

Started by the supervisor with the file descriptors of the control connection and of the listening sockets. When the
supervisor is gone, so is the worker, after it has finished its requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import logging
import os
import signal
import socket
import threading
from typing import Any, NoReturn

import uvloop

from host import log as logs
from host.admin.messages import AdminAnswer, AdminRequest
from host.config import Config
from host.control import Control
from host.errors import ConfigError
from host.metrics.table import MetricsTable
from host.proxy import Proxy

logger = logging.getLogger("sluiceway.worker")

_ORPHAN_SECONDS = 10.0  # for requests in flight when the supervisor has died


class Worker:
    """Obeys `start Config`, `reload (Config, is_tolerant)`, `settle is_taken`, `reopen`, `drain seconds` and
    `wake [queue…]`.

    Answers `ready` to the first, `prepared` or `refused [problem…]` to the second, and ends at `drain`. Behind each
    `reload` comes a `settle`, which says whether the configuration is taken; where it is, and has been prepared,
    `reloaded` is the answer. Tells `enqueued [queue…]`: the shared queues that have got items here. Asks
    `admin (number, AdminRequest)`, and gets `admin (number, AdminAnswer)`.
    """

    def __init__(self, control: Control, metrics: MetricsTable, sockets: list[socket.socket]) -> None:
        """`metrics`: what the supervisor reads."""
        self._control = control
        self._metrics = metrics
        self._sockets = sockets
        self._proxy: Proxy | None = None
        self._log: logs.Log | None = None
        self._changes: asyncio.Queue[Any] = asyncio.Queue()
        self._verdicts: asyncio.Queue[bool] = asyncio.Queue()
        self._asked: dict[int, asyncio.Future[AdminAnswer]] = {}
        self._questions = itertools.count()
        self._loop = asyncio.get_running_loop()
        self._enqueued: set[int] = set()
        self._lock = threading.Lock()
        self._stop: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def run(self) -> int:
        """Serve until told to end. Returns the exit status: 1 when requests had to be cut off."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end, _ORPHAN_SECONDS)
        loop.add_signal_handler(signal.SIGUSR1, self._reopen)
        listening = loop.create_task(self._listen())
        working = loop.create_task(self._work())
        await asyncio.wait((working, self._stop), return_when=asyncio.FIRST_COMPLETED)
        if not self._stop.done():
            working.result()  # raises what went wrong
        working.cancel()
        status = await self._drain(await self._stop)  # what requests in flight have asked for still comes
        listening.cancel()
        if self._log is not None:
            self._log.flush()
        return status

    async def _listen(self) -> None:
        with contextlib.suppress(EOFError):
            while True:
                order, argument = await self._control.receive()
                if order == "drain":
                    self._end(argument)
                elif order == "reopen":
                    self._reopen()
                elif order == "wake":
                    self._wake(argument)
                elif order == "settle":
                    self._verdicts.put_nowait(argument)
                elif order == "admin":
                    self._take_answer(*argument)
                else:
                    self._changes.put_nowait(argument)
        self._end(_ORPHAN_SECONDS)

    def _reopen(self) -> None:
        if self._proxy is not None:
            self._proxy.reopen_access_log()

    def _wake(self, queues: list[int] | None) -> None:
        """Tell plugins of items in these shared queues; None: in any of them."""
        if self._proxy is not None:
            for queue in [None] if queues is None else queues:
                self._proxy.wake(queue)

    async def _ask_admin(self, request: AdminRequest) -> AdminAnswer:
        """Have the supervisor answer, which knows what is to be served, and has all workers serve it."""
        number = next(self._questions)
        future: asyncio.Future[AdminAnswer] = self._loop.create_future()
        self._asked[number] = future
        self._control.send("admin", (number, request))
        try:
            return await future
        finally:
            del self._asked[number]

    def _take_answer(self, number: int, answer: AdminAnswer) -> None:
        future = self._asked.get(number)
        if future is not None and not future.done():
            future.set_result(answer)

    def _announce(self, queue: int) -> None:
        """Have the supervisor tell the other workers, once for all that comes until the loop has its turn."""
        with self._lock:
            is_first = not self._enqueued
            self._enqueued.add(queue)
        if is_first:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody has to be told any more
                self._loop.call_soon_threadsafe(self._tell_enqueued)

    def _tell_enqueued(self) -> None:
        with self._lock:
            queues, self._enqueued = sorted(self._enqueued), set()
        self._control.send("enqueued", queues)

    def _end(self, within: float) -> None:
        if not self._stop.done():
            self._stop.set_result(within)

    async def _work(self) -> None:
        await self._start(await self._changes.get())
        while True:
            await self._reload(*await self._changes.get())

    async def _start(self, config: Config) -> None:
        self._log = logs.setup(config.log.level, config.log.format)
        proxy = Proxy(
            config,
            log=self._log,
            metrics=self._metrics,
            announce=self._announce,
            keeps_processes=False,
            admin=self._ask_admin,
        )
        await proxy.start(self._sockets)
        self._proxy = proxy
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it again
        self._control.send("ready", [])

    async def _reload(self, config: Config, is_tolerant: bool) -> None:
        assert self._proxy is not None
        has_voted = False

        async def agreed() -> bool:
            nonlocal has_voted
            has_voted = True
            self._control.send("prepared", [])
            return await self._verdicts.get()

        try:
            is_taken = await self._proxy.reload(config, agreed, tolerant=is_tolerant)
        except ConfigError as error:
            self._control.send("refused", [str(problem) for problem in error.problems])
        except Exception as error:
            logger.exception("reload failed")
            self._control.send("refused", [repr(error)])
        else:
            if is_taken:
                self._control.send("reloaded", [])
        if not has_voted:
            await self._verdicts.get()

    async def _drain(self, within: float) -> int:
        if self._proxy is None:
            return 0
        ended = await self._proxy.drain(within)
        await self._proxy.close()
        return 0 if ended else 1


def main(arguments: list[str]) -> NoReturn:
    """Run a worker on the file descriptors that the supervisor passed: control, metrics, sockets."""
    # Signals of the terminal go to the whole process group: the supervisor decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until there is a log to open anew
    metrics = MetricsTable(int(arguments[1]))
    end, *sockets = [socket.socket(fileno=int(number)) for number in (arguments[0], *arguments[2:])]

    async def run() -> int:
        return await Worker(await Control.over(end), metrics, sockets).run()

    loop = uvloop.new_event_loop()
    status = loop.run_until_complete(run())
    os._exit(status)  # helper threads may compile or resolve for seconds yet, and nobody waits for it
