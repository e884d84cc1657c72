"""Peers that are built and installed here: pinned, from package registries, kept below .peers.

Each lies in a folder of its own, whose stamp says what it was made of.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".peers"
_PATIENCE = 500  # seconds; a first build fetches its modules


class Missing(RuntimeError):
    """A tool that builds a peer is not there."""


def run(folder: Path, *command: str) -> None:
    """Run a command in the folder. Raises RuntimeError with its output when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}{done.stdout[-1000:]}")


def made(name: str, pin: str, tool: str, sources: Sequence[Path], make: Callable[[Path], None]) -> Path:
    """Return the folder of a peer, made anew where its pin or its sources are others than before.

    Raises Missing without the tool, RuntimeError when it cannot be made.
    """
    digest = hashlib.sha256(pin.encode())
    for source in sources:
        digest.update(source.read_bytes())
    folder, wanted = PEERS / name, digest.hexdigest()
    stamp = folder / "stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    if shutil.which(tool) is None:
        raise Missing(f"{tool} is not installed, which builds {pin}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in sources:
        shutil.copy(source, folder)
    make(folder)
    stamp.write_text(wanted)
    return folder


def go_program(name: str, module: str, pin: str, sources: Sequence[Path]) -> Path:
    """Return a program of Go sources that use one module, `pin`. It is named `module`."""

    def make(folder: Path) -> None:
        run(folder, "go", "mod", "init", module)
        run(folder, "go", "mod", "edit", f"-require={pin}")
        run(folder, "go", "build", "-mod=mod", "-o", module, ".")

    return made(name, pin, "go", sources, make) / module
