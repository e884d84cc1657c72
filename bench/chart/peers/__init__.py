"""Runners and plugin servers that do the work of the plugins in the gateway, built where they are not there yet."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.peers.making import PEERS, go_program, made, run

HERE = Path(__file__).resolve().parent
RUNNER_SDK = "github.com/apache/apisix-go-plugin-runner@v0.5.0"
GO_PDK = "github.com/Kong/go-pdk@v0.11.2"
PYTHON_PDK = "kong-pdk==0.36"
KONG_PYTHON_PLUGINS = HERE / "kong_python"


def apisix_runner() -> Path:
    """Return a runner on APISIX's SDK for Go. Raises RuntimeError where it cannot be built."""
    return go_program("chart/runner", "runner", RUNNER_SDK, [HERE / "runner/main.go"])


def kong_go() -> Path:
    """Return a plugin with go-pdk's server inside. Raises RuntimeError where it cannot be built."""
    return go_program("chart/kong_go", "go-response-header", GO_PDK, [HERE / "kong_go/main.go"])


def recompiled(name: str) -> Path:
    """Return the sources of a peer compiled to a plugin by `sluiceway build`. Raises RuntimeError where it cannot be.

    It is done anew each time: what the gateway puts in the place of the peers' SDKs changes with the gateway.
    """
    folder = PEERS / "chart"
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / f"{name}.wasm"
    run(HERE, sys.executable, "-P", "-m", "host", "build", str(HERE / name), "-o", str(output))
    return output


def kong_python() -> Path:
    """Return kong-pdk's server for Python. Raises RuntimeError where it cannot be installed."""

    def make(folder: Path) -> None:
        run(folder, sys.executable, "-m", "venv", "venv")
        run(folder, "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", PYTHON_PDK)

    return (
        made("chart/kong_python", PYTHON_PDK, sys.executable, [], make) / "venv/bin/kong-python-pluginserver"
    )
