"""The figures as a table in Markdown and as bars in SVG. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from bench.load.measure import Sample


@dataclass(frozen=True, slots=True)
class Row:
    """One kind. Rates are requests per second, latencies as wrk writes them, CPU times microseconds per request.

    `others`: of `cpu`, what processes other than the gateway's spent. `why`: it was not measured, for this reason.
    """

    title: str
    rate: float = 0.0
    p50: str = ""
    p99: str = ""
    cpu: float = 0.0
    others: float = 0.0
    errors: int = 0
    why: str = ""


def row(title: str, samples: Sequence[tuple[Sample, float]]) -> Row:
    """Return the row of a kind from its rounds, each with the CPU time per request of other processes: medians."""
    middle = sorted((sample for sample, _ in samples), key=lambda sample: sample.rate)[len(samples) // 2]
    return Row(
        title,
        rate=median(sample.rate for sample, _ in samples),
        p50=middle.p50,
        p99=middle.p99,
        cpu=median(sample.microseconds for sample, _ in samples),
        others=median(others for _, others in samples),
        errors=sum(sample.errors for sample, _ in samples),
    )


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| plugin | requests/s | p50 | p99 | CPU us/request | of it in other processes | errors |"
    yield "|---|---|---|---|---|---|---|"
    for each in rows:
        if each.why:
            yield f"| {each.title} | not measured: {each.why} | | | | | |"
        else:
            yield (
                f"| {each.title} | {each.rate:,.0f} | {each.p50} | {each.p99} "
                f"| {each.cpu:.0f} | {each.others:.0f} | {each.errors} |"
            )


_LABELS, _BARS, _GAP, _LINE, _TOP = 230, 230, 80, 26, 64
_WIDTH = _LABELS + 2 * (_BARS + _GAP)
_GATEWAY, _OTHERS, _INK = "#2f6f9f", "#d98e32", "#1f2328"


def svg(rows: Sequence[Row], caption: str) -> str:
    """Return the chart: of each kind its rate, and its CPU time with the share of other processes."""
    measured = [each for each in rows if not each.why]
    height = _TOP + _LINE * len(measured) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="12" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(10, 20, "A response field set by each kind of plugin", weight="bold"),
        _text(_LABELS, 46, "requests/s (more is better)"),
        _text(_LABELS + _BARS + _GAP, 46, "CPU us/request (less is better)"),
    ]
    rate = _scale(each.rate for each in measured)
    cpu = _scale(each.cpu for each in measured)
    for number, each in enumerate(measured):
        top = _TOP + _LINE * number
        left = _LABELS + _BARS + _GAP
        own = cpu(each.cpu - each.others)
        parts += [
            _text(10, top + 13, each.title),
            _bar(_LABELS, top, rate(each.rate), _GATEWAY),
            _text(_LABELS + rate(each.rate) + 6, top + 13, f"{each.rate:,.0f}"),
            _bar(left, top, own, _GATEWAY),
            _bar(left + own, top, cpu(each.others), _OTHERS),
            _text(left + cpu(each.cpu) + 6, top + 13, f"{each.cpu:,.0f}"),
        ]
    bottom = height - 12
    parts += [
        _bar(_LABELS + _BARS + _GAP, bottom - 12, 12, _GATEWAY, 12),
        _text(_LABELS + _BARS + _GAP + 18, bottom - 1, "the gateway"),
        _bar(_LABELS + _BARS + _GAP + 100, bottom - 12, 12, _OTHERS, 12),
        _text(_LABELS + _BARS + _GAP + 118, bottom - 1, "other processes"),
        _text(10, bottom - 1, caption),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _scale(values: Iterator[float]) -> Callable[[float], float]:
    """Return what turns a value into the length of a bar; the bars begin at 0."""
    most = max(values, default=0.0) or 1.0
    return lambda value: round(max(value, 0.0) / most * _BARS, 1)


def _bar(x: float, y: float, width: float, colour: str, height: float = _LINE - 8) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-weight="{weight}">{escape(text)}</text>'
