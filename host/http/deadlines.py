"""One coarse timer for all connections of a worker.

A timer per request costs more than a request's whole parsing; so a connection keeps the time of its deadline in an
attribute, and a sweep twice a second looks at all of them. A timeout may so be up to one interval late.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

NEVER: Final = float("inf")
INTERVAL: Final = 0.5

logger = logging.getLogger("sluiceway.http")


class Timed(Protocol):
    """A connection with a deadline in the clock's seconds."""

    deadline: float

    def on_deadline(self, now: float) -> None:
        """Do what is due; the deadline has been set to NEVER."""


class Deadlines:
    """The registry of timed connections. `clock` gives seconds that never go back: the loop's, or a test's."""

    __slots__ = ("_members", "_timer", "clock")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._members: set[Timed] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, member: Timed) -> None:
        """Watch the member from now on."""
        self._members.add(member)

    def discard(self, member: Timed) -> None:
        """Watch it no more."""
        self._members.discard(member)

    def __len__(self) -> int:
        return len(self._members)

    def sweep(self) -> None:
        """Call every member whose deadline has passed."""
        now = self.clock()
        for member in [member for member in self._members if member.deadline <= now]:
            member.deadline = NEVER
            try:
                member.on_deadline(now)
            except Exception:
                logger.exception("a timeout could not be handled")

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sweep at each interval until `stop`."""
        if self._timer is None:
            self._timer = loop.call_later(INTERVAL, self._run, loop)

    def stop(self) -> None:
        """Stop sweeping."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(INTERVAL, self._run, loop)
        self.sweep()
