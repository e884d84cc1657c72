#!/usr/bin/env python3
"""Rebuild the guests of testdata/plugins from their sources, or check the committed binaries.

    build.py [NAME...]                   rebuild all, or the named ones, and plugins/STAMPS
    build.py --check [NAME...]           build elsewhere and compare the bytes with the committed plugin.wasm
    build.py --toolchain tinygo [...]    only those of that toolchain

Each toolchain is a script in toolchains/ that takes a folder and the path of the binary, and gets what it
needs. The standard library is enough to run this, so that it needs no venv.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TESTDATA = Path(__file__).resolve().parent
PLUGINS = TESTDATA / "plugins"
TOOLCHAINS = TESTDATA / "toolchains"
STAMPS = PLUGINS / "STAMPS"
BUILD_SECONDS = 900
"""No build takes longer, not even the first one, which builds TinyGo or Rust's standard library."""


class BuildError(Exception):
    """A guest could not be built; the text says which one."""


def names() -> list[str]:
    """The guests, in alphabetical order."""
    return sorted(folder.name for folder in PLUGINS.iterdir() if folder.is_dir())


def toolchain(name: str) -> str:
    """The toolchain of a guest, by the files in its folder: tinygo, go, rust or assemblyscript."""
    folder = PLUGINS / name
    if (folder / "Cargo.toml").exists():
        return "rust"
    if (folder / "package.json").exists():
        return "assemblyscript"
    first_line = (folder / "main.go").read_text().split("\n", 1)[0]
    return "tinygo" if first_line.startswith("// Build: tinygo ") else "go"


def inputs(name: str) -> list[Path]:
    """Every file that has a say in a guest's bytes: its sources, those it shares, and its toolchain."""
    folder = PLUGINS / name
    roots = [folder, TOOLCHAINS / f"{toolchain(name)}.sh"]
    if toolchain(name) == "tinygo":
        roots.append(TOOLCHAINS / "tinygo")
        if "=> ../../phases" in (folder / "go.mod").read_text():
            roots.append(TESTDATA / "phases")
    if name == "rust_unknown":
        roots.append(PLUGINS / "rust_wasip1" / "src")
    return sorted(path for root in roots for path in _files(root))


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for path in root.iterdir():
        if path.is_dir() and path.name not in ("node_modules", "target"):
            yield from _files(path)
        elif path.is_file() and path.suffix not in (".wasm", ".md"):
            yield path


def stamp(name: str) -> str:
    """The line of a guest in STAMPS: sha256 of its inputs, sha256 of its binary, its name."""
    digest = hashlib.sha256()
    for path in inputs(name):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(TESTDATA).as_posix()} {len(content)}\n".encode() + content)
    return f"{digest.hexdigest()} {_sha256(PLUGINS / name / 'plugin.wasm')} {name}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(name: str, output: Path) -> None:
    """Build a guest into `output`. Raises BuildError when its toolchain fails or takes too long."""
    command = [TOOLCHAINS / f"{toolchain(name)}.sh", PLUGINS / name, output]
    try:
        subprocess.run(command, check=True, timeout=BUILD_SECONDS)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{name}: {error}") from error


def rebuild(name: str) -> None:
    """Build a guest in its place and renew its line in STAMPS."""
    build(name, PLUGINS / name / "plugin.wasm")
    lines = STAMPS.read_text().splitlines() if STAMPS.exists() else []
    kept = [line for line in lines if line.split()[-1] != name]
    STAMPS.write_text("\n".join(sorted([*kept, stamp(name)], key=lambda line: line.split()[-1])) + "\n")


def differs(name: str) -> bool:
    """Whether a build from the sources gives other bytes than the committed binary."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "plugin.wasm"
        build(name, built)
        return _sha256(built) != _sha256(PLUGINS / name / "plugin.wasm")


def main() -> int:
    """Run the command line; the exit status is 1 when a build failed or differs, and stderr has the names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a folder of testdata/plugins")
    parser.add_argument("--check", action="store_true", help="compare with the committed binaries")
    parser.add_argument("--toolchain", choices=sorted(path.stem for path in TOOLCHAINS.glob("*.sh")))
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(names())):
        parser.error(f"no such guest: {', '.join(unknown)}")
    failed = []
    for name in options.names or names():
        if options.toolchain not in (None, toolchain(name)):
            continue
        try:
            if not options.check:
                rebuild(name)
            elif differs(name):
                raise BuildError(f"{name}: the committed plugin.wasm is not what its sources give")
        except BuildError as error:
            print(error, file=sys.stderr)
            failed.append(name)
        else:
            print(f"{name}: {'the same bytes' if options.check else 'built'}", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
