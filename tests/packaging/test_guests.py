"""The committed guests are what their sources gave: told by the stamps of their builds, with no compiler.

`make plugins CHECK=1` builds the TinyGo guests and compares the bytes; this holds for every toolchain, and at once.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _build() -> ModuleType:
    specification = importlib.util.spec_from_file_location("testdata_build", ROOT / "testdata/build.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


BUILD = _build()
STAMPS = {line.split()[-1]: line for line in (ROOT / "testdata/plugins/STAMPS").read_text().splitlines()}


def test_every_guest_has_a_stamp() -> None:
    """A guest without one was never built by testdata/build.py; a stamp without a guest is left over."""
    assert sorted(STAMPS) == BUILD.names()


@pytest.mark.parametrize("name", BUILD.names())
def test_a_guest_is_built_from_its_present_sources(name: str) -> None:
    """Who changes a source, or a toolchain, commits the binary that it gives: `make plugins`."""
    assert BUILD.stamp(name) == STAMPS[name]
