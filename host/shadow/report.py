"""What is told of shadows: a metric for each result, log lines for some differences, and a file with all of them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from host.metrics.table import MetricsTable
from host.shadow.comparison import Result, Shadowing, Subject
from host.shadow.effects import Difference

logger = logging.getLogger("sluiceway.shadow")

_LOG_INTERVAL: Final = 1.0  # seconds between two log lines about one plugin and its shadow
_MOST_DIFFERENCES: Final = 32
_MOST_BYTES: Final = 64 << 20


class LineSink(Protocol):
    """Where lines of reports go."""

    def write(self, line: bytes) -> None:
        """Take a line with its line feed; must not wait or raise."""


class Reporter:
    """Tells of comparisons; to be called on the loop."""

    def __init__(
        self, metrics: MetricsTable, clock: Callable[[], float], sink: LineSink | None = None
    ) -> None:
        """`sink`: takes a line of JSON for each exchange that differs, 64 MiB at most."""
        self._metrics = metrics
        self._clock = clock
        self._sink = sink
        self._written = 0
        self._logged: dict[tuple[str, str], float] = {}
        self._unsaid: dict[tuple[str, str], int] = {}

    def __call__(
        self, shadowing: Shadowing, result: Result, subject: Subject, differences: list[Difference]
    ) -> None:
        """Tell of one exchange."""
        labels = {"plugin": shadowing.used, "shadow": shadowing.other, "result": result}
        self._metrics.counter("plugin_shadow_requests_total", labels).add()
        if differences:
            self._log(shadowing, subject, differences)
            self._write(shadowing, subject, differences)

    def _log(self, shadowing: Shadowing, subject: Subject, differences: list[Difference]) -> None:
        key, now = (shadowing.used, shadowing.other), self._clock()
        if now - self._logged.get(key, -_LOG_INTERVAL) < _LOG_INTERVAL:
            self._unsaid[key] = self._unsaid.get(key, 0) + 1
            return
        self._logged[key] = now
        more = f", and {count} requests since the last line" if (count := self._unsaid.pop(key, 0)) else ""
        logger.warning(
            "shadow %s differs from %s on %s %s: %s%s",
            shadowing.other,
            shadowing.used,
            subject.method,
            subject.path,
            "; ".join(map(str, differences[:3])) + ("; …" if len(differences) > 3 else ""),
            more,
            extra={"fields": {"plugin": shadowing.used, "request": subject.request_id}},
        )

    def _write(self, shadowing: Shadowing, subject: Subject, differences: list[Difference]) -> None:
        if self._sink is None or self._written > _MOST_BYTES:
            return
        row = {
            "time": round(time.time(), 3),
            "plugin": shadowing.used,
            "shadow": shadowing.other,
            "request_id": subject.request_id,
            "method": subject.method,
            "path": subject.path,
            "differences": [
                {"what": each.what, "used": each.used, "other": each.other}
                for each in differences[:_MOST_DIFFERENCES]
            ],
        }
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        self._written += len(line)
        self._sink.write(line)
        if self._written > _MOST_BYTES:
            logger.warning("the report of shadows has reached its size: no more differences are written")
