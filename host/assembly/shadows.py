"""Shadows of plugins: chains of their own, and the taps around the plugins that they are compared with."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from host.chain import FilterChain, Placed
from host.config import PluginUse
from host.config import Shadow as ShadowConfig
from host.filters.python import PythonFilterAdapter
from host.log import LogFile
from host.services import LoopServices
from host.shadow.comparison import Shadowing
from host.shadow.report import Reporter
from host.shadow.taps import taps

logger = logging.getLogger("sluiceway.shadow")

_BLOCK: Final = 64 * 1024


class Shadows:
    """What a worker's shadows report to."""

    def __init__(self, services: LoopServices) -> None:
        self._services = services
        self._file: LogFile | None = None
        self._reporter = Reporter(services.metrics, services.now)

    def report_to(self, path: Path | None) -> None:
        """Write what differs to this file from now on; one that cannot be opened is told."""
        if (str(path) if path is not None else None) == (self._file.path if self._file is not None else None):
            return
        self.close()
        if path is not None:
            try:
                self._file = LogFile(str(path), _BLOCK, self._services.call_later)
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else error
                logger.error("the report of shadows %s cannot be opened: %s", path, reason)
        self._reporter = Reporter(self._services.metrics, self._services.now, self._file)

    def around(
        self, placed: Sequence[Placed], use: PluginUse, shadow: ShadowConfig, chain: FilterChain
    ) -> list[Placed]:
        """Return the filters of a use with taps around each. `chain`: of the shadow."""
        shadowing = Shadowing(
            use.name,
            shadow.use.name,
            chain,
            lambda *told: self._reporter(*told),
            self._services.call_later,
            shadow.sample,
            shadow.timeout,
            frozenset(name.encode() for name in shadow.ignore_headers),
        )
        found = []
        for part, pair in zip(placed, taps(shadowing, len(placed)), strict=True):
            before, behind = (
                dataclasses.replace(
                    part,
                    filter=PythonFilterAdapter(tap),
                    name=f"{shadow.use.name}, shadow of {use.name}: {side}",
                )
                for tap, side in zip(pair, ("before", "behind"), strict=True)
            )
            found += [before, part, behind]
        return found

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._file.close()
            self._file = None
