"""Plugins and their uses, as plain frozen values. See `host.config.model`, which has the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from host.code.remote import Remote

KIB = 1024
MIB = 1024 * KIB

HttpRequestPhase = Literal["rewrite", "access"]
Stage = Literal["rewrite", "authn", "authz", "access", "post", "before_proxy"]
"""The class of a filter's place among the others on the way to the upstream; names of `host.chain.PhaseClass`."""
Isolation = Literal["none", "route", "stream", "filter"]
FailurePolicy = Literal["fail_reload", "fail_closed", "fail_open"]
PluginLogLevel = Literal["trace", "debug", "info", "warn", "error", "critical"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written, in the terms of `host.errors.Problem`."""

    file: str
    line: int | None
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Callouts:
    """What a plugin may call beyond the configured upstreams, and how much of it.

    `allow`: addresses as `host.plugin.targets` has them. `timeout`: the longest that a call may take.
    `trusted_ca`: a file of the authorities that sign servers' certificates; None: the system's.
    """

    allow: tuple[str, ...] = ()
    timeout: float = 60.0
    max_response_size: int = 1 * MIB
    max_calls: int = 1024
    ssl_verify: bool = True
    trusted_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recycle:
    """When a VM is replaced although it has not failed: bytes of its memory, requests, age; 0: never."""

    max_memory_size: int = 0
    max_requests: int = 0
    max_age: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """So many overruns of time or fuel within `interval` keep a plugin down for `open_time`; 0: never."""

    max_overruns: int = 5
    interval: float = 60.0
    open_time: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WasmPlugin:
    """A module under a name that routes enable it by; it is in `file`, in `inline`, or fetched from `remote`.

    `snapshot`: further VMs begin as copies of the first one that has taken its configurations.
    `verification_key`: the Ed25519 public key (32 bytes) that the module must be signed for; empty: any module.
    `http_request_phase`: plugins of `rewrite` run before all of `access`; `stage`, unless None, says it more exactly.
    `hint`: what to say besides when there is no module. `is_pinned`: what was loaded stays, however the file changes.
    `vm_configuration` is what proxy_on_vm_start
    reads, `environment` what the module sees through WASI. `callback_timeout` is CPU time of one callback,
    `start_timeout` that of loading until proxy_on_configure returned. `max_request_body_size` and its sibling bound
    what is buffered while the plugin pauses. `allow_on_headers_stop_iteration`: the plugin sees bodies while it holds
    their heads. `allowed_capabilities`: names of `abi.capabilities`; empty: all. `callback_fuel`: 0: not counted.
    """

    name: str
    file: Path | None = None
    inline: bytes = field(default=b"", repr=False)
    remote: Remote | None = None
    verification_key: bytes = b""
    priority: int = 0
    http_request_phase: HttpRequestPhase = "access"
    stage: Stage | None = None
    hint: str = ""
    is_pinned: bool = False
    failure_policy: FailurePolicy = "fail_reload"
    root_id: str = ""
    vm_id: str = ""
    vm_configuration: bytes = b""
    environment: tuple[tuple[str, str], ...] = ()
    isolation: Isolation = "none"
    allowed_capabilities: frozenset[str] = frozenset()
    recycle: Recycle = Recycle()
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    callback_fuel: int = 0
    callback_timeout: float = 0.010
    start_timeout: float = 5.0
    snapshot: bool = False
    max_memory_size: int = 128 * MIB
    max_request_body_size: int = 1 * MIB
    max_response_body_size: int = 1 * MIB
    log_level: PluginLogLevel = "info"
    max_metrics: int = 1024
    allow_on_headers_stop_iteration: bool = False
    decode_bodies: bool = False
    callouts: Callouts = Callouts()
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPlugin:
    """A native filter: `target` is `module:Class`, looked up with `search_path` before `sys.path`."""

    name: str
    target: str
    priority: int = 0
    http_request_phase: HttpRequestPhase = "access"
    stage: Stage | None = None
    search_path: tuple[Path, ...] = ()
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFunction:
    """A function for plugins: `target` is `module:function`, looked up as that of a `PythonPlugin`."""

    name: str
    target: str
    search_path: tuple[Path, ...] = ()
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalPlugin:
    """A plugin in another process. Each kind of them has a class of its own, which `host.external.kinds` knows."""

    name: str
    priority: int = 0
    place: Place | None = field(default=None, compare=False, repr=False)


Plugin = WasmPlugin | PythonPlugin | ExternalPlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A second plugin that sees what the first one gets, and whose effects are compared with that one's.

    `sample`: the share of exchanges, from 0 to 1. `timeout`: seconds that it may take longer than the exchange.
    `ignore_headers`: names in lower case of fields that may differ.
    """

    use: PluginUse
    sample: float = 1.0
    timeout: float = 5.0
    ignore_headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUse:
    """A plugin enabled somewhere.

    `configuration`: the bytes that the plugin context reads in proxy_on_configure. `scope`: where they are written
    (`routes/1`, `services/a`, `plugin_configs/b`, `global_rules/c`): uses of one plugin with one scope share a plugin
    context. `priority` and `stage`: take the place of the plugin's own, unless None. `access_logger`: the plugin sees
    the end of each exchange alone. `shadow`: a plugin that works beside this one, and does not count.
    """

    name: str
    configuration: bytes = b""
    scope: str = ""
    priority: int | None = None
    stage: Stage | None = None
    access_logger: bool = False
    shadow: Shadow | None = None
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class WasmService:
    """A plugin context that no request passes, from the start on. `singleton`: in the first worker alone."""

    use: PluginUse
    singleton: bool = False
