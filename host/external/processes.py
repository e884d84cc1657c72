"""All processes that a gateway keeps beside it, over all its configurations, and the folder of their sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from host.config.process_values import SOCKET, ProcessSpec
from host.errors import ConfigError, Problem
from host.external.process import ManagedProcess
from host.metrics.table import MetricsTable
from host.store.folder import SharedFolder

logger = logging.getLogger("sluiceway.process")

_FAREWELL = 5.0  # seconds for exchanges that still are on processes of the configuration before


class Processes:
    """Started for a configuration before it is used, and ended when it is used no more. To be stopped.

    A process that makes its socket in the gateway's own folder is replaced without a gap: each start for another
    configuration has a path of its own, and the old one stays until the new configuration is taken. One whose socket
    has a place of its own is ended before the next one is started.
    """

    def __init__(self, metrics: MetricsTable | None = None, farewell: float = _FAREWELL) -> None:
        """`metrics`: where to count. `farewell`: seconds that `end_others_later` waits."""
        self._metrics = metrics
        self._farewell = farewell
        self._folder: SharedFolder | None = None
        self._numbers = itertools.count(1)
        self._running: dict[str, ManagedProcess] = {}  # by socket, or name where there is none
        self._sources: dict[ProcessSpec, ProcessSpec] = {}  # with paths filled in: as configured
        self._changing = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None
        self._is_stopped = False

    @property
    def running(self) -> Mapping[str, ManagedProcess]:
        """By name, the latest of each: those that are kept running."""
        return MappingProxyType({process.spec.name: process for process in self._running.values()})

    async def start(
        self, specs: Sequence[ProcessSpec], instead_of: Sequence[ProcessSpec] | None = None
    ) -> tuple[ProcessSpec, ...]:
        """Have these run, beside others, and return them with the paths of their sockets filled in.

        `instead_of`: what the last call returned; this is a reload then, and processes that are to be started anew on
        one are. Returns when each is up, has failed, or its `start_timeout` is over: it is tried again in the
        background. Raises ConfigError when there is no place for sockets.
        """
        async with self._changing:
            placed = [self._place(spec, instead_of or ()) for spec in specs]
            if not self._is_stopped:
                is_reload = instead_of is not None
                await asyncio.gather(*(self._start(spec, is_reload=is_reload) for spec in placed))
            return tuple(placed)

    async def end_others(self, specs: Sequence[ProcessSpec]) -> None:
        """End all but these, which `start` has returned."""
        async with self._changing:
            wanted = {_key(spec) for spec in specs}
            ended = [key for key in self._running if key not in wanted]
            await asyncio.gather(*(self._running[key].stop() for key in ended))
            for key in ended:
                del self._running[key]
            self._sources = {spec: self._sources[spec] for spec in specs if spec in self._sources}
            for process in self._running.values():
                process.publish()  # one of the same name may have told its end

    def end_others_later(self, specs: Sequence[ProcessSpec]) -> None:
        """End all but these, when exchanges have had some seconds to end with theirs."""

        async def end() -> None:
            await asyncio.sleep(self._farewell)
            await self.end_others(specs)

        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().create_task(end())

    def kill(self) -> None:
        """End them all at once; `stop` is still to be called."""
        for process in self._running.values():
            process.kill()

    async def stop(self) -> None:
        """End them all: SIGTERM, `stop_timeout` seconds, SIGKILL. Idempotent."""
        self._is_stopped = True
        if self._ending is not None:
            self._ending.cancel()
        await asyncio.gather(*(process.stop() for process in self._running.values()))
        async with self._changing:  # one that was just being started
            await asyncio.gather(*(process.stop() for process in self._running.values()))
            self._running.clear()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def _place(self, spec: ProcessSpec, before: Sequence[ProcessSpec]) -> ProcessSpec:
        if spec.socket is None:
            return spec
        for each in before:
            if self._sources.get(each) == spec and not spec.restart_on_reload:
                return each
        path = self._path(spec.socket, spec)
        placed = dataclasses.replace(
            spec,
            socket=path,
            command=tuple(each.replace(SOCKET, path) for each in spec.command),
            environment=tuple((name, value.replace(SOCKET, path)) for name, value in spec.environment),
        )
        self._sources.setdefault(placed, spec)
        return placed

    def _path(self, socket: str, spec: ProcessSpec) -> str:
        if "/" in socket:
            return os.path.abspath(os.path.join(spec.folder or "", socket))
        if self._folder is None:
            try:
                self._folder = SharedFolder()
            except OSError as error:
                message = f"no folder for the socket of {spec.name}: {error}"
                raise ConfigError([Problem("", None, "", message)]) from error
        stem, ending = os.path.splitext(socket)
        return str(self._folder.path / f"{stem}-{os.getpid()}-{next(self._numbers)}{ending}")

    async def _start(self, spec: ProcessSpec, *, is_reload: bool) -> None:
        key = _key(spec)
        if (old := self._running.get(key)) is not None:
            if old.spec == spec and not (is_reload and spec.restart_on_reload):
                return
            await old.stop()
        self._running[key] = process = ManagedProcess(spec, self._metrics)
        process.start()
        if not await process.wait_until_up(spec.start_timeout) and not process.failure:
            fields = {"fields": {"process": spec.name}}
            text = "not up after %g s (nobody listens on %s): requests wait for it or fail"
            logger.warning(text, spec.start_timeout, spec.socket, extra=fields)


def _key(spec: ProcessSpec) -> str:
    return spec.socket or spec.name
