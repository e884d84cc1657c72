"""One build, from a folder of sources to a `.wasm` file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from host.building import toolchain
from host.building.kinds import SDKS, SHIM_OF, SHIMS, Kind, Source, detect
from host.building.workplace import Workplace, module_root
from host.errors import HostError


@dataclass(frozen=True, slots=True)
class Built:
    """What was built."""

    output: Path
    kind: Kind
    source: Source
    size: int
    handlers: list[str]
    """Names of the functions that Tyk's configurations name."""


def build(
    path: Path,
    output: Path,
    *,
    kind: Kind | None = None,
    tinygo: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Built:
    """Build the plugin at `path` (a folder or a .go file) into `output`. `kind`: None finds it out.

    `say` is given a line for each step; the compiler writes to standard error itself. Raises HostError for what is
    wrong with the sources, the compiler or the output.
    """
    source = Source.at(path)
    root = module_root(source)
    found = kind or detect(
        source, sorted(root.rglob("*.go"))[:10000] if root != source.folder else _below(source)
    )
    say(f"{source.folder / source.file}: a plugin for {found.value}")
    if not output.parent.is_dir():
        raise HostError(f"{output.parent} is no folder")
    handlers: list[str] = []
    if tinygo:
        if found is not Kind.PROXY_WASM:
            raise HostError(
                f"TinyGo builds plugins of proxy-wasm; this one is for {found.value}, which Go builds"
            )
        _tinygo(source, output, say)
    else:
        handlers = _go(source, root, output, found, say)
    return Built(output, found, source, output.stat().st_size, handlers)


def _below(source: Source) -> list[Path]:
    return [] if source.file else sorted(source.folder.rglob("*.go"))[:10000]


def _go(source: Source, root: Path, output: Path, kind: Kind, say: Callable[[str], None]) -> list[str]:
    """Build with Go and return the names of Tyk's handlers."""
    go = toolchain.find_go()
    native, wasm = (
        toolchain.environment(GOOS="", GOARCH=""),
        toolchain.environment(GOOS="wasip1", GOARCH="wasm"),
    )
    with tempfile.TemporaryDirectory(prefix="sluiceway-build-") as name:
        folder = Path(name)
        place = Workplace(folder, source, root, go, native)
        place.prepare([SHIM_OF[kind]] if kind in SHIM_OF else [])
        toolchain.check_version(go, folder, native)
        words = [
            go,
            "run",
            "-mod=mod",
            ".",
            kind.value,
            str(source.folder),
            *([source.file] if source.file else []),
        ]
        generated = toolchain.ask(words, SHIMS / "generate", native)
        arguments = place.overlay(generated)
        say("go build (GOOS=wasip1 GOARCH=wasm -buildmode=c-shared); the first time takes a minute")
        made = folder / "plugin.wasm"
        options = ["-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w"]
        _run([go, "build", *options, *arguments, "-o", str(made), *place.packages], source.folder, wasm)
        _move(made, output)
    return re.findall(r'^\t\t\t"(\w+)": \w+,$', generated, re.MULTILINE)


def _tinygo(source: Source, output: Path, say: Callable[[str], None]) -> None:
    tinygo = toolchain.find_tinygo()
    # The SDK of 2025 has no exports for TinyGo's own main: it is a reactor. Its forerunner is a command.
    is_new = any(path.startswith(SDKS[0]) for path in source.imports())
    options = ["-target=wasip1", "-buildmode=c-shared"] if is_new else ["-target=wasi", "-scheduler=none"]
    say(f"tinygo build {' '.join(options)}")
    with tempfile.TemporaryDirectory(prefix="sluiceway-build-") as folder:
        made = Path(folder) / "plugin.wasm"
        packages = [source.file] if source.file else ["."]
        _run([tinygo, "build", "-o", str(made), *options, *packages], source.folder, toolchain.environment())
        _move(made, output)


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a compiler, whose complaints go to our standard error."""
    sys.stderr.flush()
    try:
        status = subprocess.run(command, cwd=folder, env=environment, stdout=2).returncode
    except OSError as error:
        raise HostError(f"{command[0]}: {error}") from None
    if status != 0:
        raise HostError(f"{Path(command[0]).name} build failed")


def _move(made: Path, output: Path) -> None:
    """Put the file in its place at once, for a gateway that watches it."""
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        beside.write_bytes(made.read_bytes())
        beside.replace(output)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise HostError(f"{output} cannot be written: {error.strerror or error}") from None
