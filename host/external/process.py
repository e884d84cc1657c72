"""A process beside the gateway that is kept running: started again when it ends, its output in our log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from host.config.document import escape
from host.config.process_values import ProcessSpec
from host.external.child import Child, launch
from host.external.environment import environment_of
from host.external.output import OutputLines, level_of
from host.external.restarts import CANNOT_RUN, Restarts
from host.metrics.table import MetricsTable

logger = logging.getLogger("sluiceway.process")

KEPT_LINES: Final = 20
"""Last lines of a process's output that are kept for messages about it."""

_LOOK_AGAIN, _LOOK_SELDOM = 0.02, 1.0  # seconds: at first, and in the end
_TELL_DROPPED = 1.0
_SAID = 300  # characters of a line of its output in a message about it
_ACCEPTS = 1 << 16  # <linux/net.h>: __SO_ACCEPTCON


class ManagedProcess:
    """`pid` is 0 while none runs. `generation` counts the starts. `last_lines` are the last that it wrote, over all.
    `failure` says how it has ended last, empty before.

    `on_exit` are called with the exit status, negative for a signal, whenever it ends.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        metrics: MetricsTable | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`spec.socket`, if any, is the path of a file by now. `now` and `sleep` time its restarts, in seconds."""
        self.spec = spec
        self.generation = 0
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.failure = ""
        self.on_exit: list[Callable[[int], None]] = []
        self._now, self._sleep = now, sleep
        self._restarts = Restarts(spec.restart_pause)
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._up = asyncio.Event()
        self._has_failed = asyncio.Event()
        self._was_unable = False
        self._last_pid = 0  # for what is said of its end
        table = metrics if metrics is not None else MetricsTable()
        labels = {"process": spec.name}
        self._up_gauge = table.gauge("process_up", labels)
        self._restart_counter = table.counter("process_restarts_total", labels)
        self.publish()

    @property
    def pid(self) -> int:
        """Of the process itself, 0 while there is none."""
        return self._child.pid if self._child is not None else 0

    @property
    def is_up(self) -> bool:
        """Whether it runs and, where it is to make a socket, has made it."""
        return self._up.is_set()

    def publish(self) -> None:
        """Show in the metrics whether it is up: several may have had the name."""
        self._up_gauge.set(int(self.is_up))

    def start(self) -> None:
        """Run it, and again whenever it ends, until `stop`. On a running loop; once."""
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def wait_until_up(self, within: float) -> bool:
        """Wait until it is up, so many seconds at most and not beyond its first end; return whether it is."""
        waits = [asyncio.ensure_future(each.wait()) for each in (self._up, self._has_failed)]
        try:
            await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return self.is_up

    def kill(self) -> None:
        """End it at once; it is started again. For one that lives and does not work."""
        if self._child is not None:
            self._child.kill()

    async def stop(self) -> None:
        """End it and all that it has started: SIGTERM, `spec.stop_timeout` seconds, SIGKILL. Idempotent."""
        self._stopping.set()
        if self._child is not None:
            self._child.terminate()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            began = self._now()
            status = await self._run()
            self._has_failed.set()
            for call in self.on_exit:
                call(status)
            if self._stopping.is_set():
                return
            pause = self._restarts.after(status, self._now() - began)
            self._tell_end(status, pause)
            await self._pause(pause)
            if not self._stopping.is_set():
                self._restart_counter.add()

    async def _run(self) -> int:
        """Run it once; returns its exit status."""
        self.generation += 1
        before = _identity(self.spec.socket)
        output = OutputLines(self._take_line, asyncio.get_running_loop().time)
        environment = environment_of(self.spec.inherit, self.spec.environment, os.environ)
        try:
            child = await launch(self.spec, environment, lambda data: self._feed(output, data))
        except OSError as error:
            logger.error("no process can be made: %s", error, extra=self._fields())
            return CANNOT_RUN[0]
        self._child = child
        if self._stopping.is_set():
            child.terminate()
        watching = asyncio.ensure_future(self._watch(child, before))
        status = await child.ended
        watching.cancel()
        self._last_pid = child.pid
        output.end()
        self._tell_dropped(output)
        self._child = None
        self._up.clear()
        self.publish()
        return status

    async def _watch(self, child: Child, before: tuple[int, ...] | None) -> None:
        """Tell when it is up."""
        await child.started
        if not child.pid:
            return
        pause = _LOOK_AGAIN
        while self.spec.socket is not None and not is_listening(self.spec.socket, before):
            await asyncio.sleep(pause)  # nothing tells that a socket is there
            pause = min(pause * 1.2, _LOOK_SELDOM)
        self._up.set()
        self.publish()
        logger.info("is up", extra=self._fields())

    async def _pause(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(self._stopping.wait()), asyncio.ensure_future(self._sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _feed(self, output: OutputLines, data: bytes) -> None:
        had_dropped = output.dropped
        output.feed(data)
        if output.dropped and not had_dropped:
            asyncio.get_running_loop().call_later(_TELL_DROPPED, self._tell_dropped, output)

    def _tell_dropped(self, output: OutputLines) -> None:
        if output.dropped:
            logger.warning("%d lines of its output were dropped", output.dropped, extra=self._fields())
            output.dropped = 0

    def _take_line(self, data: bytes) -> None:
        line = data.decode("utf-8", "replace")
        if line.strip():
            self.last_lines.append(line)
            logger.log(level_of(line), "%s", line, extra=self._fields())

    def _tell_end(self, status: int, pause: float) -> None:
        said = escape(self.last_lines[-1], _SAID) if self.last_lines else "nothing"
        if status in CANNOT_RUN:
            self.failure = f"cannot be run: {said}"
            if not self._was_unable:  # it will be no news in half a minute
                self._was_unable = True
                logger.error("%s; tried again each %g s", self.failure, pause, extra=self._fields())
            return
        self._was_unable = False
        self.failure = f"ended ({how(status)}); the last that it wrote: {said}"
        logger.error("ended (%s); next start in %.1f s", how(status), pause, extra=self._fields())

    def _fields(self) -> dict[str, dict[str, object]]:
        number = self.pid or self._last_pid
        pid = {"pid": number} if number else {}
        return {"fields": {"process": self.spec.name, **pid}}


def how(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"status {status}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-status).name}"
    return f"signal {-status}"


def is_listening(path: str, before: tuple[int, ...] | None) -> bool:
    """Whether somebody listens on a socket that is there now; not on the one that was there `before`.

    The kernel is asked: a connection, to see, would be one that the process has to do with.
    """
    if _identity(path) in (None, before):
        return False
    try:
        text = Path("/proc/net/unix").read_text()
    except OSError:
        return True
    # The path is as the process gave it, which may have been a relative one.
    name = os.path.basename(path)
    flags = [int(line.split(None, 4)[3], 16) for line in text.splitlines() if line.endswith(name)]
    return not flags or any(each & _ACCEPTS for each in flags)


def _identity(path: str | None) -> tuple[int, ...] | None:
    """What tells a socket from an older one that lay in the same place."""
    if path is None:
        return None
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns
