"""testdata/build.py notices what would make a committed binary stale, without building anything."""

import shutil
from pathlib import Path

import pytest

from testdata import build


@pytest.fixture
def testdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of testdata to change."""
    copy = tmp_path / "testdata"
    shutil.copytree(build.TESTDATA, copy, ignore=shutil.ignore_patterns("vectors", "wat", "__pycache__"))
    for name, path in {"TESTDATA": "", "PLUGINS": "plugins", "TOOLCHAINS": "toolchains"}.items():
        monkeypatch.setattr(build, name, copy / path)
    return copy


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("body", "plugins/body/main.go"),
        ("body", "plugins/body/go.sum"),
        ("body", "plugins/body/plugin.wasm"),
        ("body", "phases/phases.go"),
        ("body", "toolchains/tinygo/go.mod"),
        ("go_http_headers", "toolchains/go.sh"),
        ("rust_unknown", "plugins/rust_wasip1/src/lib.rs"),
        ("rust_wasip1", "plugins/rust_wasip1/.cargo/config.toml"),
        ("assemblyscript", "plugins/assemblyscript/package-lock.json"),
    ],
)
def test_a_change_of_any_input_changes_the_stamp(testdata: Path, name: str, changed: str) -> None:
    """Sources, shared sources, pins, toolchains and the binary itself all count."""
    before = build.stamp(name)
    with (testdata / changed).open("ab") as file:
        file.write(b"\n")
    assert build.stamp(name) != before


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("custom_response_header", "phases/phases.go"),
        ("custom_response_header", "plugins/body/main.go"),
        ("custom_response_header", "toolchains/tinygo/README.md"),
        ("go_http_headers", "toolchains/tinygo/go.mod"),
    ],
)
def test_a_change_elsewhere_leaves_the_stamp(testdata: Path, name: str, changed: str) -> None:
    """Otherwise every change would ask for a rebuild of everything."""
    before = build.stamp(name)
    with (testdata / changed).open("ab") as file:
        file.write(b"\n")
    assert build.stamp(name) == before


def test_check_names_a_guest_whose_bytes_differ(
    testdata: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A toolchain that gives other bytes fails the check, and the name is what one needs."""
    script = testdata / "toolchains" / "go.sh"
    script.write_text('#!/bin/sh\necho other >"$2"\n')
    monkeypatch.setattr("sys.argv", ["build.py", "--check", "go_http_headers"])
    assert build.main() == 1
    assert "failed: go_http_headers" in capsys.readouterr().err


def test_check_passes_when_the_bytes_are_the_same(
    testdata: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other side of the check, with a toolchain that hands out the committed binary."""
    script = testdata / "toolchains" / "go.sh"
    script.write_text('#!/bin/sh\ncp "$1/plugin.wasm" "$2"\n')
    monkeypatch.setattr("sys.argv", ["build.py", "--check", "go_http_headers"])
    assert build.main() == 0
    assert capsys.readouterr().out == "go_http_headers: the same bytes\n"


def test_a_toolchain_that_fails_is_told_with_the_name(
    testdata: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the others are built all the same."""
    (testdata / "toolchains" / "go.sh").write_text("#!/bin/sh\nexit 3\n")
    monkeypatch.setattr("sys.argv", ["build.py", "--check", "go_http_headers"])
    assert build.main() == 1
    assert "go_http_headers: " in capsys.readouterr().err
