"""Metrics as text, in Prometheus's format 0.0.4, under the names and labels that Envoy would give them.

A plugin's name becomes a family of that name, with every character that Prometheus does not allow as an underscore.
Labels are taken out of a name by the operator's `stats_tags` (Envoy's), and by Istio's habit of writing them into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from host.metrics.layout import BUCKETS, Metric, MetricType
from host.metrics.names import escape

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_]")
_STAT_PREFIX = "wasmcustom."
_VALUE_MARK, _FIELD_MARK = "=.=", ";.;"  # Istio: k=.=v;.;k=.=v;.;name


@dataclass(frozen=True, slots=True)
class StatsTag:
    """Envoy's TagSpecifier: what the first group of `regex` finds is taken out of a name, the second one is the value
    of the label (without a second one, the first is)."""

    tag_name: str
    regex: re.Pattern[str]


Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Family:
    name: str
    type: MetricType
    is_host: bool
    series: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def is_seconds(self) -> bool:
        """The host counts times in whole nanoseconds."""
        return self.is_host and "_seconds" in self.name

    @property
    def names(self) -> list[str]:
        """The names of its samples, and its own."""
        ends = ("_bucket", "_sum", "_count") if self.type is MetricType.HISTOGRAM else ()
        return [self.name, *(self.name + end for end in ends)]

    def add(self, labels: str, values: tuple[int, ...]) -> None:
        """Two names may become one series: they are one then."""
        if (known := self.series.get(labels)) is not None:
            values = tuple(a + b for a, b in zip(known, values, strict=True))
        self.series[labels] = values


class Exposition:
    """Makes the text. It keeps what it has found out about names."""

    def __init__(self, prefix: str = "wasmcustom_", tags: Sequence[StatsTag] = ()) -> None:
        """`prefix` comes before the names of plugins' metrics."""
        self._prefix = prefix
        self._tags = tuple(tags)
        self._known: dict[str, tuple[str, str]] = {}

    def text(self, metrics: Iterable[Metric]) -> str:
        """Return the text; series of one family stand together, families in the order of their names."""
        families: dict[tuple[str, MetricType, bool], _Family] = {}
        for metric in metrics:
            name, labels = self._series(metric)
            key = (name, metric.key.type, metric.key.is_host)
            if key not in families:
                families[key] = _Family(name, metric.key.type, metric.key.is_host)
            families[key].add(labels, metric.values)
        taken: set[str] = set()
        lines: list[str] = []
        for family in sorted(families.values(), key=lambda each: (not each.is_host, each.name, each.type)):
            kind = family.type
            while (
                family.name in taken
            ):  # a family has one type, and one source: another one gets its type's name
                family.name += f"_{kind.name.lower()}"
            taken.update(family.names)
            lines.append(f"# TYPE {family.name} {kind.name.lower()}")
            lines.extend(_lines(family))
        return "\n".join(lines) + "\n" if lines else ""

    def _series(self, metric: Metric) -> tuple[str, str]:
        """The family's name and the labels as text."""
        if metric.key.is_host:
            name, _, labels = metric.key.name.partition("{")
            return name, labels.removesuffix("}")
        if (known := self._known.get(metric.key.name)) is None:
            known = self._known[metric.key.name] = self._named(metric.key.name)
        return known

    def _named(self, name: str) -> tuple[str, str]:
        rest, labels = _istio_labels(name)
        rest, found = self._tagged(rest)
        listed = {_allowed(key): value for key, value in (*labels, *found)}
        listed.pop("le", None)  # a histogram's own
        text = ",".join(f'{key}="{escape(value)}"' for key, value in listed.items())
        full = self._prefix + _NOT_ALLOWED.sub("_", rest)
        return _allowed(full), text

    def _tagged(self, name: str) -> tuple[str, Labels]:
        """As in Envoy all tags look at the whole name, with its namespace, and what they find is taken out together."""
        full = _STAT_PREFIX + name
        labels: list[tuple[str, str]] = []
        cuts: list[tuple[int, int]] = []
        for tag in self._tags:
            match = tag.regex.search(full)
            if match is None or not match.re.groups or match.group(1) is None:
                continue
            labels.append((tag.tag_name, (match.group(2) if match.re.groups > 1 else None) or match.group(1)))
            cuts.append(match.span(1))
        kept = [character for at, character in enumerate(full) if not any(a <= at < b for a, b in cuts)]
        return "".join(kept).removeprefix(_STAT_PREFIX), tuple(labels)


def _istio_labels(name: str) -> tuple[str, Labels]:
    if _VALUE_MARK not in name:
        return name, ()
    rest: list[str] = []
    labels: list[tuple[str, str]] = []
    for part in name.split(_FIELD_MARK):
        key, mark, value = part.partition(_VALUE_MARK)
        if mark:
            labels.append((key.lstrip("_"), value))
        else:
            rest.append(part)
    return "".join(rest).strip("_"), tuple(labels)


def _allowed(name: str) -> str:
    """A name that Prometheus takes: of letters, digits and underscores, and no digit first."""
    clean = _NOT_ALLOWED.sub("_", name)
    return clean if clean and not clean[0].isdigit() else f"_{clean}"


def _lines(family: _Family) -> Iterator[str]:
    for labels, values in family.series.items():
        if family.type is not MetricType.HISTOGRAM:
            value = str(values[0]) if not family.is_seconds else f"{values[0] / 1e9:.9g}"
            yield f"{family.name}{{{labels}}} {value}" if labels else f"{family.name} {value}"
            continue
        before = f"{labels}," if labels else ""
        counts = list(accumulate(values[:-1]))
        for bound, count in zip([*(f"{bucket:g}" for bucket in BUCKETS), "+Inf"], counts, strict=True):
            yield f'{family.name}_bucket{{{before}le="{bound}"}} {count}'
        listed = f"{{{labels}}}" if labels else ""
        yield f"{family.name}_sum{listed} {values[-1]}"
        yield f"{family.name}_count{listed} {counts[-1]}"
