"""One build, from a folder of sources to a `.wasm` file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from host.building import toolchain
from host.building.kinds import SDKS, SHIMS, Kind, Source, check_packages, detect, shims_of
from host.building.workplace import CALLS, GENERATED, Workplace, module_root
from host.errors import HostError

_CLIENT: Final = b"net/http.(*Client).do"
"""What Go's table of functions has where the linker has found that a client of net/http is used."""

_CALLS: Final = 'package main\n\nimport _ "sluiceway/calls"\n'


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
    found = kind or detect(source, _module_files(source, root))
    say(f"{source.folder / source.file}: a plugin for {found.value}")
    if not output.parent.is_dir():
        raise HostError(f"{output.parent} is no folder")
    handlers: list[str] = []
    check_packages(source, found)
    if tinygo:
        if found is not Kind.PROXY_WASM:
            raise HostError(
                f"TinyGo builds plugins of proxy-wasm; this one is for {found.value}, which Go builds"
            )
        _tinygo(source, output, say)
    else:
        handlers = _go(source, root, output, found, say)
    return Built(output, found, source, output.stat().st_size, handlers)


def _module_files(source: Source, root: Path) -> Iterator[Path]:
    """Yield further files of the module, of which a large one has enough in the first thousands."""
    if not source.file:
        yield from islice((path for path in root.rglob("*.go") if "vendor" not in path.parts), 10_000)


def _go(source: Source, root: Path, output: Path, kind: Kind, say: Callable[[str], None]) -> list[str]:
    """Build with Go and return the names of Tyk's handlers."""
    go, native = toolchain.find_go(), toolchain.environment(GOOS="", GOARCH="")
    with tempfile.TemporaryDirectory(prefix="sluiceway-build-") as name:
        place = Workplace(Path(name), source, root, go, native)
        place.prepare(shims_of(kind))
        toolchain.check_version(go, place.folder, native)
        named = [source.file] if source.file else []
        words = [go, "run", "-mod=mod", ".", kind.value, str(source.folder), *named]
        generated = toolchain.ask(words, SHIMS / "generate", native)
        say("go build (GOOS=wasip1 GOARCH=wasm -buildmode=c-shared); the first time takes a minute")
        made = _compile(place, {GENERATED: generated})
        if kind is not Kind.PROXY_WASM and _CLIENT in made.read_bytes():
            say("once more, as it has clients of net/http, which are to call by the gateway")
            made = _compile(place, {GENERATED: generated, CALLS: _CALLS})
        _move(made, output)
    return re.findall(r'^\t\t\t"(\w+)": \w+,$', generated, re.MULTILINE)


def _compile(place: Workplace, generated: dict[str, str]) -> Path:
    made = place.folder / "plugin.wasm"
    options = ["-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w"]
    arguments = place.overlay(generated)
    environment = toolchain.environment(GOOS="wasip1", GOARCH="wasm")
    command = [place.go, "build", *options, *arguments, "-o", str(made), *place.packages(generated)]
    _run(command, place.source.folder, environment)
    return made


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
