"""What every file of the repository keeps to: links resolve, named commands exist, nothing of one machine is in it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _files() -> list[Path]:
    """Return the files that git tracks or would track; skip where there is no git."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = (
            subprocess.run(listing, check=True, capture_output=True, timeout=30).stdout.decode().split("\0")
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the list of the repository's files needs git and a clone")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def _texts() -> list[tuple[Path, str]]:
    """Return path and text of every text file of the repository, but for this one."""
    found = []
    for path in _files():
        if path != Path(__file__).resolve():
            try:
                found.append((path.relative_to(ROOT), path.read_text()))
            except UnicodeDecodeError:
                continue  # a binary file, such as a guest
    return found


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_make_command_of_the_documents_exists() -> None:
    """A reader types what a document names."""
    named = {
        (str(path), target)
        for path, text in _texts()
        if path.suffix == ".md" or path == Path(".ci/run")
        for target in re.findall(r"(?:`|^    |^step .* )make ([a-z][a-z-]*)", text, re.MULTILINE)
    }
    assert {target for _, target in named} >= {"run", "test", "check"}
    assert {(path, target) for path, target in named if target not in _targets()} == set()


def test_every_relative_link_of_the_documents_resolves() -> None:
    """Links to other sites are not followed: only what is in the repository can be promised."""
    broken = [
        f"{path}: {target}"
        for path, text in _texts()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target
        and not target.startswith("mailto:")
        and not (ROOT / path.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(
            r"/(?:home|Users)/[a-z][a-z0-9]*/|/root/|(?<!\})/(?:work|workspaces?|builds?|mnt|data|tmp)/[a-z]",
            id="folder-of-a-machine",
        ),
        pytest.param(
            r"pypi\.org|pythonhosted\.org|proxy\.golang\.org|registry\.npmjs\.org|repo1?\.maven\.org|static\.crates\.io"
            r"|index\.crates\.io|deb\.debian\.org",
            id="registry-host",
        ),
    ],
)
def test_nothing_of_one_machine_is_in_the_repository(pattern: str) -> None:
    """Every tool reaches its registry as the machine is set up; a path of one machine exists on no other."""
    found = [
        f"{path}:{text[: match.start()].count(chr(10)) + 1}: {match[0]}"
        for path, text in _texts()
        for match in re.finditer(pattern, text)
    ]
    assert found == []


def test_abi_imports_the_standard_library_alone() -> None:
    """Without site-packages (-S) nothing else can be imported, so that every module of abi loads by itself."""
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "abi").rglob("*.py")
    )
    assert modules
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {', '.join(modules)}"
    subprocess.run([sys.executable, "-S", "-E", "-c", program], check=True, timeout=30, cwd="/")


def test_every_requirement_is_pinned() -> None:
    """What is not in constraints.txt has another version on the next new machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    requirements = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
    ]
    names = {re.split(r"[<>=!~\[; ]", requirement)[0].lower() for requirement in requirements}
    pinned = {
        line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    assert names - pinned == set()
