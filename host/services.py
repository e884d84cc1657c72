"""What plugins need of their surroundings, from an event loop: timers, helper threads, the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from abi.types import LogLevel
from host.callouts import Callouts
from host.log import Log
from host.metrics.table import MetricsTable
from host.plugin.callouts import HttpCall
from host.plugin.foreign import ForeignFunctions
from host.plugin.grpc_call import GrpcCall
from host.plugin.services import CallInFlight, GrpcInFlight
from host.store import Stores
from host.wasm.engine import bind_thread

T = TypeVar("T")

logger = logging.getLogger("sluiceway.plugin")

_LEVELS = {
    LogLevel.TRACE: logging.DEBUG,
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.CRITICAL: logging.CRITICAL,
}

_HELPERS = 2  # a module that compiles for seconds must not keep another plugin's next VM waiting
_NICENESS = 10
_BATCH = 32


class LoopServices:
    """`host.plugin.services.Services` of a worker, and its helper threads for what would hold up the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        log: Log | None = None,
        stores: Stores | None = None,
        callouts: Callouts | None = None,
        metrics: MetricsTable | None = None,
    ) -> None:
        """Without `log` lines of guests are dropped, without `callouts` no upstream is known to them.

        `stores`: shared data and queues, of this process alone if None; they are closed with the services.
        `metrics`: where to count; without it, in memory of the process's own.
        """
        bind_thread()
        self.stores = stores if stores is not None else Stores()
        self.foreign_functions = ForeignFunctions()
        self.metrics = metrics if metrics is not None else MetricsTable()
        self.statistics: Callable[[], Mapping[str, int]] = dict  # of the worker's clients, once it has some
        self._loop = loop
        self._log = log
        self._callouts = callouts
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_coming = False
        self._lock = threading.RLock()  # the garbage collector may call `soon` in the midst of `soon`
        self._helpers = ThreadPoolExecutor(
            _HELPERS, thread_name_prefix="plugin-build", initializer=_yield_to_loop
        )

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back on the loop."""
        return self._loop.call_later(seconds, callback)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back on the loop, some callbacks in a turn. From any thread; nothing once the loop is closed."""
        with self._lock:
            self._waiting.append(callback)
            if self._is_coming:
                return
            self._is_coming = True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._run_some)

    def _run_some(self) -> None:
        # Thousands of chains may end together, behind a reload: requests have their turn in between.
        for _ in range(min(len(self._waiting), _BATCH)):
            try:
                self._waiting.popleft()()
            except Exception:
                logger.exception("what a plugin left behind could not be seen to")
        with self._lock:
            self._is_coming = bool(self._waiting)
            if self._is_coming:
                self._loop.call_soon(self._run_some)

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        """Run `work` on a helper thread and wait for its result."""
        return self._loop.run_in_executor(self._helpers, work)

    def in_background(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> None:
        """Run `work` on a helper thread and `done` on the loop; neither once the services are closed."""

        def run() -> None:
            try:
                result: T | BaseException = work()
            except BaseException as error:
                result = error
            self.soon(lambda: done(result))

        with contextlib.suppress(RuntimeError):
            self._helpers.submit(run)

    def guest_lines(self, plugin: str, context: int, request: str, lines: list[tuple[int, bytes]]) -> None:
        """Write what a guest logged."""
        if self._log is not None:
            self._log.plugin_lines(plugin, context, request, lines)

    def event(self, level: LogLevel, message: str, plugin: str) -> None:
        """Write a line of the host's own about a plugin."""
        logger.log(_LEVELS[level], message, extra={"fields": {"plugin": plugin}})

    def has_upstream(self, name: str) -> bool:
        """Whether a configuration in use has an upstream of this name or id."""
        return self._callouts is not None and name in self._callouts.directory

    def http_call(self, call: HttpCall) -> CallInFlight | None:
        """Send the call's request."""
        return self._callouts.send(call) if self._callouts is not None else None

    def grpc_call(self, call: GrpcCall) -> GrpcInFlight | None:
        """Begin a gRPC call or stream."""
        return self._callouts.begin(call) if self._callouts is not None else None

    def close(self) -> None:
        """Build no more VMs."""
        self.stores.close()
        self._helpers.shutdown(wait=False, cancel_futures=True)


def _yield_to_loop() -> None:
    """Let the loop's thread go first where both want the CPU. Linux has a niceness for each thread."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
