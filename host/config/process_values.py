"""Processes that the gateway starts and keeps, as plain frozen values. See `host.config.model`, which has the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

SOCKET = "{socket}"
"""In a command or in the value of a variable: the path of the process's socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A process beside the gateway, such as a plugin runner. `name` is unique in a Config.

    `command`: the program, looked up in PATH where it has no slash, and its arguments; `folder`: where it starts, the
    gateway's own if None. `environment`: variables it is given; `inherit`: names of the gateway's own that it sees
    besides those that every process does (`host.external.environment`). Of other variables it sees none.
    `socket`: the unix socket that it makes, waited for so many seconds as `start_timeout` says; a path without a folder
    is put into one of the gateway's own, and `{socket}` in command and environment is filled in; None: it makes none.
    `stop_timeout`: seconds from SIGTERM to SIGKILL; `restart_pause`: from its end to the next start, at first.
    `restart_on_reload`: a reload of the configuration starts it anew although nothing about it has changed.
    """

    name: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    inherit: tuple[str, ...] = ()
    folder: Path | None = None
    socket: str | None = None
    start_timeout: float = 2.0
    stop_timeout: float = 1.0
    restart_pause: float = 3.0
    restart_on_reload: bool = True


def parse_envs(envs: Iterable[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the names to inherit and the variables given, of a list of `NAME` and `NAME=value` (nginx's `env`)."""
    inherit: list[str] = []
    given: list[tuple[str, str]] = []
    for each in envs:
        name, equals, value = each.partition("=")
        if equals:
            given.append((name, value))
        else:
            inherit.append(name)
    return tuple(inherit), tuple(given)
