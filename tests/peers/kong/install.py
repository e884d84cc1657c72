"""The real plugin servers, built and installed by the tests."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.peers.making import Missing, go_program, made, run

__all__ = ["Missing", "go_pdk", "go_pluginserver", "javascript_pdk", "python_pdk"]

HERE = Path(__file__).resolve().parent

GO_PLUGINSERVER = "github.com/Kong/go-pluginserver@v0.6.0"
GO_PDK = "github.com/Kong/go-pdk@v0.11.2"
PYTHON_PDK = "kong-pdk==0.36"
JAVASCRIPT_PDK = "kong-pdk@0.6.0"


def go_pdk() -> Path:
    """Return `go-hello`, a plugin with go-pdk's server inside."""
    sources = [HERE / "go" / name for name in ("go-hello.go", "response.go", "tell.go", "main.go")]
    return go_program("kong/go-pdk", "go-hello", GO_PDK, sources)


def go_pluginserver() -> tuple[Path, Path]:
    """Return `go-pluginserver` and the folder of `.so` files that it can open."""

    def make(folder: Path) -> None:
        run(folder, "go", "mod", "init", "server")
        run(folder, "go", "mod", "edit", f"-require={GO_PLUGINSERVER}")
        # Its codec of 2019 looks into maps as Go no longer has them, unless it is told not to.
        build = ("go", "build", "-mod=mod", "-tags=safe")
        run(folder, *build, "-o", "go-pluginserver", GO_PLUGINSERVER.partition("@")[0])
        run(folder, *build, "-buildmode=plugin", "-o", "plugins/so-hello.so", "go-hello.go", "tea.go")

    sources = [HERE / "go" / name for name in ("go-hello.go", "tea.go")]
    folder = made("kong/go-pluginserver", GO_PLUGINSERVER + " safe", "go", sources, make)
    return folder / "go-pluginserver", folder / "plugins"


def python_pdk() -> tuple[Path, Path]:
    """Return kong-pdk's server for Python and the folder of its plugins."""

    def make(folder: Path) -> None:
        run(folder, sys.executable, "-m", "venv", "venv")
        pip = ("venv/bin/pip", "install", "--quiet", "--disable-pip-version-check")
        run(folder, *pip, PYTHON_PDK)

    folder = made("kong/python-pdk", PYTHON_PDK, sys.executable, [], make)
    return folder / "venv/bin/kong-python-pluginserver", HERE / "python"


def javascript_pdk() -> tuple[Path, Path]:
    """Return kong-pdk's server for JavaScript and the folder of its plugins."""

    def make(folder: Path) -> None:
        run(folder, "npm", "install", "--silent", "--no-audit", "--no-fund", JAVASCRIPT_PDK)

    folder = made("kong/javascript-pdk", JAVASCRIPT_PDK, "npm", [], make)
    return folder / "node_modules/.bin/kong-js-pluginserver", HERE / "js"
