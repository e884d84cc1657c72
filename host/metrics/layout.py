"""The mapping of core/metrics.h, read: by the supervisor those of all workers, by a process its own.

Standard library only. A worker may write meanwhile: records appear whole, and values are as of about now. What makes
no sense is left out, as a mapping is what a worker, killed at any moment, has left.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_MAGIC: Final = b"SWMETR01"
_HEADER: Final = struct.Struct("<8sQQ")
_RECORD: Final = struct.Struct("<IIII")
_RECORDS_AT: Final = 64
_MOST_METRICS, _LONGEST_NAME, _LONGEST_OWNER = 16384, 1024, 256
_SLOTS_AT: Final = _RECORDS_AT + _MOST_METRICS * (_RECORD.size + _LONGEST_NAME + _LONGEST_OWNER)

BUCKETS: Final = (
    *(0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0),
    *(30_000.0, 60_000.0, 300_000.0, 600_000.0, 1_800_000.0, 3_600_000.0),
)
"""Upper bounds of a histogram's buckets: Envoy's default ones, made for milliseconds."""

_HISTOGRAM_SLOTS: Final = len(BUCKETS) + 2
_FIRST_SLOT: Final = 3 * _HISTOGRAM_SLOTS

SIZE: Final = _SLOTS_AT + 8 * (_MOST_METRICS + 3) * _HISTOGRAM_SLOTS
"""Bytes of a mapping; pages that are not in use take no memory."""


class MetricType(IntEnum):
    """As in the ABI."""

    COUNTER = 0
    GAUGE = 1
    HISTOGRAM = 2


@dataclass(frozen=True, slots=True)
class Key:
    """What makes a metric one over all workers. Plugins share their names; `is_host` tells the host's own apart."""

    type: MetricType
    name: str
    is_host: bool = False


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's values: one of a counter or a gauge; of a histogram the buckets' counts, those beyond, and the sum."""

    key: Key
    values: tuple[int, ...]

    @property
    def value(self) -> int:
        """A counter's or a gauge's value; how many samples a histogram has."""
        return sum(self.values[:-1]) if self.key.type is MetricType.HISTOGRAM else self.values[0]


def read(mapping: memoryview | bytes) -> list[Metric]:
    """Return the metrics of one worker, in the order of their definition."""
    if len(mapping) < _SLOTS_AT:
        return []
    magic, records_size, _ = _HEADER.unpack_from(mapping)
    found: list[Metric] = []
    if magic != _MAGIC:
        return found
    at, end, slot = _RECORDS_AT, min(_RECORDS_AT + records_size, _SLOTS_AT), _FIRST_SLOT
    while at + _RECORD.size <= end:
        size, type_, owner_length, name_length = _RECORD.unpack_from(mapping, at)
        name_at = at + _RECORD.size + owner_length
        if type_ > 2 or size < _RECORD.size or at + size > end or name_at + name_length > at + size:
            break
        kind = MetricType(type_)
        count = _HISTOGRAM_SLOTS if kind is MetricType.HISTOGRAM else 1
        values_at = _SLOTS_AT + 8 * slot
        if values_at + 8 * count > len(mapping):
            break
        number = "q" if kind is MetricType.GAUGE else "Q"  # a gauge may be below 0
        found.append(
            Metric(
                Key(
                    kind,
                    bytes(mapping[name_at : name_at + name_length]).decode(errors="replace"),
                    not owner_length,
                ),
                struct.unpack_from(f"<{count}{number}", mapping, values_at),
            )
        )
        slot += count
        at += size
    return found


def add_up(workers: Iterable[Iterable[Metric]]) -> list[Metric]:
    """Return the metrics of all workers together, in the order in which they are first met."""
    total: dict[Key, Metric] = {}
    for metrics in workers:
        for metric in metrics:
            known = total.get(metric.key)
            if known is not None:
                values = tuple(a + b for a, b in zip(known.values, metric.values, strict=True))
                metric = Metric(metric.key, values)
            total[metric.key] = metric
    return list(total.values())
