"""What a build lays over a plugin's go.mod, and what it says when there is no Go. A stub stands in for the compiler."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from host import config
from host.building import toolchain
from host.building.builder import Built, build
from host.building.kinds import SHIMS, Kind, Source, shims_of
from host.building.usage import usage
from host.building.workplace import GENERATED, Workplace, module_root
from host.errors import HostError


def program(folder: Path, name: str, script: str) -> Path:
    """A program of that name, a shell script."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A plugin of Kong without go.mod."""
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "main.go").write_text('package main\nimport "github.com/Kong/go-pdk"\n')
    return folder


def edits(tmp_path: Path, plugin: Path, described: dict[str, object]) -> list[str]:
    """What `go mod edit` is given for a go.mod of that content."""
    go = program(
        tmp_path,
        "go",
        f'if [ "$3" = -json ]; then echo \'{json.dumps(described)}\'; else echo "$@" > {tmp_path}/given; fi',
    )
    work = tmp_path / "work"
    work.mkdir()
    place = Workplace(work, Source.at(plugin), module_root(Source.at(plugin)), str(go), dict(os.environ))
    place.prepare(shims_of(Kind.KONG))
    return (tmp_path / "given").read_text().split()[2:-1]


def test_stand_ins_take_the_place_of_what_is_required(tmp_path: Path, plugin: Path) -> None:
    """In a module for an older Go too, with a replacement of its own, which is dropped."""
    described = {
        "Go": "1.15",
        "Toolchain": "go1.21.1",
        "Require": [{"Path": "github.com/Kong/go-pdk", "Version": "v0.9.0"}],
        "Replace": [
            {"Old": {"Path": "github.com/Kong/go-pdk", "Version": "v0.9.0"}, "New": {"Path": "../pdk"}}
        ],
    }
    assert edits(tmp_path, plugin, described) == [
        "-go=1.24",
        "-toolchain=none",
        "-dropreplace=github.com/Kong/go-pdk@v0.9.0",
        f"-replace=github.com/Kong/go-pdk={SHIMS / 'kong'}",
        "-require=sluiceway@v0.0.0",
        f"-replace=sluiceway={SHIMS / 'sluiceway'}",
        "-require=0sluiceway@v0.0.0",
        f"-replace=0sluiceway={SHIMS / 'arguments'}",
    ]


def test_a_plugin_without_go_mod_gets_one(tmp_path: Path, plugin: Path) -> None:
    """Laid over its folder."""
    assert "-require=github.com/Kong/go-pdk@v0.11.2" in edits(tmp_path, plugin, {})
    source = Source.at(plugin)
    place = Workplace(tmp_path / "work", source, plugin, "go", {})
    assert place.overlay({GENERATED: "package main\n"})[-1] == f"-overlay={tmp_path}/work/overlay.json"
    laid_over = json.loads((tmp_path / "work/overlay.json").read_text())["Replace"]
    assert laid_over == {
        f"{plugin}/{GENERATED}": f"{tmp_path}/work/{GENERATED}",
        f"{plugin}/go.mod": f"{tmp_path}/work/go.mod",
    }


def test_the_go_mod_above_is_the_plugins(tmp_path: Path, plugin: Path) -> None:
    """A runner's main lies in a folder of its module."""
    (tmp_path / "go.mod").write_text("module whole\n")
    assert module_root(Source.at(plugin)) == tmp_path


def test_without_go(tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said where to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        HostError, match=r"no go command in PATH; Go 1\.24 or newer builds plugins: get it from https"
    ):
        build(plugin, tmp_path / "x.wasm")
    assert not (tmp_path / "x.wasm").exists()


@pytest.mark.parametrize(
    ("answer", "message"), [("go1.23.4", r"is go1\.23\.4; 1\.24 is the oldest"), ("", "of no known version")]
)
def test_a_go_that_is_too_old(tmp_path: Path, answer: str, message: str) -> None:
    """It has no reactor modules."""
    go = program(tmp_path, "go", f"echo {answer}")
    with pytest.raises(HostError, match=message):
        toolchain.check_version(str(go), tmp_path, os.environ)


@pytest.mark.parametrize("answer", ["go1.24", "go1.26.8 X:nogreenteagc", "devel go1.27-abc", "go2.0"])
def test_a_go_that_can(tmp_path: Path, answer: str) -> None:
    """Whatever it adds to its version."""
    go = program(tmp_path, "go", f"echo {answer}")
    toolchain.check_version(str(go), tmp_path, os.environ)


def test_the_compilers_complaint_is_its_own(
    tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was there before stays."""
    program(
        tmp_path,
        "go",
        'case "$1" in mod) echo "{}";; env) echo go1.26;; run) echo "package main";; build) exit 1;; esac',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    output = tmp_path / "x.wasm"
    output.write_bytes(b"before")
    with pytest.raises(HostError, match="go build failed"):
        build(plugin, output)
    assert output.read_bytes() == b"before"
    assert [path.name for path in plugin.iterdir()] == ["main.go"]


@pytest.mark.parametrize(
    ("sdk", "options"),
    [
        ("github.com/proxy-wasm/proxy-wasm-go-sdk", "-target=wasip1 -buildmode=c-shared ."),
        ("github.com/tetratelabs/proxy-wasm-go-sdk", "-target=wasi -scheduler=none ."),
    ],
)
def test_tinygo(
    tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch, sdk: str, options: str
) -> None:
    """Takes what its SDK is made for."""
    (plugin / "main.go").write_text(f'package main\nimport "{sdk}/proxywasm"\n')
    program(tmp_path, "tinygo", 'echo "$@" > "$3"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    build(plugin, tmp_path / "x.wasm", tinygo=True)
    assert (tmp_path / "x.wasm").read_text().endswith(f"{options}\n")


def test_tinygo_is_for_proxy_wasm_alone(tmp_path: Path, plugin: Path) -> None:
    """The stand-ins need net/http and goroutines that wait."""
    with pytest.raises(
        HostError, match="TinyGo builds plugins of proxy-wasm; this one is for kong, which Go builds"
    ):
        build(plugin, tmp_path / "x.wasm", tinygo=True)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_configuration_that_is_shown_is_one(tmp_path: Path, plugin: Path, kind: Kind) -> None:
    """It can be served as it is."""
    built = Built(tmp_path / "plugin.wasm", kind, Source.at(plugin), 8, ["AddFooBarHeader"])
    built.output.write_bytes(b"\0asm\1\0\0\0")
    (tmp_path / "sluiceway.yaml").write_text(usage(built))
    found = config.load(tmp_path / "sluiceway.yaml")
    assert [use.name for use in found.routes[0].plugins] == ["plugin"]
