"""The gateway in one process: a configuration, its assembly, and the servers in front of it.

This is the composition root of a worker and of programs that embed the gateway. Several processes are the supervisor's
matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import uvloop

from host.admin.filter import rules_beside
from host.admin.messages import Ask
from host.assembly import Assembly, Surroundings, assemble
from host.assembly.stores import limit, make_stores, vm_ids
from host.callouts import Callouts
from host.code.remote import NEGATIVE_SECONDS
from host.config import Config, HttpLimits, Listen
from host.errors import ConfigError, ListenError, Problem
from host.exchange import AccessLog, Exchange, Route
from host.external.processes import Processes
from host.http.deadlines import Deadlines
from host.http.downstream import Downstream
from host.http.server import Server
from host.http.settings import HttpSettings
from host.log import Log, LogFile
from host.metrics.table import MetricsTable, RequestCounters
from host.reporting import Reporting
from host.services import LoopServices
from host.tcp.server import Rules, StreamServer
from host.upstream.dial import TcpDialer
from host.wasm.cache import ModuleCache

logger = logging.getLogger("sluiceway")

_NAMED = 10  # routes that a log line lists


class Proxy:
    """A gateway on the running event loop.

    async with Proxy(config) as proxy:
        host, port = proxy.address
    """

    def __init__(
        self,
        config: Config,
        *,
        log: Log | None = None,
        cache: ModuleCache | None = None,
        metrics: MetricsTable | None = None,
        announce: Callable[[int], None] | None = None,
        keeps_processes: bool = True,
        admin: Ask | None = None,
    ) -> None:
        """`log` takes the lines of plugins (`host.log.setup` makes one); without it they are dropped.

        `metrics`: where to count, for somebody else who shows it; without it, the proxy serves its metrics itself
        where the configuration says so.
        `announce` is called, on any thread, with the id of a queue that has got an item: other processes that share
        it `wake` those who wait for it there.
        `keeps_processes`: the processes of the configuration run as long as the proxy; False: somebody else sees to
        them, and has filled in the paths of their sockets.
        `admin` answers requests of the Admin API and of Tyk's, where they share the gateway's port.
        """
        self.config = config
        self.addresses: list[tuple[str, int]] = []
        self.stream_addresses: list[tuple[str, int]] = []
        self._log = log
        self._cache = cache
        self._announce = announce
        self._admin = admin
        self._assembly: Assembly | None = None
        self._server: Server | None = None
        self._streams: StreamServer | None = None
        self._services: LoopServices | None = None
        self._around: Surroundings | None = None
        self._access_file: LogFile | None = None
        self._access_log: AccessLog | None = None
        self._reporting: Reporting | None = None
        self._metrics = metrics
        self._keeps_processes = keeps_processes
        self._processes: Processes | None = None
        self._changing = asyncio.Lock()
        self._fetching: asyncio.TimerHandle | asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The first address that is listened on."""
        return self.addresses[0]

    def metrics(self) -> str:
        """Return all metrics in Prometheus's text format. "" before the start and after the end."""
        return self._reporting.text() if self._reporting is not None else ""

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """Where the proxy itself serves its metrics, if it does."""
        return self._reporting.address if self._reporting is not None else None

    @property
    def problems(self) -> list[Problem]:
        """What of the configuration does not work; the routes concerned answer 503."""
        return list(self._assembly.problems) if self._assembly is not None else []

    async def start(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Load the plugins and listen, on bound sockets if given, else on the addresses of the configuration.

        Plugins that do not come up take their routes down to 503 and are logged; the rest is served. Raises
        ListenError when an address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        bound = (
            list(sockets) if sockets is not None else bind((*self.config.listen, *self.config.stream_listen))
        )
        stores = make_stores(self.config.stores)
        if self._announce is not None:
            stores.announce = self._announce
        deadlines = Deadlines(loop.time)
        callouts = Callouts(deadlines)
        self._services = LoopServices(
            loop, self._log, stores=stores, callouts=callouts, metrics=self._metrics
        )
        self.reopen_access_log()
        requests = RequestCounters(self._services.metrics)
        self._around = Surroundings(
            self._services, deadlines, TcpDialer(), callouts, requests, self._cache or ModuleCache()
        )
        self._around.shadows.report_to(self.config.shadow_report)
        if self._admin is not None:
            self._around.rules = rules_beside(self.config, self._admin, deadlines)
        else:
            for name, is_wanted in (
                ("the Admin API", self.config.admin is not None),
                ("/tyk/reload", bool(self.config.tyk_secret)),
            ):
                if is_wanted:
                    logger.warning("%s is not served: that is for a gateway of its own (sluiceway run)", name)
        try:
            serves_metrics = self.config.prometheus is not None and self._metrics is None
            self._reporting = Reporting(self._services, self._log, self.config.prometheus, serves_metrics)
            if self._keeps_processes:
                self._processes = Processes(self._services.metrics)
                self.config = await self._start_processes(self.config)
            self._assembly = await assemble(self.config, self._around)
            self._services.foreign_functions.settle(accepted=True)
            _tell(self._assembly)
            stores.keep_only(vm_ids(self.config))  # a database may have those of an earlier configuration
            self._fetch_again_later()
            self._server = Server(self._exchange, deadlines, http_settings(self.config.http))
            self._services.statistics = self._statistics
            self._streams = StreamServer(
                self._stream_rules, deadlines, max_connections=self.config.http.worker_connections
            )
            count = len(self.config.listen)
            await self._server.start(bound[:count])
            terminates = [listen.tls for listen in self.config.stream_listen]
            self._streams.start(zip(bound[count:], terminates, strict=True))
        except BaseException:
            for each in bound:
                each.close()
            await self.close()
            raise
        addresses = [each.getsockname()[:2] for each in bound]
        self.addresses, self.stream_addresses = addresses[:count], addresses[count:]

    def _statistics(self) -> dict[str, int]:
        if self._server is None or self._around is None:
            return {}
        server = self._server.statistics()
        in_flight = server["connections_writing"]
        return {**server, "total_requests": self._around.requests.total + in_flight}

    def _stream_rules(self) -> Rules:
        assert self._assembly is not None
        return self._assembly.stream_rules

    def _exchange(self, downstream: Downstream) -> Exchange:
        log = self._access_log
        return Exchange(downstream, self._match, log.new_record() if log is not None else None)

    def _match(self, exchange: Exchange) -> Route | None:
        assembly = self._assembly
        assert assembly is not None
        found = assembly.router.match(*exchange.target) or assembly.unmatched
        if found is None and self._around is not None:
            self._around.requests.add(404)  # no chain will count it
        return found

    async def reload(
        self, config: Config, agreed: Callable[[], Awaitable[bool]] | None = None, *, tolerant: bool = False
    ) -> bool:
        """Serve another configuration from now on; requests in flight end on the old one. Returns whether it does so.

        Raises ConfigError when a plugin does not load or refuses its configuration: the old configuration then stays.
        Addresses, limits of the HTTP side and the access log are those of the start.
        `agreed` is awaited when everything has come up, and says whether to go on: others may have refused.
        `tolerant`: what does not work in the old configuration either refuses nothing.
        """
        async with self._changing:
            old = self._assembly
            assert old is not None
            assert self._around is not None
            config = await self._start_processes(config, self.config)
            new = await assemble(config, self._around, old)
            known = old.problems if tolerant else []
            problems = [problem for problem in new.problems if problem not in known]
            is_taken = False
            try:
                is_taken = not problems and (agreed is None or await agreed())
            finally:
                self._around.services.foreign_functions.settle(accepted=is_taken)
                if not is_taken:
                    new.retire(old)
                    await self._restore_processes()
            if problems:
                raise ConfigError(problems)
            if not is_taken:
                return False
            self._assembly = new
            self.config = config
            old.retire(new)
            if self._processes is not None:
                self._processes.end_others_later(config.processes)
            self.reopen_access_log()
            self._around.shadows.report_to(config.shadow_report)
            stores = self._around.services.stores
            limit(stores, config.stores)
            await self._around.services.run(lambda: stores.keep_only(vm_ids(config)))
            return True

    async def _start_processes(self, config: Config, old: Config | None = None) -> Config:
        """Have the processes of a configuration run, if that is ours to do; returns it with their sockets."""
        if self._processes is None:
            return config
        before = old.processes if old is not None else None
        return dataclasses.replace(
            config, processes=await self._processes.start(config.processes, instead_of=before)
        )

    async def _restore_processes(self) -> None:
        """Have the processes run that the present configuration has, and no others."""
        if self._processes is not None:
            await self._processes.start(self.config.processes)
            await self._processes.end_others(self.config.processes)

    def reopen_access_log(self) -> None:
        """Open the file of the access log anew: it was moved away. One that cannot be opened is told, and costs no
        request."""
        wanted = self.config.access_log
        if wanted is None:
            return
        assert self._services is not None
        try:
            if self._access_file is not None:
                self._access_file.reopen()
                return
            self._access_file = LogFile(wanted.path, wanted.buffer, self._services.call_later)
        except OSError as error:
            logger.error("the access log %s cannot be opened: %s", wanted.path, _reason(error))
        else:
            self._access_log = AccessLog(wanted.format, wanted.escape, self._access_file)

    def _fetch_again_later(self) -> None:
        if self._assembly is not None and self._assembly.awaits_code:
            loop = asyncio.get_running_loop()
            self._fetching = loop.call_later(
                NEGATIVE_SECONDS, lambda: setattr(self, "_fetching", loop.create_task(self._fetch_again()))
            )

    async def _fetch_again(self) -> None:
        """Bring up plugins whose code could not be had at the start."""
        async with self._changing:
            old = self._assembly
            if old is None or not old.awaits_code:
                return
            assert self._around is not None
            new = await assemble(self.config, self._around, old)
            if new.problems == old.problems:
                new.retire(old)
            else:
                self._assembly = new
                _tell(new)
                old.retire(new)
        self._fetch_again_later()

    def wake(self, queue: int | None) -> None:
        """Tell plugins here of an item in a queue that another process shares; None: of items in any of them."""
        if self._services is None:
            return
        if queue is None:
            self._services.stores.wake_all()
        else:
            self._services.stores.wake(queue)

    async def drain(self, within: float) -> bool:
        """Accept no more and let requests and connections finish; returns whether all did in so many seconds."""
        servers = [server for server in (self._server, self._streams) if server is not None]
        return all(await asyncio.gather(*(server.drain(within) for server in servers)))

    async def close(self) -> None:
        """Stop at once. Idempotent."""
        if self._fetching is not None:
            self._fetching.cancel()
            self._fetching = None
        if self._streams is not None:
            await self._streams.close()
            self._streams = None
        if self._server is not None:
            await self._server.close()
            self._server = None
            await asyncio.sleep(0)  # connections that were cut off tell their exchanges
        if self._assembly is not None:
            self._assembly.close()
            self._assembly = None
        if self._access_file is not None:
            self._access_file.close()
            self._access_file = self._access_log = None
        if self._around is not None:
            await self._around.kinds.close()
            self._around.shadows.close()
            self._around.callouts.close()
            await asyncio.sleep(0)  # connections to upstreams say goodbye
        if self._processes is not None:
            await self._processes.stop()
            self._processes = None
        if self._reporting is not None:
            self._reporting.close()
            self._reporting = None
        if self._services is not None:
            self._services.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def run(self) -> None:
        """Serve in this process, on a uvloop loop, until it is interrupted."""

        async def serve() -> None:
            async with self:
                await asyncio.Event().wait()

        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve())


