"""The gateway's first process: it owns the listening sockets, starts the workers, and passes on what it is told.

A worker that dies is replaced; its sockets stay open meanwhile, so that connections wait instead of being refused.
SIGTERM and SIGINT drain (again: stop at once), SIGHUP loads the configuration anew, SIGUSR1 has the workers open their
access log anew. Nothing is served here. Processes that plugins run in are kept here, once for all workers: they are up
before a configuration that needs them goes to the workers, and end behind them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from host import config as configs
from host import log as logs
from host.config import Config, Listen
from host.config.stores import Stores
from host.errors import ConfigError, Problem
from host.external.processes import Processes
from host.metrics.layout import add_up
from host.metrics.server import MetricsServer
from host.metrics.table import MetricsTable
from host.proxy import bind
from host.reporting import exposition_of
from host.store.folder import SharedFolder
from host.workplace import Workplace

logger = logging.getLogger("sluiceway")

_AT_RESTART = ("listen", "stream_listen", "workers", "http", "log", "access_log", "prometheus", "node")


def serve(source: Path | Config, listen: Listen | None = None, workers: int | None = None) -> int:
    """Serve a configuration file, or a Config, until told to stop; returns the exit status.

    `listen` and `workers` take the place of what the configuration says. Raises ConfigError for a file that cannot be
    used, ListenError when an address cannot be listened on.
    """

    def load() -> Config:
        loaded = configs.load(source) if isinstance(source, Path) else source
        if listen is not None:
            loaded = dataclasses.replace(loaded, listen=(listen,))
        return loaded if workers is None else dataclasses.replace(loaded, workers=workers)

    _open_standard_streams()
    first = load()
    log = logs.setup(first.log.level, first.log.format)
    try:
        return asyncio.run(Supervisor(first, load).run())
    finally:
        log.flush()


def _open_standard_streams() -> None:
    """Fill closed ones of 0 to 2: a socket that got such a number would receive what is written to standard error."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


