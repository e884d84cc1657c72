"""One coarse timer for all connections of a worker.

A timer per request costs more than parsing it, and so does a look at the clock at each of its steps. So a connection
keeps in an attribute how many sweeps it may still live through, and a sweep twice a second counts all of them down.
Starting a timeout is storing a number; it comes at most two sweeps late and never early.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

NEVER: Final = 1 << 60
INTERVAL: Final = 0.5

logger = logging.getLogger("sluiceway.http")


def sweeps(seconds: float) -> int:
    """Return the number of sweeps that take at least so many seconds, whenever the next one is due."""
    return NEVER if seconds == float("inf") else -int(-seconds // INTERVAL) + 1


class Timed(Protocol):
    """A connection with the number of sweeps it has left."""

    deadline: int

    def on_deadline(self) -> None:
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
        """Count every member down, and call those that have no sweep left."""
        due = []
        for member in self._members:
            member.deadline -= 1
            if member.deadline <= 0:
                due.append(member)
        for member in due:
            if member.deadline > 0:  # another one's end has given it more time
                continue
            member.deadline = NEVER
            try:
                member.on_deadline()
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
