"""What plugins under test have counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from host.metrics.layout import BUCKETS, Metric, MetricType


@dataclass(frozen=True, slots=True)
class Histogram:
    """Samples: how many, their sum, and how many lie in each bucket, by its upper bound (not added up)."""

    count: int
    sum: int
    buckets: Mapping[float, int]


class Metrics(Mapping[str, int | Histogram]):
    """The metrics by the names that plugins gave them: a number for a counter or a gauge, else a `Histogram`.

    Where one name has several types, the first that was defined is meant.
    """

    def __init__(self, read: Callable[[], list[Metric]]) -> None:
        self._read = read

    def _by_name(self) -> dict[str, Metric]:
        return {each.key.name: each for each in reversed(self._read()) if not each.key.is_host}

    def __getitem__(self, name: str) -> int | Histogram:
        metric = self._by_name()[name]
        if metric.key.type is not MetricType.HISTOGRAM:
            return metric.value
        *counts, total = metric.values
        return Histogram(metric.value, total, dict(zip([*BUCKETS, float("inf")], counts, strict=True)))

    def __iter__(self) -> Iterator[str]:
        return reversed(self._by_name())

    def __len__(self) -> int:
        return len(self._by_name())

    def __repr__(self) -> str:
        return f"<Metrics {dict(self)}>"