class Supervisor:
    """Keeps `config.workers` workers running."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        """Bind the addresses, that of the metrics too. Raises ListenError."""
        self._load = load
        count = config.workers or len(os.sched_getaffinity(0))
        self._folder = _shared_folder(config.stores, count)
        self.config = self._with_folder(config)
        sockets = bind_all((*config.listen, *config.stream_listen), count)
        addresses = [Listen(*each.getsockname()[:2]) for each in sockets[0]]
        self.addresses = addresses[: len(config.listen)]
        self.stream_addresses = addresses[len(config.listen) :]
        self.workplaces = [Workplace(number, self, own) for number, own in enumerate(sockets)]
        self.stopping = asyncio.Event()
        self._metrics = MetricsTable()
        self._restarts = self._metrics.counter("worker_restarts_total")
        self._metrics_server = self._listen_for_metrics()
        self._processes = Processes(self._metrics)
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._has_served = False

    def _listen_for_metrics(self) -> MetricsServer | None:
        prometheus = self.config.prometheus
        if prometheus is None:
            return None
        exposition, listen = exposition_of(prometheus), prometheus.listen

        def text() -> str:
            self._metrics.gauge("workers").set(sum(each.is_up for each in self.workplaces))
            tables = [self._metrics.read(), *(each.metrics.read() for each in self.workplaces)]
            return exposition.text(add_up(tables))

        return MetricsServer(listen.host, listen.port, prometheus.export_uri, text)

    async def run(self) -> int:
        """Start the workers and wait for the order to stop."""
        loop = asyncio.get_running_loop()
        if self._metrics_server is not None:
            self._metrics_server.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_reload)
        loop.add_signal_handler(signal.SIGUSR1, self._on_reopen)
        try:
            await self._start_processes()
            return await self._run_workers()
        finally:
            await self._processes.stop()
            if self._folder is not None:
                self._folder.remove()

    async def _start_processes(self) -> None:
        """Start them, and do not wait for them any more when told to stop."""
        starting = asyncio.ensure_future(self._processes.start(self.config.processes))
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            self.config = dataclasses.replace(self.config, processes=starting.result())
        else:
            await self._processes.stop()
            await starting

    async def _run_workers(self) -> int:
        loop = asyncio.get_running_loop()
        first, *others = self.workplaces
        tasks = [loop.create_task(first.keep())]
        await first.settled.wait()  # the others find its modules compiled
        tasks += [loop.create_task(each.keep()) for each in others]
        for each in others:
            await each.settled.wait()
        if not self.stopping.is_set():
            self._tell()
            if not self._has_served:
                logger.error("no worker has come up; trying again")
        return max(await asyncio.gather(*tasks))

    def _with_folder(self, config: Config) -> Config:
        """The configuration with a place for what workers share, where it names none."""
        if self._folder is None or config.stores.path is not None:
            return config
        return dataclasses.replace(config, stores=dataclasses.replace(config.stores, path=self._folder.path))

    def _tell(self) -> None:
        named = [("http", each) for each in self.addresses] + [
            ("tcp", each) for each in self.stream_addresses
        ]
        listed = ", ".join(f"{scheme}://{_authority(listen)}" for scheme, listen in named)
        routes = len(self.config.routes) + len(self.config.stream_routes)
        counts = f"routes: {routes}, plugins: {len(self.config.plugins)}"
        if up := sum(each.is_up for each in self.workplaces):
            logger.info("serving on %s; %s, workers: %d", listed, counts, up)
            self._has_served = True

    def _on_stop(self) -> None:
        if self.stopping.is_set():
            logger.warning("told to stop again: stopping at once")
            for each in self.workplaces:
                each.kill()
            self._processes.kill()
            return
        self.stopping.set()
        logger.info("stopping: %g seconds for requests in flight", self.config.shutdown_timeout)
        for each in self.workplaces:
            each.drain(self.config.shutdown_timeout)

    def _on_reload(self) -> None:
        if self.stopping.is_set():
            return
        try:
            new = self._with_folder(self._load())
        except ConfigError as error:
            for problem in error.problems:
                logger.error("%s", problem)
            logger.error("not reloaded: the configuration has %d problems", len(error.problems))
            self._count_reload("refused")
            return
        except Exception:
            logger.exception("not reloaded")
            return
        if kept := [name for name in _AT_RESTART if getattr(new, name) != getattr(self.config, name)]:
            logger.warning("changed, but taken up by a restart only: %s", ", ".join(kept))
            new = dataclasses.replace(new, **{name: getattr(self.config, name) for name in kept})
        if new.stores.places != self.config.stores.places:
            logger.warning("changed, but taken up by a restart only: where wasm.stores keeps what")
            new = dataclasses.replace(new, stores=self.config.stores)
        if new.processes or self.config.processes or self._reloading.locked():
            self._do(self._pass_on_with_processes(new))
        else:
            self._pass_on(new)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on_with_processes(self, new: Config) -> None:
        """Pass a configuration on when the processes that it needs are up."""
        async with self._reloading:
            if self.stopping.is_set():
                return
            try:
                placed = await self._processes.start(new.processes, instead_of=self.config.processes)
            except ConfigError as error:
                logger.error("not reloaded: %s", error)
                self._count_reload("refused")
                return
            if not self.stopping.is_set():
                self._pass_on(dataclasses.replace(new, processes=placed))

    def _pass_on(self, new: Config) -> None:
        if any(each.is_up for each in self.workplaces):
            for each in self.workplaces:
                each.reload(new)
        else:
            self.config = new  # there is nobody to refuse it, and the one before may be why
            self._processes.end_others_later(new.processes)

    def _on_reopen(self) -> None:
        for each in self.workplaces:
            each.reopen()

    def came_up(self, workplace: Workplace) -> None:
        """A worker serves."""
        if self._has_served:
            self._restarts.add()
            logger.info("worker %d is up again", workplace.number)
        elif all(each.settled.is_set() for each in self.workplaces):
            self._tell()

    def accepted(self, workplace: Workplace, config: Config) -> None:
        """A worker has taken a configuration over: from now on it is everybody's."""
        logger.info("reloaded", extra={"fields": {"worker": workplace.number}})
        if config is not self.config:
            self._count_reload("accepted")
            self.config = config
            self._processes.end_others_later(config.processes)
            for each in self.workplaces:
                each.reload(config)

    def enqueued(self, workplace: Workplace, queues: list[int] | None) -> None:
        """Items have come into these shared queues, or into any (None): the other workers have to be told."""
        for each in self.workplaces:
            if each is not workplace:
                each.wake(queues)

    def refused(self, workplace: Workplace, problems: list[str]) -> None:
        """A worker serves on with what it had."""
        self._count_reload("refused")
        fields = {"fields": {"worker": workplace.number}}
        for problem in problems:
            logger.error("%s", problem, extra=fields)
        logger.error("not reloaded: plugins did not come up; the last configuration stays", extra=fields)
        if self.config.processes or self._processes.running:
            self._do(self._restore_processes())

    async def _restore_processes(self) -> None:
        """Have the processes run that the present configuration has, and no others."""
        async with self._reloading:
            processes = self.config.processes
            await self._processes.start(processes)
            await self._processes.end_others(processes)

    def _count_reload(self, result: str) -> None:
        self._metrics.counter("reloads_total", {"result": result}).add()


def _shared_folder(stores: Stores, workers: int) -> SharedFolder | None:
    """A folder for the shared data and queues of several workers. Raises ConfigError when there is no room for it."""
    if stores.path is not None or stores.local == "memory" or (stores.local == "auto" and workers == 1):
        return None
    try:
        return SharedFolder()
    except OSError as error:
        message = f"no folder for what workers share: {error}; give lmdb.path, or local: memory"
        raise ConfigError([Problem("", None, "wasm.stores", message)]) from error


def bind_all(addresses: tuple[Listen, ...], count: int) -> list[list[socket.socket]]:
    """Return a list of sockets for each of `count` workers. A port 0 becomes one port for all. Raises ListenError."""
    if count > 1:
        # With SO_REUSEPORT alone, a second gateway of the same user would get half of the first one's connections.
        for each in bind([listen for listen in addresses if listen.port]):
            each.close()
    sockets = [bind(addresses, reuse_port=count > 1)]
    same = [Listen(*each.getsockname()[:2]) for each in sockets[0]]
    sockets += [bind(same, reuse_port=True) for _ in range(1, count)]
    return sockets


def _authority(listen: Listen) -> str:
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"
