"""APISIX plugin runners as plain frozen values. See `host.config.model`, which has the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.config.plugin_values import ExternalPlugin

RUNNER_PLUGINS: Final = {
    "ext-plugin-pre-req": 12000,
    "ext-plugin-post-req": -3000,
    "ext-plugin-post-resp": -4000,
}
"""The plugins by which routes ask a runner, and their priorities in APISIX."""

DEFAULT_RUNNER: Final = "ext-plugin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A process that runs plugins for us, and how it is spoken to. Times are seconds.

    `process`: the name of the one that the gateway keeps (`Config.processes`); empty for one that somebody else starts,
    which listens at `path`. `conf_expire_time`: how long a token is used before its configuration is sent again.
    `start_timeout`: how long a request waits for a process that is being started. `connect_timeout`, `send_timeout`,
    `read_timeout`: for each step of an exchange. `max_connections`: of one worker; requests beyond them wait.
    `has_bare_arguments`: `?a` is sent without a value, else with an empty one. `keeps_duplicates`: a field in a rewrite
    that the request has already is no change, so that of two alike in name none is lost.
    `replaces_response_headers`: those that a runner gives for a response take the place of all of the upstream's.
    """

    name: str = DEFAULT_RUNNER
    process: str = ""
    path: Path | None = None
    conf_expire_time: float = 3600.0
    start_timeout: float = 2.0
    connect_timeout: float = 1.0
    send_timeout: float = 60.0
    read_timeout: float = 60.0
    max_connections: int = 512
    has_bare_arguments: bool = True
    keeps_duplicates: bool = False
    replaces_response_headers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerPlugin(ExternalPlugin):
    """One of `RUNNER_PLUGINS`. The configuration of a use is JSON: `conf` is a list of `name` and `value`,
    `allow_degradation` lets requests pass when the runner fails, `runner` names one of `runners`."""

    runners: tuple[Runner, ...] = ()
