"""How long to wait before the next VM, when one after the other fails."""

from __future__ import annotations

import random


class Backoff:
    """Growing pauses with jitter: none after a first failure, then `first` seconds, doubled up to `longest`.

    A failure counts as another one in a row within `longest` of the one before. Times are those of
    `host.plugin.services.Services.now`.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._in_a_row = 0
        self._failed_at = 0.0

    def count(self, now: float) -> None:
        """Note a failure."""
        is_repeated = self._in_a_row > 0 and now - self._failed_at < self._longest
        self._in_a_row = self._in_a_row + 1 if is_repeated else 1
        self._failed_at = now

    def pause(self) -> float:
        """Return the seconds to wait now: half of the pause at least, so that workers do not reload in step."""
        doublings = min(self._in_a_row - 2, 16)
        if doublings < 0:
            return 0.0
        return min(self._first * 2.0**doublings, self._longest) * random.uniform(0.5, 1.0)
