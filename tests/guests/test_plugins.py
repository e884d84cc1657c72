"""The committed guests: complete, in step with their sources, and of the shapes that the README of testdata tells."""

from pathlib import Path

import pytest

from abi import ALLOCATORS, AbiVersion, WasmFile
from testdata import build

TINYGO = {name for name in build.names() if build.toolchain(name) == "tinygo"}

# What the guests of other compilers and build modes begin with; the others have _start.
START = {
    "go_http_headers": "_initialize",
    "go_response_header": "_initialize",
    "jwt_auth": "_initialize",
    "grpc_check": "_initialize",
    "rust_response_header": "_initialize",
    "rust_wasip1": "_initialize",
    "rust_unknown": "_initialize",
    "assemblyscript": None,
    "tinygo_cshared": "_initialize",
}
VERSION = {
    "lifecycle": AbiVersion.V0_2_1,
    "grpc_check": AbiVersion.V0_2_1,
    "rust_response_header": AbiVersion.V0_2_1,
    "rust_wasip1": AbiVersion.V0_2_1,
    "rust_unknown": AbiVersion.V0_2_1,
}


def parse(name: str) -> WasmFile:
    return WasmFile.parse((build.PLUGINS / name / "plugin.wasm").read_bytes())


@pytest.mark.parametrize("name", build.names())
def test_a_guest_has_source_dependencies_and_binary(name: str) -> None:
    """A binary that no one can rebuild is of no use: the source and the pins of what it imports are with it."""
    expected = {
        "tinygo": {"main.go", "go.mod", "plugin.wasm"},
        "go": {"main.go", "go.mod", "go.sum", "plugin.wasm"},
        "rust": {"Cargo.toml", "Cargo.lock", "plugin.wasm"},
        "assemblyscript": {"index.ts", "package.json", "package-lock.json", "plugin.wasm"},
    }[build.toolchain(name)]
    assert expected <= {path.name for path in (build.PLUGINS / name).iterdir()}


def test_binaries_are_in_step_with_their_sources() -> None:
    """A source, a pin or a toolchain was changed and the guest not rebuilt: run `make plugins` for the names shown."""
    stamps = build.STAMPS.read_text().splitlines()
    assert [line for line in map(build.stamp, build.names()) if line not in stamps] == []
    assert len(stamps) == len(build.names())


@pytest.mark.parametrize("name", build.names())
def test_a_guest_declares_its_abi_version(name: str) -> None:
    """One marker, of the version that the guest's SDK speaks."""
    file = parse(name)
    assert file.abi_version is VERSION.get(name, AbiVersion.V0_2_0)
    assert len(file.abi_markers) == 1


@pytest.mark.parametrize("name", build.names())
def test_a_guest_has_an_allocator_and_the_start_of_its_toolchain(name: str) -> None:
    """The start function decides how a host sets a guest going, so the set has to hold every shape."""
    file = parse(name)
    assert any(file.exported_function(allocator) for allocator in ALLOCATORS)
    starts = [start for start in ("_initialize", "_start") if file.exported_function(start)]
    expected = START.get(name, "_start")
    assert starts == ([] if expected is None else [expected])


def test_assemblyscript_starts_in_its_start_section() -> None:
    """The one guest that is under way before any export is called."""
    assert parse("assemblyscript").start is not None


def test_tinygo_stock_imports_proc_exit_and_custom_response_header_does_not() -> None:
    """The difference between the two build modes, and the reason why both are here."""
    exits = {
        name: any(row.name == "proc_exit" for row in parse(name).imports)
        for name in ("custom_response_header", "tinygo_stock")
    }
    assert exits == {"custom_response_header": False, "tinygo_stock": True}


def test_the_assemblyscript_guest_takes_wasi_under_its_first_name() -> None:
    """Hosts that link wasi_snapshot_preview1 alone refuse it."""
    modules = {row.module for row in parse("assemblyscript").imports}
    assert modules == {"env", "wasi_unstable"}


def test_rust_for_unknown_takes_nothing_from_wasi() -> None:
    """Hosts that give no WASI at all take it."""
    assert {row.module for row in parse("rust_unknown").imports} == {"env"}


@pytest.mark.parametrize("name", ["trap", "endless_loop", "memory_bomb", "rust_wasip1", "go_http_headers"])
def test_a_guest_that_traps_has_function_names(name: str) -> None:
    """Backtraces without names would tell a plugin's author nothing."""
    assert len(parse(name).function_names) > 50


@pytest.mark.parametrize("name", build.names())
def test_a_binary_holds_no_path_of_the_machine_that_built_it(name: str) -> None:
    """Paths make builds differ from one folder to the next."""
    data = (build.PLUGINS / name / "plugin.wasm").read_bytes()
    folders = (build.TESTDATA.as_posix(), Path.home().as_posix() + "/", "/tmp/")
    assert [folder for folder in folders if folder.encode() in data] == []


@pytest.mark.parametrize("name", sorted(TINYGO - {"lifecycle"}))
def test_tinygo_guests_take_one_version_of_the_sdk(name: str) -> None:
    """One version to know; another would be a guest of its own."""
    assert "github.com/tetratelabs/proxy-wasm-go-sdk v0.24.0" in (build.PLUGINS / name / "go.mod").read_text()


def test_the_readme_lists_every_guest() -> None:
    """The table is how people find them."""
    readme = (build.TESTDATA / "README.md").read_text()
    assert [name for name in build.names() if f"| {name} |" not in readme] == []
