"""APISIX runners: the official one, one of ours on its SDK, and one in Python."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.peers.making import ROOT, go_program, made, run

SDK = "github.com/apache/apisix-go-plugin-runner@v0.5.0"
PROTOS = "a6pluginprotos==0.2.1"
SOURCES = ROOT / "tests/peers/apisix_runner"


def go_runner() -> Path:
    """Return the official runner, with its plugins fault-injection, limit-req, response-rewrite and say."""

    def make(folder: Path) -> None:
        run(folder, "go", "mod", "init", "runner")
        run(folder, "go", "mod", "edit", f"-require={SDK}")
        package = f"{SDK.partition('@')[0]}/cmd/go-runner"
        run(folder, "go", "build", "-mod=mod", "-o", "go-runner", package)

    return made("apisix-go-runner", SDK, "go", [], make) / "go-runner"


def own_runner() -> Path:
    """Return the one with plugins for tests."""
    return go_program("apisix-own-runner", "runner", SDK, [SOURCES / "main.go"])


def python_runner() -> list[str]:
    """Return the command of the one in Python."""

    def make(folder: Path) -> None:
        run(folder, sys.executable, "-m", "venv", "venv")
        run(folder, "venv/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", PROTOS)

    folder = made("apisix-python-runner", PROTOS, sys.executable, [], make)
    return [str(folder / "venv/bin/python"), str(SOURCES / "runner.py")]


def _is_listening(path: Path) -> bool:
    """Whether connections to the socket are taken: it is there, bound, before they are."""
    with socket.socket(socket.AF_UNIX) as own:
        return own.connect_ex(str(path)) == 0


class Unmanaged:
    """A runner that somebody starts by hand."""

    def __init__(self, command: list[str], path: Path) -> None:
        path.unlink(missing_ok=True)
        environment = {"APISIX_LISTEN_ADDRESS": f"unix:{path}", "APISIX_CONF_EXPIRE_TIME": "3600"}
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 20
        while not _is_listening(path):
            assert self.process.poll() is None, f"{command} has ended: {self.process.returncode}"
            assert time.monotonic() < end, f"{command} makes no socket"
            time.sleep(0.01)

    def stop(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)


@contextlib.contextmanager
def unmanaged(command: list[str], path: Path) -> Iterator[Unmanaged]:
    """Run it until the block ends."""
    runner = Unmanaged(command, path)
    try:
        yield runner
    finally:
        runner.stop()
