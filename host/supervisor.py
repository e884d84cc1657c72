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
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host import log as logs
from host.admin.messages import AdminAnswer, AdminRequest, NotNow
from host.admin.tyk import TykControl
from host.config import Config, Listen, WasmPlugin
from host.config.watch import Watch
from host.external.processes import Processes
from host.metrics.layout import add_up
from host.metrics.server import MetricsServer
from host.metrics.table import MetricsTable
from host.proxy import bind
from host.reloading import Reloader
from host.reporting import exposition_of
from host.rollout import Rollout, shared_folder
from host.sockets import authority, bind_all
from host.workplace import Workplace

if TYPE_CHECKING:
    from host.admin.resources import Proposal, Resources
    from host.admin.service import AdminService

logger = logging.getLogger("sluiceway")


def serve(
    source: Path | Config, listen: Listen | None = None, workers: int | None = None, *, watch: bool = False
) -> int:
    """Serve a configuration file, or a Config, until told to stop; returns the exit status.

    `listen` and `workers` take the place of what the configuration says. `watch`: reload when any file of it changes,
    and not `apisix.yaml` alone. The Admin API is served over files alone.
    Raises ConfigError for a file that cannot be used, ListenError when an address cannot be listened on.
    """

    def adapt(loaded: Config) -> Config:
        if listen is not None:
            loaded = dataclasses.replace(loaded, listen=(listen,))
        return loaded if workers is None else dataclasses.replace(loaded, workers=workers)

    watched = Watch()
    _open_standard_streams()
    if isinstance(source, Path):
        # Reading takes libraries that nobody needs who is given a Config.
        from host.admin.resources import begin
        from host.config.files import make
        from host.config.watched import WatchedFiles

        read = WatchedFiles(source, watched, watches_all=watch).read
        config, resources, first = begin(read, adapt)

        def load() -> Config:
            return adapt(make(read()))

    else:
        given = adapt(dataclasses.replace(source, admin=None))
        config, resources, first = given, None, None
        files = [
            each.file for each in given.plugins if isinstance(each, WasmPlugin) and each.file is not None
        ]
        watched.take({each: watched.sign(each) for each in files if watch})

        def load() -> Config:
            return given

    log = logs.setup(config.log.level, config.log.format)
    try:
        return asyncio.run(Supervisor(config, load, watched, resources, first).run())
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

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        watch: Watch,
        resources: Resources | None = None,
        first: Proposal | None = None,
    ) -> None:
        """Bind the addresses, those of the metrics and of the Admin API too. Raises ListenError.

        `load` reads the configuration anew; where there are `resources`, which the Admin API changes, they do it, and
        `first` is what they began with. `watch`: the files at whose change it is done.
        """
        self._watch = watch
        count = config.workers or len(os.sched_getaffinity(0))
        self._folder = shared_folder(config.stores, count)
        self._metrics = MetricsTable()
        self._processes = Processes(self._metrics)
        shared = self._folder.path if self._folder is not None else None
        self._rollout = Rollout(config, shared, self._processes, self._count_reload)
        sockets = bind_all((*config.listen, *config.stream_listen), count)
        addresses = [Listen(*each.getsockname()[:2]) for each in sockets[0]]
        self.addresses = addresses[: len(config.listen)]
        self.stream_addresses = addresses[len(config.listen) :]
        self.workplaces = [Workplace(number, self, own) for number, own in enumerate(sockets)]
        self._rollout.workplaces = self.workplaces
        self.stopping = asyncio.Event()
        self._restarts = self._metrics.counter("worker_restarts_total")
        self._metrics_server = self._listen_for_metrics()
        self._admin = (
            _admin_service(resources, first, self._rollout, self._change) if first is not None else None
        )
        self._reloader = Reloader(self._rollout, load, self._admin, self.stopping, self._count_reload)
        self._tyk = TykControl(config.tyk_secret, self._reloader.ask) if config.tyk_secret else None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._has_served = False

    @property
    def config(self) -> Config:
        """What workers begin with."""
        return self._rollout.config

    @property
    def changing(self) -> asyncio.Lock:
        """Held while the configuration changes."""
        return self._rollout.changing

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
        starting = asyncio.ensure_future(self._rollout.start_processes())
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
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
            if self._admin is not None:
                await self._admin.start(self._ask)
            self._do(self._reloader.keep_looking(self._watch))
        try:
            return max(await asyncio.gather(*tasks))
        finally:
            if self._admin is not None:
                await self._admin.close()

    def _tell(self) -> None:
        named = [("http", each) for each in self.addresses] + [
            ("tcp", each) for each in self.stream_addresses
        ]
        listed = ", ".join(f"{scheme}://{authority(listen)}" for scheme, listen in named)
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
        self._reloader.ask()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change(self, proposal: Proposal) -> list[str]:
        """Have the Admin API's proposal served; returns why it is not. Raises NotNow."""
        if not self.stopping.is_set():
            problems = await self._rollout.change(proposal.config)
            if not (problems and self.stopping.is_set()):  # else they are that workers have ended
                return problems
        raise NotNow("the gateway is stopping")

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

    def admin_asked(self, request: AdminRequest, reply: Callable[[AdminAnswer], None]) -> None:
        """A worker has got a request of the Admin API, or of Tyk's."""
        self._do(self._answer(request, reply))

    async def _answer(self, request: AdminRequest, reply: Callable[[AdminAnswer], None]) -> None:
        reply(await self._ask(request))

    async def _ask(self, request: AdminRequest) -> AdminAnswer:
        if self._tyk is not None and self._tyk.is_asked(request):
            return await self._tyk.handle(request)
        assert self._admin is not None
        return await self._admin.answer(request)

    def enqueued(self, workplace: Workplace, queues: list[int] | None) -> None:
        """Items have come into these shared queues, or into any (None): the other workers have to be told."""
        for each in self.workplaces:
            if each is not workplace:
                each.wake(queues)

    def _count_reload(self, result: str) -> None:
        self._metrics.counter("reloads_total", {"result": result}).add()


def _admin_service(
    resources: Resources | None,
    first: Proposal,
    rollout: Rollout,
    change: Callable[[Proposal], Awaitable[list[str]]],
) -> AdminService | None:
    """The Admin API, on its own port if it has one. Raises ListenError."""
    from host.admin.service import AdminService

    settings = first.config.admin
    if settings is None or resources is None:
        return None
    bound = bind([settings.listen])[0] if settings.listen is not None else None
    return AdminService(resources, first, bound, change, rollout.changing)
