"""The figures as Markdown: a row per server, and each ratio beside what it should be at most."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.load.measure import Sample

Results = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that is held to a limit: CPU of `server`, less CPU of `less` if named, in units of `unit`.

    `unit` is the name of a server (a ratio of two medians), or a number of microseconds or megabytes per unit.
    """

    title: str
    limit: float
    server: str
    unit: str | float
    less: str | None = None
    memory: bool = False

    def value(self, results: Results) -> float | None:
        """Return the figure, or None where a server that it needs was not measured."""
        names = [self.server, *(name for name in (self.unit, self.less) if isinstance(name, str))]
        if any(not results.get(name) for name in names):
            return None
        samples = results[self.server]
        value = max(sample.resident for sample in samples) if self.memory else cpu(samples)
        if self.less is not None:
            value -= cpu(results[self.less])
        return value / (cpu(results[self.unit]) if isinstance(self.unit, str) else self.unit)


TARGETS: tuple[Target, ...] = (
    Target("TinyGo plugin: Sluiceway / Envoy", 0.55, "Sluiceway + TinyGo", "Envoy + TinyGo"),
    Target("TinyGo plugin / native Python filter", 1.25, "Sluiceway + TinyGo", "Sluiceway + native"),
    Target("TinyGo plugin: Sluiceway / nginx + Lua", 1.7, "Sluiceway + TinyGo", "nginx + Lua"),
    Target("standard-Go plugin: Sluiceway / Envoy", 0.55, "Sluiceway + Go", "Envoy + Go"),
    Target(
        "TinyGo plugin with a call: Sluiceway / Envoy",
        0.6,
        "Sluiceway + TinyGo with a call",
        "Envoy + TinyGo with a call",
    ),
    Target("no plugin: Sluiceway / Envoy", 0.6, "Sluiceway", "Envoy"),
    Target("each further TinyGo plugin, us", 5.0, "Sluiceway + TinyGo x8", 7.0, less="Sluiceway + TinyGo"),
    Target("10,000 routes / 10 routes", 1.1, "Sluiceway, 10,000 routes", "Sluiceway, 10 routes"),
    Target("memory of a worker with one TinyGo plugin, MB", 60.0, "Sluiceway + TinyGo", 1.0, memory=True),
)


def cpu(samples: Sequence[Sample]) -> float:
    """Return the median CPU time per request, in microseconds."""
    return median(sample.microseconds for sample in samples)


def machine() -> str:
    """Return the processor, the number of cores and the kernel of this machine."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def table(results: Results) -> Iterator[str]:
    """Yield the lines of the table of servers: medians over the rounds, spread of the CPU time, sums of errors."""
    yield "| server | CPU us/request | (least, most) | requests/s | p50 | p99 | errors | worker MB | all MB |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, samples in results.items():
        if not samples:
            continue
        times = [sample.microseconds for sample in samples]
        last = samples[-1]
        middle = sorted(samples, key=lambda sample: sample.microseconds)[len(samples) // 2]
        yield (
            f"| {name} | {median(times):.1f} | {min(times):.1f}, {max(times):.1f} "
            f"| {median(sample.rate for sample in samples):,.0f} | {middle.p50} | {middle.p99} "
            f"| {sum(sample.errors for sample in samples)} | {last.resident:.0f} | {last.resident_tree:.0f} |"
        )


def targets(results: Results) -> Iterator[str]:
    """Yield the lines of the table of ratios."""
    yield "| figure | measured | at most | |"
    yield "|---|---|---|---|"
    for target in TARGETS:
        value = target.value(results)
        if value is None:
            yield f"| {target.title} | not measured | {target.limit:g} | |"
        else:
            verdict = "met" if value <= target.limit else "**missed**"
            yield f"| {target.title} | {value:.2f} | {target.limit:g} | {verdict} |"
