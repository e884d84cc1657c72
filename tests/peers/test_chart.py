"""The comparison of kinds, end to end in its short form: every kind does its work, and the chart is written."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench.chart.kinds import KINDS
from bench.load.servers import ROOT

pytestmark = pytest.mark.builds_peers


@pytest.mark.timeout(600)  # the first time, peers are built
def test_the_short_form_measures_every_kind(nginx_binary: Path, wrk: Path, tmp_path: Path) -> None:
    """No figure is asserted: that there is one for each, without an error."""
    command = [sys.executable, "-m", "bench.chart", "--short", "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=590, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    table = (tmp_path / "chart.md").read_text()
    assert table == done.stdout
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row[0].removeprefix("| ") for row in rows] == [kind.title for kind in KINDS]
    assert all(float(row[4]) > 0 and row[6] == "0 |" for row in rows)
    assert ElementTree.parse(tmp_path / "chart.svg").getroot().tag.endswith("svg")
