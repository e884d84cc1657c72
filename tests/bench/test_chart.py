"""The table and the chart of the comparison of kinds, made of fixed numbers; and the configuration that is measured."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from bench.chart.kinds import KINDS, configuration
from bench.chart.report import Row, row, svg, table
from bench.load.measure import Sample
from host import config

ROWS = (
    Row("Python, in the gateway", rate=12000.0, p50="3.9ms", p99="8.1ms", cpu=80.0),
    Row("<wasm> & more", rate=10500.4, p50="4.4ms", p99="9ms", cpu=92.6, errors=3),
    Row("another process", rate=3000.0, p50="16ms", p99="40ms", cpu=400.0, others=150.0),
    Row("absent", why="no compiler"),
)
SVG = "{http://www.w3.org/2000/svg}"


def sample(rate: float, microseconds: float, errors: int = 0) -> Sample:
    """A round."""
    return Sample(microseconds, rate, f"{rate}ms", f"{rate * 2}ms", errors, 50.0, 60.0, 1000)


def test_the_table_has_a_row_for_each_kind() -> None:
    """Also for one that was not measured: it is said, and why."""
    assert list(table(ROWS))[2:] == [
        "| Python, in the gateway | 12,000 | 3.9ms | 8.1ms | 80 | 0 | 0 |",
        "| <wasm> & more | 10,500 | 4.4ms | 9ms | 93 | 0 | 3 |",
        "| another process | 3,000 | 16ms | 40ms | 400 | 150 | 0 |",
        "| absent | not measured: no compiler | | | | | |",
    ]


def test_a_row_is_the_median_of_its_rounds() -> None:
    """One round that a neighbour has disturbed does not count."""
    rounds = [(sample(100, 50), 10.0), (sample(900, 5, errors=2), 2.0), (sample(300, 20, errors=1), 4.0)]
    expected = Row("x", rate=300, p50="300ms", p99="600ms", cpu=20, others=4.0, errors=3)
    assert row("x", rounds) == expected


def test_bars_are_in_proportion_and_begin_at_zero() -> None:
    """Whoever measures them with a ruler gets the figures."""
    drawn = ElementTree.fromstring(svg(ROWS, "caption"))
    bars = [
        (float(each.attrib["x"]), float(each.attrib["width"]))
        for each in drawn.iter(f"{SVG}rect")
        if each.attrib["height"] == "18"
    ]
    rates, own, others = bars[0::3], bars[1::3], bars[2::3]
    assert len({left for left, _ in rates}) == 1
    assert [width for _, width in rates] == [230.0, 201.3, 57.5]
    assert [width for _, width in own] == [46.0, 53.2, 143.8]
    assert [width for _, width in others] == [0.0, 0.0, 86.2]
    assert all(right[0] == left[0] + left[1] for left, right in zip(own, others, strict=True))


def test_the_chart_names_what_it_shows() -> None:
    """Titles are text, and not markup; one that was not measured has no bar, and is not in it."""
    drawn = ElementTree.fromstring(svg(ROWS, "2026-11-27, wrk"))
    texts = [each.text for each in drawn.iter(f"{SVG}text")]
    assert {"Python, in the gateway", "<wasm> & more", "another process", "2026-11-27, wrk"} <= set(texts)
    assert {"12,000", "400", "requests/s (more is better)", "CPU us/request (less is better)"} <= set(texts)
    assert "absent" not in texts


def test_a_chart_of_nothing_is_a_chart() -> None:
    """No kind could be measured: no division by zero."""
    assert len(ElementTree.fromstring(svg(ROWS[3:], ""))) > 0


def test_the_configuration_has_a_route_for_each_kind(tmp_path: Path) -> None:
    """What is measured is what a gateway takes."""
    program = tmp_path / "program"
    program.write_bytes(b"")
    whole = configuration([(kind, program) for kind in KINDS], 9080, 1980)
    loaded = config.loads(json.dumps(whole))
    assert [route.uris for route in loaded.routes] == [(f"/{kind.route}",) for kind in KINDS]
