"""docs/testing-your-plugin.md shows the tests of examples/testing, and these run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/testing/test_plugins.py"


def test_the_page_shows_the_examples_as_they_are() -> None:
    """All of them: a copy that differs would be tried by a reader, and by no test."""
    page = (ROOT / "docs/testing-your-plugin.md").read_text()
    shown = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    parts = re.split(r"^# \[\w+\]\n", EXAMPLE.read_text().partition('"""\n\n')[2], flags=re.MULTILINE)
    assert [text.strip() for text in shown] == [part.strip() for part in parts if part.strip()]


def test_the_examples_run_as_a_reader_runs_them() -> None:
    """With the fixtures that the distribution brings."""
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = len(re.findall(r"^def test_", EXAMPLE.read_text(), re.MULTILINE))
    assert f"{tests} passed" in done.stdout
