"""The gateway's first process: it owns the listening sockets, starts the workers, and passes on what it is told.

A worker that dies is replaced; its sockets stay open meanwhile, so that connections wait instead of being refused.
SIGTERM and SIGINT drain (again: stop at once), SIGHUP loads the configuration anew. Nothing is served here.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from host import config as configs
from host import log as logs
from host.config import Config, Listen
from host.errors import ConfigError
from host.proxy import bind

logger = logging.getLogger("sluiceway")

_SHORT_LIFE = 10.0  # a worker that dies sooner is started again after a growing pause
_LONGEST_PAUSE = 30.0


def serve(source: Path | Config, listen: Listen | None = None, workers: int | None = None) -> int:
    """Serve a configuration file, or a Config, until told to stop; returns the exit status.

    `listen` and `workers` take the place of what the configuration says. Raises ConfigError for a file that cannot be
    used, OSError when an address cannot be listened on.
    """

    def load() -> Config:
        loaded = configs.load(source) if isinstance(source, Path) else source
        if listen is not None:
            loaded = dataclasses.replace(loaded, listen=(listen,))
        return loaded if workers is None else dataclasses.replace(loaded, workers=workers)

    first = load()
    log = logs.setup(first.log.level, first.log.format)
    supervisor = Supervisor(first, load)
    try:
        return asyncio.run(supervisor.run())
    finally:
        log.flush()


class Supervisor:
    """Keeps `config.workers` workers running."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        self.config = config
        self._load = load
        count = config.workers or len(os.sched_getaffinity(0))
        self.workers = [_Worker(number, self, bind_all(config, count > 1)) for number in range(1)]
        addresses = [Listen(*each.getsockname()[:2]) for each in self.workers[0].sockets]
        same = dataclasses.replace(
            config, listen=tuple(addresses)
        )  # a port that the system chose is now known
        self.workers += [_Worker(number, self, bind_all(same, True)) for number in range(1, count)]
        self.addresses = addresses
        self.stopping = False
        self._stop_order: asyncio.Event | None = None

    async def run(self) -> int:
        """Start the workers and wait for the order to stop."""
        loop = asyncio.get_running_loop()
        self._stop_order = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        tasks = [loop.create_task(self.workers[0].keep())]
        await self.workers[0].came_up.wait()  # the others find its modules compiled
        tasks += [loop.create_task(worker.keep()) for worker in self.workers[1:]]
        for worker in self.workers:
            await worker.came_up.wait()
        if not self.stopping:
            listed = ", ".join(f"http://{_authority(listen)}" for listen in self.addresses)
            counts = f"{len(self.config.routes)} routes, {len(self.config.plugins)} plugins"
            logger.info("serving on %s: %s, %d workers", listed, counts, len(self.workers))
        await self._stop_order.wait()
        statuses = await asyncio.gather(*tasks)
        return max(statuses)

    def _on_stop(self) -> None:
        if self.stopping:
            logger.warning("told to stop again: stopping at once")
            for worker in self.workers:
                worker.kill()
            return
        self.stopping = True
        logger.info("stopping: %g seconds for requests in flight", self.config.shutdown_timeout)
        for worker in self.workers:
            worker.drain(self.config.shutdown_timeout)
        assert self._stop_order is not None
        self._stop_order.set()

    def _on_reload(self) -> None:
        try:
            new = self._load()
        except ConfigError as error:
            logger.error("not reloaded, the configuration has problems:\n%s", error)
            return
        except Exception:
            logger.exception("not reloaded")
            return
        if (new.listen, new.workers, new.http) != (self.config.listen, self.config.workers, self.config.http):
            logger.warning("addresses, workers and HTTP limits change with a restart only")
            new = dataclasses.replace(
                new, listen=self.config.listen, workers=self.config.workers, http=self.config.http
            )
        for worker in self.workers:
            worker.reload(new)

    def reloaded(self, worker: _Worker, config: Config, refused: list[str]) -> None:
        """A worker has answered. Workers judge alike: what one accepts becomes what new workers get."""
        if refused:
            lines = "\n".join(refused)
            logger.error("not reloaded, plugins did not come up (worker %d):\n%s", worker.number, lines)
        else:
            self.config = config
            logger.info("reloaded (worker %d)", worker.number)


class _Worker:
    """One worker's place: its sockets, and the process that has them now."""

    def __init__(self, number: int, supervisor: Supervisor, sockets: list[socket.socket]) -> None:
        self.number = number
        self.sockets = sockets
        self.came_up = asyncio.Event()
        self._supervisor = supervisor
        self._process: asyncio.subprocess.Process | None = None
        self._control: Connection | None = None
        self._sent: list[Config] = []
        self._pause = 0.0

    async def keep(self) -> int:
        """Run the process, and another when it dies, until the gateway stops. Returns the last exit status."""
        while True:
            began = time.monotonic()
            status = await self._run_once()
            self.came_up.set()  # whoever waits for it need not wait for a worker that cannot start
            if self._supervisor.stopping:
                return 0 if status in (0, -signal.SIGTERM, -signal.SIGKILL) else 1
            lived = time.monotonic() - began
            self._pause = min(max(0.1, self._pause * 2), _LONGEST_PAUSE) if lived < _SHORT_LIFE else 0.0
            logger.error("worker %d ended (%s); next in %.1f s", self.number, _how(status), self._pause)
            await asyncio.sleep(self._pause)
            if self._supervisor.stopping:
                return 0

    async def _run_once(self) -> int:
        ours, theirs = Pipe()
        descriptors = [theirs.fileno(), *(each.fileno() for each in self.sockets)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "host.worker", *map(str, descriptors), pass_fds=descriptors
        )
        theirs.close()
        self._control = ours
        loop = asyncio.get_running_loop()
        loop.add_reader(ours.fileno(), self._receive)
        self._send(("start", self._supervisor.config))
        status = await self._process.wait()
        loop.remove_reader(ours.fileno())
        ours.close()
        self._control = None
        return status

    def _receive(self) -> None:
        assert self._control is not None
        try:
            kind, lines = self._control.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            return
        if kind == "ready":
            self.came_up.set()
        elif self._sent:
            self._supervisor.reloaded(self, self._sent.pop(0), lines)

    def reload(self, config: Config) -> None:
        """Have the process take another configuration."""
        if self._send(("reload", config)):
            self._sent.append(config)

    def drain(self, within: float) -> None:
        """Have the process finish its requests and end."""
        self._send(("drain", within))

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def _send(self, order: tuple[str, object]) -> bool:
        if self._control is None:
            return False
        try:
            self._control.send(order)
        except OSError:
            return False  # it is ending: the next one starts with what is current then
        return True


def bind_all(config: Config, reuse_port: bool) -> list[socket.socket]:
    """Return one worker's sockets, which processes inherit."""
    sockets = bind(config.listen, reuse_port=reuse_port)
    for each in sockets:
        each.set_inheritable(True)
    return sockets


def _authority(listen: Listen) -> str:
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
