"""The real plugin servers, built and installed by the tests: pinned, from package registries, kept under .peers.

Each lies in a folder of its own, whose stamp says what it was made of.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
PEERS = ROOT / ".peers/kong"

GO_PLUGINSERVER = "github.com/Kong/go-pluginserver@v0.6.0"
GO_PDK = "github.com/Kong/go-pdk@v0.11.2"
PYTHON_PDK = "kong-pdk==0.36"
JAVASCRIPT_PDK = "kong-pdk@0.6.0"


class Missing(RuntimeError):
    """A tool that builds a peer is not there."""


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}{done.stdout[-1000:]}")


def _made(name: str, pin: str, tool: str, sources: list[Path], make: Callable[[Path], None]) -> Path:
    """Return the folder of a peer, made anew where its pin or its sources are others than before."""
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


def go_pdk() -> Path:
    """Return `go-hello`, a plugin with go-pdk's server inside."""

    def make(folder: Path) -> None:
        _run(folder, "go", "mod", "init", "go-hello")
        _run(folder, "go", "mod", "edit", f"-require={GO_PDK}")
        _run(folder, "go", "build", "-mod=mod", "-o", "go-hello", ".")

    sources = [HERE / "go" / name for name in ("go-hello.go", "response.go", "main.go")]
    return _made("go-pdk", GO_PDK, "go", sources, make) / "go-hello"


def go_pluginserver() -> tuple[Path, Path]:
    """Return `go-pluginserver` and the folder of `.so` files that it can open."""

    def make(folder: Path) -> None:
        _run(folder, "go", "mod", "init", "server")
        _run(folder, "go", "mod", "edit", f"-require={GO_PLUGINSERVER}")
        _run(folder, "go", "build", "-mod=mod", "-o", "go-pluginserver", GO_PLUGINSERVER.partition("@")[0])
        sources = ["go-hello.go", "tea.go"]
        _run(folder, "go", "build", "-mod=mod", "-buildmode=plugin", "-o", "plugins/so-hello.so", *sources)

    sources = [HERE / "go" / name for name in ("go-hello.go", "tea.go")]
    folder = _made("go-pluginserver", GO_PLUGINSERVER, "go", sources, make)
    return folder / "go-pluginserver", folder / "plugins"


def python_pdk() -> tuple[Path, Path]:
    """Return kong-pdk's server for Python and the folder of its plugins."""

    def make(folder: Path) -> None:
        _run(folder, sys.executable, "-m", "venv", "venv")
        pip = ("venv/bin/pip", "install", "--quiet", "--disable-pip-version-check")
        _run(folder, *pip, PYTHON_PDK)

    folder = _made("python-pdk", PYTHON_PDK, sys.executable, [], make)
    return folder / "venv/bin/kong-python-pluginserver", HERE / "python"


def javascript_pdk() -> tuple[Path, Path]:
    """Return kong-pdk's server for JavaScript and the folder of its plugins."""

    def make(folder: Path) -> None:
        _run(folder, "npm", "install", "--silent", "--no-audit", "--no-fund", JAVASCRIPT_PDK)

    folder = _made("javascript-pdk", JAVASCRIPT_PDK, "npm", [], make)
    return folder / "node_modules/.bin/kong-js-pluginserver", HERE / "js"