def _tell(assembly: Assembly) -> None:
    for warning in assembly.config.warnings:
        logger.warning("%s", warning)
    for problem in assembly.problems:
        logger.error("%s", problem)
    if down := assembly.unavailable:
        named = ", ".join(down[:_NAMED]) + (", …" if len(down) > _NAMED else "")
        answers = {route.id: route.unavailable for route in assembly.config.routes}
        statuses = sorted({answer.status if (answer := answers.get(each)) else 503 for each in down})
        said = " or ".join(map(str, statuses))
        logger.error("%d of %d routes answer %s: %s", len(down), len(answers), said, named)


def bind(addresses: Sequence[Listen], *, reuse_port: bool = False) -> list[socket.socket]:
    """Return a bound, listening socket for each address. Raises ListenError.

    `reuse_port`: others of ours may be bound to the same addresses.
    """
    bound: list[socket.socket] = []
    try:
        for listen in addresses:
            family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
            each = socket.create_server(
                (listen.host, listen.port), family=family, backlog=1024, reuse_port=reuse_port
            )
            each.setblocking(False)
            bound.append(each)
    except OSError as error:
        for each in bound:
            each.close()
        raise ListenError(f"cannot listen on {listen.host}:{listen.port}: {_reason(error)}") from error
    return bound


