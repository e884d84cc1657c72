"""Reading the configuration anew and having it served: at a signal, at a change of its files, or when asked.

What it takes to have it served is the rollout's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from host.admin.service import AdminService
from host.config import Config
from host.config.watch import Watch
from host.errors import ConfigError
from host.rollout import Rollout

logger = logging.getLogger("sluiceway")

LOOK_INTERVAL = 1.0
"""Seconds from one look at the files to the next, as in APISIX."""


class Reloader:
    """Reloads come one after the other; who asks while one waits for its turn gets that one."""

    def __init__(
        self,
        rollout: Rollout,
        load: Callable[[], Config],
        admin: AdminService | None,
        stopping: asyncio.Event,
        count: Callable[[str], None],
    ) -> None:
        """`load` reads the configuration; where there is `admin`, its resources do. `count` is told `refused`."""
        self._rollout, self._load, self._admin = rollout, load, admin
        self._stopping, self._count = stopping, count
        self._next: asyncio.Task[list[str]] | None = None
        self._tasks: set[asyncio.Task[list[str]]] = set()

    def ask(self) -> asyncio.Task[list[str]]:
        """Return a reload that has not begun; it returns why nothing has changed, or nothing, and never raises."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._reload())
            self._tasks.add(self._next)
            self._next.add_done_callback(self._tasks.discard)
        return self._next

    async def keep_looking(self, watch: Watch) -> None:
        """Reload when files have changed, until the gateway stops."""
        while not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), LOOK_INTERVAL)
            except TimeoutError:
                await self._look(watch)

    async def _look(self, watch: Watch) -> None:
        async with (
            self._rollout.changing
        ):  # which also keeps the watch from being told of other files meanwhile
            # On a thread: a file may lie on a network, and not answer.
            changed = await asyncio.to_thread(watch.look) if watch.files else []
        for each in changed:
            logger.info("%s has changed: reloading", each)
        if changed:
            await self.ask()

    async def _reload(self) -> list[str]:
        async with self._rollout.changing:
            self._next = None
            if self._stopping.is_set():
                return ["the gateway is stopping"]
            try:
                return await self._take_up()
            except ConfigError as error:
                for problem in error.problems:
                    logger.error("%s", problem)
                logger.error("not reloaded: the configuration has %d problems", len(error.problems))
                self._count("refused")
                return [str(problem) for problem in error.problems]
            except Exception:
                logger.exception("not reloaded")
                return ["it has failed; the log says why"]

    async def _take_up(self) -> list[str]:
        """Read and roll out. Raises ConfigError for files that are of no use."""
        # On a thread: bundles of Tyk's may have to be fetched.
        if self._admin is not None:
            proposal = await asyncio.to_thread(self._admin.resources.reread)
            new = proposal.config
        else:
            proposal, new = None, await asyncio.to_thread(self._load)
        if kept := self._rollout.kept(new):
            logger.warning("changed, but taken up by a restart only: %s", ", ".join(kept))
        if problems := await self._rollout.reload(new):
            for each in problems:
                logger.error("%s", each)
            logger.error("not reloaded: the last configuration stays")
            return problems
        if self._admin is not None and proposal is not None:
            self._admin.settle(proposal)
        for workplace in self._rollout.workplaces:
            if workplace.is_up:
                logger.info("reloaded", extra={"fields": {"worker": workplace.number}})
        return []
