"""When a plugin that overruns its time again and again is left alone for a while."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """So many overruns within `interval` seconds keep the plugin down for `open_time` seconds. 0: never.

    Each overrun has cost the worker a whole deadline of CPU time, which its other requests waited for.
    """

    max_overruns: int = 5
    interval: float = 60.0
    open_time: float = 30.0


class Overruns:
    """The overruns of one plugin. Times are those of `host.plugin.services.Services.now`."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._times: deque[float] = deque(maxlen=max(breaker.max_overruns, 1))

    def count(self, now: float) -> bool:
        """Note one; returns whether the circuit opens, and then begins anew."""
        self._times.append(now)
        most, interval = self._breaker.max_overruns, self._breaker.interval
        if not most or len(self._times) < most or now - self._times[0] > interval:
            return False
        self._times.clear()
        return True
