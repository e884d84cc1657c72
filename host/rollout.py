"""The configuration that all workers serve, and how another one takes its place: in all of them, or in none.

Each worker brings the new one up beside what it serves and waits; when all have, they change over.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

from host.config import Config
from host.config.stores import Stores
from host.errors import ConfigError, Problem
from host.external.processes import Processes
from host.store.folder import SharedFolder
from host.workplace import Workplace

logger = logging.getLogger("sluiceway")

_AT_RESTART = (
    "listen", "stream_listen", "workers", "http", "log", "access_log", "prometheus", "admin", "tyk_secret",
    "node",
)  # fmt: skip


class Rollout:
    """Whoever changes anything holds `changing` meanwhile. `config` is the one that workers begin with."""

    def __init__(
        self, config: Config, shared: Path | None, processes: Processes, count: Callable[[str], None]
    ) -> None:
        """`shared`: a folder for what workers share, if there is one. `count` is told `accepted` or `refused`."""
        self._shared = shared
        self._processes = processes
        self._count = count
        self.config = self._placed(config)
        self.workplaces: list[Workplace] = []
        self.changing = asyncio.Lock()

    async def start_processes(self) -> None:
        """Have the processes of the configuration run. Raises ConfigError when there is no place for sockets."""
        placed = await self._processes.start(self.config.processes)
        self.config = dataclasses.replace(self.config, processes=placed)

    def kept(self, new: Config) -> list[str]:
        """Return what of another configuration a restart alone takes up."""
        names = [name for name in _AT_RESTART if getattr(new, name) != getattr(self.config, name)]
        return [*names, "where wasm.stores keeps what"] if self._moves_stores(new) else names

    async def reload(self, new: Config) -> list[str]:
        """Have a configuration served that was read anew, with its processes. Returns why it is not."""
        new = self._fitted(new)
        try:
            placed = await self._processes.start(new.processes, instead_of=self.config.processes)
        except ConfigError as error:
            self._count("refused")
            return [str(problem) for problem in error.problems]
        if problems := await self._roll_out(dataclasses.replace(new, processes=placed), tolerant=False):
            await self._processes.start(self.config.processes)
            await self._processes.end_others(self.config.processes)
            return problems
        self._processes.end_others_later(self.config.processes)
        return []

    async def change(self, new: Config) -> list[str]:
        """Have a configuration served that differs in its resources. Returns why it is not.

        What does not work in the present one either refuses nothing.
        """
        kept = dataclasses.replace(self._fitted(new), processes=self.config.processes)
        return await self._roll_out(kept, tolerant=True)

    async def _roll_out(self, new: Config, *, tolerant: bool) -> list[str]:
        asked = sorted(
            (each for each in self.workplaces if each.has_process), key=lambda each: not each.is_up
        )
        problems: list[str] = []
        # One alone comes first: what kills it kills no other, and the others find its modules compiled.
        for group in (asked[:1], asked[1:]):
            if problems:
                break
            for found in await asyncio.gather(*(each.propose(new, tolerant=tolerant) for each in group)):
                problems = problems or found
        # Where no worker lives long enough to say anything, nobody refuses: the one before may be why.
        if not problems:
            self.config = new  # who starts from now on begins with it
        await asyncio.gather(*(each.settle(not problems) for each in asked))
        self._count("refused" if problems else "accepted")
        return problems

    def _fitted(self, new: Config) -> Config:
        """The configuration without what a restart alone takes up."""
        kept = {name: getattr(self.config, name) for name in _AT_RESTART}
        stores = self.config.stores if self._moves_stores(new) else new.stores
        return self._placed(dataclasses.replace(new, **kept, stores=stores))

    def _moves_stores(self, new: Config) -> bool:
        return self._placed(new).stores.places != self.config.stores.places

    def _placed(self, config: Config) -> Config:
        """The configuration with a place for what workers share, where it names none."""
        if self._shared is None or config.stores.path is not None:
            return config
        return dataclasses.replace(config, stores=dataclasses.replace(config.stores, path=self._shared))


def shared_folder(stores: Stores, workers: int) -> SharedFolder | None:
    """Return a folder for the shared data and queues of several workers, where they need one.

    Raises ConfigError when there is no room for it.
    """
    if stores.path is not None or stores.local == "memory" or (stores.local == "auto" and workers == 1):
        return None
    try:
        return SharedFolder()
    except OSError as error:
        message = f"no folder for what workers share: {error}; give lmdb.path, or local: memory"
        raise ConfigError([Problem("", None, "wasm.stores", message)]) from error