def _reason(error: OSError) -> str:
    # socket.create_server puts the address into strerror once more, in its own form.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


def http_settings(limits: HttpLimits) -> HttpSettings:
    """Return the limits of the HTTP side in its own terms."""
    return HttpSettings(
        max_head_bytes=limits.client_max_header_size,
        max_fields=limits.max_headers,
        max_body_bytes=limits.client_max_body_size,
        max_connections=limits.worker_connections,
        # nginx: a timeout of 0 turns keep-alive off.
        max_requests=limits.keepalive_requests if limits.keepalive_timeout else 1,
        head_timeout=limits.client_header_timeout,
        body_timeout=limits.client_body_timeout,
        keepalive_timeout=limits.keepalive_timeout,
        send_timeout=limits.send_timeout,
    )


def check(
    config: Config, look: Callable[[Assembly], None] = lambda assembly: None, *, log: Log | None = None
) -> list[Problem]:
    """Compile and start every plugin with every configuration, serve nobody, and return what does not work.

    `look` is shown what was made of it; `log` takes the lines of plugins, as for `Proxy`.
    """
    config = dataclasses.replace(
        config, listen=(), stream_listen=(), prometheus=None, access_log=None, admin=None, tyk_secret=""
    )

    async def run() -> list[Problem]:
        async with Proxy(config, log=log) as proxy:
            assert proxy._assembly is not None
            look(proxy._assembly)
            return [*proxy.problems, *_ended(proxy._processes)]

    return asyncio.run(run())


def _ended(processes: Processes | None) -> Iterator[Problem]:
    """Those that should run and have ended. One that is merely slow to come up is no problem."""
    for name, process in processes.running.items() if processes is not None else ():
        if process.failure and not process.is_up:
            yield Problem("", None, f"process {name}", process.failure)
