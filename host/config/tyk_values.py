"""What of Tyk's APIs is more than routes and plugins, as plain frozen values. See `host.config.model`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from host.config.plugin_values import ExternalPlugin

Hook = Literal["pre", "auth_check", "post_key_auth", "post", "response"]


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A function in a Python file, which is read anew when it has changed, unless `is_pinned`."""

    file: Path
    name: str
    is_pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TykApi(ExternalPlugin):
    """What an API does around its middleware.

    `listen_path` is taken off the path before the upstream where `strips`, and `target_path` put before what is left;
    the latter does not end in a slash. `is_protected`: requests without a session go no further than `auth_check`.
    `auth_header`: a field that is taken away behind it, "" for none. `traffic_logs` edit the analytics record.
    """

    listen_path: str
    strips: bool = False
    target_path: str = ""
    is_protected: bool = False
    auth_header: str = ""
    traffic_logs: tuple[PythonFunction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """A server of `coprocess.Dispatcher`. `address`: `tcp://HOST:PORT` or `unix:///PATH`; sizes are bytes of one
    message; `authority`: "" for the server's own; `timeout`: seconds for one hook."""

    address: str
    receive_limit: int = 4 * 1024 * 1024
    send_limit: int = 4 * 1024 * 1024
    authority: str = ""
    timeout: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TykHook(ExternalPlugin):
    """A hook that is given the request or response as an object. `config_data`: the API's, as JSON."""

    hook: Hook
    hook_name: str
    api_id: str
    org_id: str = ""
    config_data: str = "{}"
    bundle_hash: str = ""
    raw_body_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TykGrpcHook(TykHook):
    """A hook that a dispatcher carries out."""

    dispatcher: Dispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class TykPythonHook(TykHook):
    """A hook in a Python file: a filter's class, which the configuration of its use is for, or a function of Tyk's."""

    function: PythonFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class TykInstrument(ExternalPlugin):
    """Measures how long a middleware takes, between its two uses. `statsd`: host and port; `prefix`: of names."""

    statsd: tuple[str, int] | None = None
    prefix: str = ""
