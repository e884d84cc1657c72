"""Lines about failures: when another process is gone, every request has one, and one a second says it all."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

_SECOND: Final = 1.0


class Complaints:
    """Of one plugin, in one place."""

    def __init__(self, plugin: str, log: logging.Logger, level: int = logging.ERROR) -> None:
        self._plugin = plugin
        self._log, self._level = log, level
        self._kept = 0
        self._waits = False

    def tell(self, reason: str) -> None:
        """Write the line; within a second of the last one, count it for the next."""
        if self._waits:
            self._kept += 1
            return
        self._write(reason)
        self._waits = True
        asyncio.get_running_loop().call_later(_SECOND, self._go_on)

    def _go_on(self) -> None:
        self._waits = False
        if self._kept:
            kept, self._kept = self._kept, 0
            self.tell(f"{kept} further failures within a second")

    def _write(self, reason: str) -> None:
        self._log.log(self._level, "%s", reason, extra={"fields": {"plugin": self._plugin}})
