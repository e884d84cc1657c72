"""What an operator says of a plugin, beyond its configurations."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from host.plugin.breaker import CircuitBreaker
from host.plugin.targets import AllowList
from host.wasm.vm import VmSettings


class FailurePolicy(Enum):
    """What becomes of a plugin after its VM has failed (Envoy's names)."""

    FAIL_RELOAD = "fail_reload"
    FAIL_CLOSED = "fail_closed"
    FAIL_OPEN = "fail_open"


class Isolation(Enum):
    """Who shares a VM of a plugin. NONE, STREAM and FILTER are ngx_wasm_module's names (`proxy_wasm_isolation`)."""

    NONE = "none"
    """All contexts of the plugin, and of others with its vm_id."""
    ROUTE = "route"
    """No one: each plugin context has a VM of its own, for all of its streams."""
    STREAM = "stream"
    """The plugin's filters in one stream, which gets a fresh VM."""
    FILTER = "filter"
    """No one: each filter of each stream gets a fresh VM."""

    @property
    def is_per_stream(self) -> bool:
        """Whether VMs live as long as a stream."""
        return self in (Isolation.STREAM, Isolation.FILTER)


@dataclass(frozen=True, slots=True)
class RecycleLimits:
    """When a VM is replaced by a fresh one although it has not failed; 0: never.

    `max_memory_size`: bytes of its linear memory. `max_requests`: streams that it has served. `max_age`: seconds.
    """

    max_memory_size: int = 0
    max_requests: int = 0
    max_age: float = 0.0


@dataclass(frozen=True, slots=True)
class CalloutSettings:
    """What a plugin may call, beyond the configured upstreams, and how much of it.

    `allow`: patterns of addresses (see `host.plugin.targets`). `timeout`: seconds that a call may take at most, and
    that one without a timeout may. `max_response_size`: bytes of a response's body. `max_calls`: calls in flight,
    on all VMs of a worker. `ssl_verify`: certificates of servers are verified, by the authorities in the file
    `trusted_ca`, or by those of the system if it is empty.
    """

    allow: tuple[str, ...] = ()
    timeout: float = 60.0
    max_response_size: int = 1024 * 1024
    max_calls: int = 1024
    ssl_verify: bool = True
    trusted_ca: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for a pattern that is none."""
        AllowList(self.allow)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class PluginSettings:
    """What an operator says of a plugin. `reload_pause`: seconds before the second reload in a row; it doubles.

    `max_request_body_size`, `max_response_body_size`: bytes that it may hold of a body while it pauses; 0: as its
    chain says.
    `root_id` is empty by default, as in Envoy: that is the name under which modules with one root context register it.
    `allow_on_headers_stop_iteration`: PAUSE from a callback of headers holds the head alone, and the callbacks of the
    body run on, so that a plugin can decide on the head when it has seen the body (Envoy's name).
    `decode_bodies`: bodies come to the plugin, and to its whole chain, without their content codings.
    """

    name: str
    root_id: str = ""
    policy: FailurePolicy = FailurePolicy.FAIL_RELOAD
    vm: VmSettings = field(default_factory=VmSettings)
    max_request_body_size: int = 0
    max_response_body_size: int = 0
    keep_spare: bool = True
    reload_pause: float = 1.0
    longest_reload_pause: float = 60.0
    allow_on_headers_stop_iteration: bool = False
    decode_bodies: bool = False
    callouts: CalloutSettings = field(default_factory=CalloutSettings)
    isolation: Isolation = Isolation.NONE
    recycle: RecycleLimits = field(default_factory=RecycleLimits)
    circuit_breaker: CircuitBreaker = field(default_factory=CircuitBreaker)


class Key(NamedTuple):
    """What makes a plugin context: a configuration, where it is written (one file may use it in two places), and as
    what it is used: an access logger sees proxy_on_log alone."""

    configuration: bytes
    scope: str = ""
    access_logger: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RootKey:
    """What makes a plugin context on a VM, which may hold those of several plugins. Equal to itself alone."""

    settings: PluginSettings
    key: Key
