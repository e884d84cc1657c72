"""What a process writes, taken apart into lines for the log: bounded, however much it writes, and never held back.

A process whose output nobody takes stands still: so everything is read, and what is too much is dropped and counted.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Final

MAX_LINE_BYTES: Final = 3800
"""A longer line is cut into pieces. As in APISIX: nginx's error log takes no more in one entry."""

LINES_PER_SECOND: Final = 1000
BURST: Final = 2000

_LEVELS: Final = {
    "trace": logging.DEBUG, "debug": logging.DEBUG, "dbg": logging.DEBUG, "verbose": logging.DEBUG,
    "info": logging.INFO, "information": logging.INFO, "notice": logging.INFO,
    "warn": logging.WARNING, "warning": logging.WARNING,
    "err": logging.ERROR, "error": logging.ERROR, "crit": logging.ERROR, "critical": logging.ERROR,
    "alert": logging.ERROR, "emerg": logging.ERROR, "fatal": logging.ERROR, "panic": logging.ERROR,
    "dpanic": logging.ERROR,
}  # fmt: skip
_KEYS = ("level", "lvl", "severity", "levelname", "log.level")
_COLUMN = re.compile(r"\t(DEBUG|INFO|WARN|ERROR|DPANIC|PANIC|FATAL)\t")  # zap's console format: runners in Go


class OutputLines:
    """Calls `take` with each line, without its end; `dropped` counts those that were too many since it was read."""

    def __init__(self, take: Callable[[bytes], None], now: Callable[[], float]) -> None:
        """`now`: a clock in seconds."""
        self.dropped = 0
        self._take = take
        self._now = now
        self._rest = b""
        self._tokens = float(BURST)
        self._refilled = now()

    def feed(self, data: bytes) -> None:
        """The process has written this."""
        self._refill()
        *lines, rest = (self._rest + data).split(b"\n", int(self._tokens))
        for line in lines:
            self._cut(line)
        if (excess := rest.count(b"\n")) > 0:
            self.dropped += excess
            rest = rest[rest.rfind(b"\n") + 1 :]
        if len(rest) > MAX_LINE_BYTES:
            end = len(rest) - len(rest) % MAX_LINE_BYTES
            self._cut(rest[:end])
            rest = rest[end:]
        self._rest = rest

    def end(self) -> None:
        """It writes no more."""
        rest, self._rest = self._rest, b""
        self._cut(rest)

    def _refill(self) -> None:
        now = self._now()
        self._tokens = min(self._tokens + (now - self._refilled) * LINES_PER_SECOND, BURST)
        self._refilled = now

    def _cut(self, line: bytes) -> None:
        for start in range(0, len(line), MAX_LINE_BYTES):
            if self._tokens < 1:
                self.dropped += 1
                continue
            self._tokens -= 1
            self._take(line[start : start + MAX_LINE_BYTES].rstrip(b"\r"))


def level_of(line: str) -> int:
    """Return the level of `logging` that a line says it has: in JSON, or in a column of zap's; else INFO."""
    if line.startswith("{"):
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return logging.INFO
        return next((_level(said[key]) for key in _KEYS if key in said), logging.INFO)
    column = _COLUMN.search(line, 0, 128)
    return _LEVELS[column.group(1).lower()] if column else logging.INFO


def _level(said: object) -> int:
    if isinstance(said, str):
        return _LEVELS.get(said.lower(), logging.INFO)
    if isinstance(said, int):  # of pino and bunyan: 20 debug, 30 info, 40 warn, 50 error
        return min(max(said - 10, logging.DEBUG), logging.ERROR) // 10 * 10
    return logging.INFO
