"""What the C core declares of wasmtime's C API is what the installed version has.

The wheel ships the library without its headers. Layouts and prototypes are compared with the ctypes declarations that
wasmtime-py generates from them, and with the headers themselves where these are at hand: they are in the crate
wasmtime-c-api-impl, which `make sanitize` fetches with cargo (WASMTIME_HEADERS=fetch).
"""

import ctypes
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from wasmtime import _bindings

ROOT = Path(__file__).parents[2]
CORE = ROOT / "host/core"
PROBE = Path(__file__).with_name("layouts.c")
VERSION = version("wasmtime")
HEADERS = ROOT / ".cache" / f"wasmtime-headers-{VERSION}"


def _table() -> str:
    """The macro that lists the functions, as engine.h has it."""
    found = re.search(
        r"#define SW_ENGINE_FUNCTIONS\(X\).*?[^\\]\n", (CORE / "engine.h").read_text(), re.DOTALL
    )
    assert found
    return found.group()


def _functions() -> dict[str, tuple[str, list[str]]]:
    """Name to result type and parameter types, as C text."""
    text = _table().replace("\\\n", " ")
    rows = re.findall(r"X\(([^,]+), (\w+),\s*\(((?:[^()]|\([^()]*\))*)\)\)", text)
    return {name: (result, re.split(r",\s*(?![^()]*\))", parameters)) for result, name, parameters in rows}


def _kind(declared: str) -> str:
    """What a C type is to a caller: a pointer, or a number of some size."""
    if "*" in declared or declared in ("sw_unchecked_callback", "sw_epoch_callback"):
        return "pointer"
    return {"size_t": "uint64_t"}.get(declared, declared)


def _kind_of_ctype(declared: Any) -> str:
    if declared is None:
        return "void"
    if declared is ctypes.c_bool:
        return "bool"
    if declared is ctypes.c_void_p or issubclass(declared, (ctypes._Pointer, ctypes._CFuncPtr)):
        return "pointer"
    sign = "" if declared(-1).value < 0 else "u"
    return f"{sign}int{8 * ctypes.sizeof(declared)}_t"


def _print_layouts(folder: Path, *arguments: str) -> dict[str, int]:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    program = folder / "layouts"
    subprocess.run(["gcc", "-std=gnu11", "-Werror", *arguments, PROBE, "-o", program], check=True, timeout=60)
    printed = subprocess.run([program], check=True, timeout=10, capture_output=True, text=True).stdout
    return {name: int(number) for name, number in (line.split() for line in printed.splitlines())}


def test_functions_are_those_of_wasmtime_py() -> None:
    """Results and parameters of each function are pointers and numbers of the same sizes, in the same order."""
    functions = _functions()
    assert len(functions) == _table().count("X(") > 30
    for name, (result, parameters) in functions.items():
        theirs = getattr(_bindings, f"_{name}")
        assert _kind(result) == _kind_of_ctype(theirs.restype), name
        assert [_kind(type_) for type_ in parameters] == [
            _kind_of_ctype(type_) for type_ in theirs.argtypes
        ], name


def test_layouts_are_those_of_wasmtime_py(tmp_path: Path) -> None:
    """Sizes and offsets of every struct that crosses the wall by value."""
    ours = _print_layouts(tmp_path, f"-I{CORE}")
    theirs = {}
    for name in ours:
        type_, _, field = name.partition(".")
        ctype = getattr(_bindings, type_, None)
        if ctype is None:  # constants: ctypes knows none of them
            assert type_.isupper()
            continue
        # A field with two underscores in front is a class's private name to Python's compiler, not to the struct.
        theirs[name] = getattr(ctype, field).offset if field else ctypes.sizeof(ctype)
    assert {name: ours[name] for name in theirs} == theirs
    assert len(theirs) > 15


@pytest.fixture(scope="module")
def headers() -> Path:
    """The folder of wasmtime's own headers, fetched once by cargo's client."""
    if (HEADERS / "wasmtime.h").exists():
        return HEADERS
    if os.environ.get("WASMTIME_HEADERS") != "fetch":
        pytest.skip("wasmtime's headers were not fetched (make sanitize does it)")
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed")
    project = HEADERS.with_suffix(".project")
    (project / "src").mkdir(parents=True, exist_ok=True)
    (project / "src/lib.rs").touch()
    (project / "Cargo.toml").write_text(
        '[package]\nname = "headers"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n'
        f'wasmtime-c-api-impl = {{ version = "={VERSION}", default-features = false }}\n'
    )
    subprocess.run(["cargo", "vendor", "--quiet", "vendored"], cwd=project, check=True, timeout=300)
    shutil.copytree(project / "vendored/wasmtime-c-api-impl/include", HEADERS, dirs_exist_ok=True)
    shutil.rmtree(project)
    return HEADERS


@pytest.mark.timeout(400)
def test_layouts_and_functions_are_those_of_the_headers(headers: Path, tmp_path: Path) -> None:
    """The compiler sees both declarations of each function; the layouts are printed by either side."""
    (tmp_path / "functions.inc").write_text(_table())
    (tmp_path / "wasmtime").mkdir()
    # What CMake would make of conf.h.in: the functions that the core uses are in every build.
    names = re.findall(r"#cmakedefine (\w+)", (headers / "wasmtime/conf.h.in").read_text())
    (tmp_path / "wasmtime/conf.h").write_text("".join(f"#define {name}\n" for name in names))
    ours = _print_layouts(tmp_path, f"-I{CORE}")
    theirs = _print_layouts(tmp_path, "-DHEADERS", f"-I{tmp_path}", f"-I{headers}")
    assert ours == theirs
    assert f'#define WASMTIME_VERSION "{VERSION}"' in (headers / "wasmtime.h").read_text()
