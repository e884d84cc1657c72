"""What plugins need of their surroundings, from an event loop: timers, a helper thread, the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from abi.types import LogLevel
from host.log import Log

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


class LoopServices:
    """`host.plugin.services.Services` of a worker. One thread builds VMs, so that they never crowd out the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, log: Log | None = None) -> None:
        self._loop = loop
        self._log = log
        self._builder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plugin-build")

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back on the loop."""
        return self._loop.call_later(seconds, callback)

    def in_background(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> None:
        """Run `work` on the helper thread and `done` on the loop."""

        def run() -> None:
            try:
                result: T | BaseException = work()
            except BaseException as error:
                result = error
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(done, result)

        self._builder.submit(run)

    def guest_lines(self, plugin: str, context: int, request: str, lines: list[tuple[int, bytes]]) -> None:
        """Write what a guest logged."""
        if self._log is not None:
            self._log.plugin_lines(plugin, context, request, lines)

    def event(self, level: LogLevel, message: str, plugin: str) -> None:
        """Write a line of the host's own about a plugin."""
        logger.log(_LEVELS[level], message, extra={"fields": {"plugin": plugin}})

    def close(self) -> None:
        """Build no more VMs."""
        self._builder.shutdown(wait=False, cancel_futures=True)
