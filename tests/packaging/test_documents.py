"""What the README shows is what is there: its programs run, and its files are those of the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", [text for language, text in BLOCKS if language == "python"])
def test_a_program_of_the_readme_runs(program: str) -> None:
    """Its assertions hold, in a process of its own that starts where the reader does."""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=50, cwd=ROOT)


def test_the_readme_shows_the_quickstart_as_it_is() -> None:
    """A copy that differs would be tried by a reader, and by no test."""
    shown = [text for language, text in BLOCKS if language == "yaml"]
    assert shown == [
        (ROOT / "examples/quickstart" / name).read_text() for name in ("config.yaml", "apisix.yaml")
    ]
