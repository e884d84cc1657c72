"""How long a process that has ended stays down. No clock and no process in here."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 30.0
"""Seconds between two starts at most."""

HEALTHY: Final = 60.0
"""Seconds after which an end is no longer held to be one of a series."""

CANNOT_RUN: Final = (126, 127)
"""Statuses that say, as of a shell, that the command cannot be run: trying again soon is of no use."""


class Restarts:
    """`pause` seconds before the first restart, twice as many before each further one."""

    def __init__(self, pause: float) -> None:
        self._first = pause
        self._pause = 0.0

    def after(self, status: int, lived: float) -> float:
        """Return for how many seconds to wait, after an end with this status and so many seconds of life."""
        if status in CANNOT_RUN:
            return LONGEST
        if lived >= HEALTHY:
            self._pause = 0.0
        self._pause = min(max(self._first, self._pause * 2), LONGEST)
        return self._pause
