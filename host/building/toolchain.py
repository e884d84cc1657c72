"""The compilers that this runs: finding them, and what to say where they are missing or too old."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from host.errors import HostError

GO_VERSION: Final = (1, 24)
"""The first Go that builds reactor modules (`-buildmode=c-shared` for wasip1)."""

_QUERY_SECONDS: Final = 300
"""How long a question to Go may take; it may have to fetch the version that a go.mod names."""

_GO_HELP: Final = "get it from https://go.dev/dl, or from your distribution (golang-go, golang)"
_TINYGO_HELP: Final = "get it from https://tinygo.org/getting-started/install, or leave out --compiler tinygo"


def find_go() -> str:
    """Return the path of the go command. Raises HostError without one."""
    go = shutil.which("go")
    if go is None:
        raise HostError(f"no go command in PATH; Go {_text(GO_VERSION)} or newer builds plugins: {_GO_HELP}")
    return go


def find_tinygo() -> str:
    """Return the path of the tinygo command. Raises HostError without one."""
    tinygo = shutil.which("tinygo")
    if tinygo is None:
        raise HostError(f"no tinygo command in PATH: {_TINYGO_HELP}")
    return tinygo


def check_version(go: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Raise HostError where the Go that builds in `folder` is too old, or cannot say what it is."""
    answer = ask([go, "env", "GOVERSION"], folder, environment).strip()
    found = re.match(r"(?:go|devel go)(\d+)\.(\d+)", answer)
    if found is None or (int(found[1]), int(found[2])) < GO_VERSION:
        raise HostError(
            f"{go} is {answer or 'of no known version'}; {_text(GO_VERSION)} is the oldest that can: {_GO_HELP}"
        )


def ask(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command and return what it prints. Raises HostError, with its complaint, if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_QUERY_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{_named(command)}: {error}") from None
    if done.returncode != 0:
        complaint = (
            (done.stderr or done.stdout).strip().removesuffix("\nexit status 1")
        )  # of what `go run` ran
        raise HostError(f"{_named(command)}: {complaint}")
    return done.stdout


def _named(command: Sequence[str]) -> str:
    return f"{Path(command[0]).name} {command[1]}"


def environment(**changes: str) -> dict[str, str]:
    """Return the user's environment, from which Go takes proxies, caches and credentials, with changes."""
    return {**os.environ, "GOWORK": "off", "CGO_ENABLED": "0", **changes}


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
