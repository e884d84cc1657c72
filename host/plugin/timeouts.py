"""The time of calls in flight: thousands of them, next to none of which is over before the call has ended.

A timer for each costs more than writing its request. Calls that may take equally long come due in the order in which
they began, and few lengths are in use at once: so there is a queue for each length, with a timer for its first.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Final, Protocol

from host.plugin.services import Services, Timer

logger = logging.getLogger("sluiceway.plugin")

_RESOLUTION: Final = 0.001
"""Seconds: event loops count them in milliseconds."""


class Timed(Protocol):
    """A call. `timeout`: seconds that it may take."""

    @property
    def timeout(self) -> float: ...

    def time_out(self) -> None:
        """Its time is over; it is watched no more."""


class _Queue:
    """The calls of one length, in the order in which they are due, with the time of each."""

    __slots__ = ("due", "timer")

    def __init__(self, timer: Timer) -> None:
        self.due: dict[Timed, float] = {}
        self.timer = timer


class Timeouts:
    """Of the calls of one guest. A timer whose calls have all ended meanwhile is left to find that out."""

    __slots__ = ("_queues", "_services")

    def __init__(self, services: Services) -> None:
        self._services = services
        self._queues: dict[float, _Queue] = {}

    def watch(self, call: Timed) -> None:
        """Call its `time_out` when its time is over."""
        timeout = call.timeout
        queue = self._queues.get(timeout)
        if queue is None:
            queue = self._queues[timeout] = _Queue(self._look_in(timeout, timeout))
        queue.due[call] = self._services.now() + timeout

    def forget(self, call: Timed) -> None:
        """Watch it no more. Idempotent."""
        queue = self._queues.get(call.timeout)
        if queue is not None:
            queue.due.pop(call, None)

    def close(self) -> None:
        """Watch none any more."""
        for queue in self._queues.values():
            queue.timer.cancel()
            queue.due.clear()
        self._queues.clear()

    def _look_in(self, seconds: float, timeout: float) -> Timer:
        return self._services.call_later(seconds, partial(self._look, timeout))

    def _look(self, timeout: float) -> None:
        """The first call of this length may be due by now."""
        queue = self._queues[timeout]
        now = self._services.now()
        for call in [call for call, due in queue.due.items() if due <= now + _RESOLUTION]:
            if queue.due.pop(call, None) is not None:  # another one's end may have been its own
                _end(call)
        if queue.due:
            queue.timer = self._look_in(next(iter(queue.due.values())) - now, timeout)
        elif self._queues.get(timeout) is queue:
            del self._queues[timeout]


def _end(call: Timed) -> None:
    try:
        call.time_out()
    except Exception:
        logger.exception("the end of a call's time could not be handled")
