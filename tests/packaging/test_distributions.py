"""What the sdist and the wheel hold. `make wheel` installs both; here is what an installation would not show."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of the sources so that nothing of the work tree's builds is in it."""
    return zipfile.ZipFile(_build(tmp_path_factory.mktemp("wheel"), "--wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the sdist's files, without the leading folder."""
    with tarfile.open(_build(tmp_path_factory.mktemp("sdist"), "--sdist")) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def _build(folder: Path, kind: str) -> Path:
    source = folder / "source"
    _copy_tracked(source)
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        kind,
        "--outdir",
        str(folder / "dist"),
        str(source),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (built,) = (folder / "dist").iterdir()
    return built


def _copy_tracked(target: Path) -> None:
    """Copy what git tracks or would track; where there is no git, as in an unpacked sdist, skip."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = (
            subprocess.run(listing, check=True, capture_output=True, timeout=30).stdout.decode().split("\0")
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the list of the repository's files needs git and a clone")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())


def test_the_wheel_installs_host_and_abi_alone(wheel: zipfile.ZipFile) -> None:
    """Another top-level name would overwrite another distribution's without a word."""
    (top_level,) = (name for name in wheel.namelist() if name.endswith("top_level.txt"))
    assert sorted(wheel.read(top_level).decode().split()) == ["abi", "host"]
    folders = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"abi", "host"}


def test_the_wheel_holds_the_core_for_every_python_from_3_11(wheel: zipfile.ZipFile) -> None:
    """The core is built against the stable ABI, and the tag of the wheel says so."""
    assert "host/_core.abi3.so" in wheel.namelist()
    assert "-cp311-abi3-" in Path(str(wheel.filename)).name


def test_the_wheel_holds_no_sources_of_the_core(wheel: zipfile.ZipFile) -> None:
    """C sources and what builds them are of no use where the core is built."""
    assert [name for name in wheel.namelist() if name.startswith("host/core/")] == []
    assert [name for name in wheel.namelist() if name.endswith((".c", ".h", ".o"))] == []


def test_the_wheel_is_typed(wheel: zipfile.ZipFile) -> None:
    """A type checker believes the annotations of a package that has py.typed (PEP 561)."""
    assert {"abi/py.typed", "host/py.typed"} <= set(wheel.namelist())


def test_the_wheel_holds_every_module(wheel: zipfile.ZipFile) -> None:
    """A folder without __init__.py is not found by setuptools, and its modules would be missing without a word."""
    modules = {
        str(path.relative_to(ROOT))
        for package in ("abi", "host")
        for path in (ROOT / package).rglob("*.py")
        if not path.is_relative_to(ROOT / "host/core")
    }
    assert modules - set(wheel.namelist()) == set()


def test_the_metadata_tells_name_version_and_licence(wheel: zipfile.ZipFile) -> None:
    """pyproject.toml is the one place of the version."""
    (path,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = wheel.read(path).decode()
    assert f"Name: sluiceway\nVersion: {PROJECT['version']}\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_sdist_builds_and_tests_alone(sdist: set[str]) -> None:
    """It holds the sources of the core, the guests, the tests and the Makefile with what that needs."""
    assert {
        *(
            "Makefile",
            "constraints.txt",
            "pyproject.toml",
            "setup.py",
            "scripts/find-python",
            "LICENSE",
            "README.md",
        ),
        *("host/core/build.py", "host/core/core.h", "host/core/types.cdef.h"),
        "testdata/plugins/custom_response_header/plugin.wasm",
        "tests/packaging/test_distributions.py",
        "examples/quickstart/apisix.yaml",
    } <= sdist


def test_the_sdist_holds_nothing_that_was_built(sdist: set[str]) -> None:
    """A stale shared object would be taken for the core."""
    assert [name for name in sdist if name.endswith((".so", ".o", ".pyc"))] == []


def test_the_installed_version_is_that_of_the_project() -> None:
    """`make venv` installs anew when pyproject.toml changes."""
    assert importlib.metadata.version("sluiceway") == PROJECT["version"]
