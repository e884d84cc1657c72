"""All processes that a gateway keeps beside it, and the folder of their sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from host.config.process_values import SOCKET, ProcessSpec
from host.external.process import ManagedProcess
from host.metrics.table import MetricsTable
from host.store.folder import SharedFolder

logger = logging.getLogger("sluiceway.process")


class Processes:
    """Changed as a whole, with each configuration. To be stopped."""

    def __init__(self, metrics: MetricsTable | None = None) -> None:
        """`metrics`: where to count."""
        self._metrics = metrics
        self._folder: SharedFolder | None = None
        self._running: dict[str, ManagedProcess] = {}
        self._changing = asyncio.Lock()
        self._is_stopped = False

    @property
    def running(self) -> Mapping[str, ManagedProcess]:
        """By name: those that are kept running."""
        return MappingProxyType(self._running)

    def placed(self, specs: Sequence[ProcessSpec]) -> tuple[ProcessSpec, ...]:
        """Return the specs with whole paths of their sockets, filled in where they are spoken of.

        A socket without a folder comes into one that only this user may enter. Raises OSError when there is no room
        for it.
        """
        return tuple(self._place(spec) for spec in specs)

    def _place(self, spec: ProcessSpec) -> ProcessSpec:
        if spec.socket is None:
            return spec
        path = spec.socket
        if "/" not in path:
            if self._folder is None:
                self._folder = SharedFolder()
            path = str(self._folder.path / path)
        elif not path.startswith("/"):
            path = os.path.abspath(os.path.join(spec.folder or "", path))
        return dataclasses.replace(
            spec,
            socket=path,
            command=tuple(each.replace(SOCKET, path) for each in spec.command),
            environment=tuple((name, value.replace(SOCKET, path)) for name, value in spec.environment),
        )

    async def change(self, specs: Sequence[ProcessSpec], *, is_reload: bool = False) -> None:
        """Run these, and no others: start what is new and start anew what has changed, all at once.

        Returns when each is up, or its `start_timeout` over: it is tried again in the background.
        `is_reload`: those that are to be started anew on a reload are.
        """
        async with self._changing:
            if self._is_stopped:
                return
            wanted = {spec.name: spec for spec in specs}
            ended = [
                name
                for name, process in self._running.items()
                if wanted.get(name) != process.spec or (is_reload and process.spec.restart_on_reload)
            ]
            await asyncio.gather(*(self._running.pop(name).stop() for name in ended))
            started = []
            for name, spec in wanted.items():
                if name not in self._running:
                    self._running[name] = process = ManagedProcess(spec, self._metrics)
                    process.start()
                    started.append(process)
            await asyncio.gather(*(_wait(each) for each in started))

    async def stop(self) -> None:
        """End them all. Idempotent."""
        self._is_stopped = True
        await asyncio.gather(*(process.stop() for process in self._running.values()))
        async with self._changing:  # one that was just being started
            await asyncio.gather(*(process.stop() for process in self._running.values()))
            self._running.clear()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None


async def _wait(process: ManagedProcess) -> None:
    spec = process.spec
    if not await process.wait_until_up(spec.start_timeout):
        fields = {"fields": {"process": spec.name}}
        logger.warning("not up after %g s: requests wait for it or fail", spec.start_timeout, extra=fields)
