"""The surroundings of plugins, driven by hand: a clock that stands still, work that waits, lines that are kept."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from abi.types import LogLevel
from host.metrics.table import MetricsTable
from host.plugin.callouts import HttpCall
from host.plugin.foreign import ForeignFunctions
from host.plugin.grpc_call import GrpcCall
from host.store import MemoryStore, Stores
from host.testing.calls import HostedCall
from host.testing.grpc import GuestSide, HostedGrpcCall
from host.wasm.engine import bind_thread

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PluginLine:
    """A line that a plugin logged. `context` 0 is the VM itself; `request` is "" outside of a request."""

    plugin: str
    context: int
    request: str
    level: LogLevel
    message: str


@dataclass(frozen=True, slots=True)
class HostEvent:
    """A line of the host's own about a plugin: that its VM has failed, for instance."""

    plugin: str
    level: LogLevel
    message: str


@dataclass(order=True, slots=True)
class ManualTimer:
    """A pending call, in the order of its time; equal times keep the order in which they were asked for."""

    due: float
    number: int
    callback: Callable[[], None] = field(compare=False)
    is_cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Forget the call."""
        self.is_cancelled = True


class ManualServices:
    """`host.plugin.services.Services` in the hands of a test. Its clock begins at 0."""

    def __init__(self, stores: Stores | None = None) -> None:
        """`stores`: shared data and queues, of their own if None."""
        bind_thread()
        self.stores = stores if stores is not None else Stores()
        self.metrics = MetricsTable()
        self.foreign_functions = ForeignFunctions()
        self._now = 0.0
        self._set_time(0.0)
        self.lines: list[PluginLine] = []
        self.events: list[HostEvent] = []
        self.calls: list[HostedCall] = []
        self.grpc_calls: list[HostedGrpcCall] = []
        self.upstreams: Collection[str] | None = None  # None: there is one of any name
        self.after: Callable[[], None] = self.run_soon  # called behind what a test does to a call
        self._timers: list[ManualTimer] = []
        self._numbers = itertools.count()
        self._soon: deque[Callable[[], None]] = deque()
        self._background: deque[Callable[[], None]] = deque()

    def now(self) -> float:
        """Seconds that have passed."""
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> ManualTimer:
        """Call back when the clock has advanced that far."""
        timer = ManualTimer(self._now + seconds, next(self._numbers), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def soon(self, callback: Callable[[], None]) -> None:
        """Keep the callback until `run_soon`."""
        self._soon.append(callback)

    def in_background(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> None:
        """Keep the work until `run_background`."""

        def run() -> None:
            result: T | BaseException
            try:
                result = work()
            except Exception as error:
                result = error
            done(result)

        self._background.append(run)

    def guest_lines(self, plugin: str, context: int, request: str, lines: list[tuple[int, bytes]]) -> None:
        """Keep the lines."""
        for level, message in lines:
            text = message.decode(errors="backslashreplace")
            self.lines.append(PluginLine(plugin, context, request, LogLevel(level), text))

    def event(self, level: LogLevel, message: str, plugin: str) -> None:
        """Keep the event."""
        self.events.append(HostEvent(plugin, level, message))

    def has_upstream(self, name: str) -> bool:
        """Whether the test has an upstream of this name."""
        return self.upstreams is None or name in self.upstreams

    def http_call(self, call: HttpCall) -> HostedCall:
        """Keep the call until the test ends it."""
        return HostedCall(call, self.calls, lambda: self.after())

    @property
    def memory(self) -> MemoryStore:
        """The store of the shared data and queues, which follows this clock. Raises TypeError for another kind."""
        if not isinstance(self.stores.local, MemoryStore):
            raise TypeError("these stores keep nothing in memory")
        return self.stores.local

    def grpc_call(self, call: GrpcCall) -> GuestSide:
        """Keep the call or stream until the test ends it."""
        return GuestSide(HostedGrpcCall(call, self.grpc_calls, self.call_later, lambda: self.after()))

    @property
    def next_due(self) -> float | None:
        """When the next timer is due, on this clock; None when there is none."""
        while self._timers and self._timers[0].is_cancelled:
            heapq.heappop(self._timers)
        return self._timers[0].due if self._timers else None

    def run_soon(self) -> None:
        """Make the calls that wait for guests to return, and those that come of them."""
        while self._soon:
            self._soon.popleft()()

    def run_background(self) -> int:
        """Run what waits, and what comes of it; returns how many pieces of work that were."""
        count = 0
        while self._background:
            self._background.popleft()()
            count += 1
        return count

    def run_due(self, until: float) -> bool:
        """Run the next timer that is due by then, at its time. False when there is none: the clock is at `until`."""
        due = self.next_due
        if due is None or due > until:
            self._set_time(until)
            return False
        self._set_time(due)
        heapq.heappop(self._timers).callback()
        return True

    def _set_time(self, now: float) -> None:
        self._now = max(self._now, now)
        if isinstance(self.stores.local, MemoryStore):
            self.stores.local.set_time(self._now)
