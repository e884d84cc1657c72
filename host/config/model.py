"""What a gateway is made of, as plain frozen values: the result of reading YAML, or made in code.

Nothing here knows YAML, JSON Schema or any library, so that a worker, or a program that embeds `host`, pays for none of
them; values pickle, so that one process can read a configuration and another run it. A value made in code is taken as
it stands: `host.config.load` is what validates. All times are seconds and all sizes bytes. `place` is where a value was
written, None for one made in code; values that are written in different places are equal none the less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from host.config.plugin_values import (
    KIB,
    Callouts,
    CircuitBreaker,
    ExternalPlugin,
    ForeignFunction,
    Place,
    Plugin,
    PluginUse,
    PythonPlugin,
    Recycle,
    Shadow,
    WasmPlugin,
    WasmService,
)
from host.config.process_values import ProcessSpec
from host.config.stores import Stores
from host.errors import Problem
from host.log.format import DEFAULT as DEFAULT_ACCESS_LOG_FORMAT

__all__ = [
    "ADMIN_PREFIX",
    "AccessLogConfig",
    "Admin",
    "AdminKey",
    "Callouts",
    "Certificate",
    "CircuitBreaker",
    "Config",
    "ExternalPlugin",
    "ForeignFunction",
    "GlobalRule",
    "HttpLimits",
    "KeepalivePool",
    "Listen",
    "LocalAnswer",
    "LogConfig",
    "Node",
    "NodeConfig",
    "Place",
    "Plugin",
    "PluginUse",
    "ProcessSpec",
    "Prometheus",
    "PythonPlugin",
    "Recycle",
    "Route",
    "Shadow",
    "StatsTag",
    "StreamListen",
    "StreamRoute",
    "Timeout",
    "Upstream",
    "UpstreamTls",
    "WasmPlugin",
    "WasmService",
]

ResponseOrder = Literal["descending", "reverse"]
PassHost = Literal["pass", "node", "rewrite"]


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to accept connections on; port 0 lets the system choose."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class StreamListen(Listen):
    """An address of TCP connections. `tls`: it is terminated here, with one of the certificates."""

    tls: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One server of an upstream. `weight` 0 means: no traffic."""

    host: str
    port: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long one step of an exchange with an upstream may take, in seconds."""

    connect: float = 60.0
    send: float = 60.0
    read: float = 60.0


@dataclass(frozen=True, slots=True)
class KeepalivePool:
    """Idle connections kept to an upstream: how many, for how long (seconds), for how many requests each."""

    size: int = 320
    idle_timeout: float = 60.0
    requests: int = 1000


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """How nodes are spoken to by `https`: whether their certificates are verified, and by which authorities (a file;
    None: the system's)."""

    verify: bool = True
    trusted_certificate: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Servers that share one load. `id` is unique in a Config: routes with equal ids share one pool.

    `name`: plugins call it by this or by its id. `retries`: further tries on other nodes, or None for one less than
    there are nodes. `pass_host`: the Host that the upstream sees is the client's, the node's, or `upstream_host`.
    `scheme`: `tcp` and `tls` are for stream routes.
    """

    id: str
    nodes: tuple[Node, ...]
    timeout: Timeout = Timeout()
    retries: int | None = None
    pass_host: PassHost = "pass"
    upstream_host: str = ""
    scheme: Literal["http", "https", "tcp", "tls"] = "http"
    tls: UpstreamTls = UpstreamTls()
    keepalive_pool: KeepalivePool = KeepalivePool()
    name: str = ""


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """What the gateway itself answers, in JSON."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which requests go where, through which plugins.

    `uris`, `hosts`, `methods`, `priority`: as `host.router.Rule` has them. `plugins`: the route's own, those of its
    plugin_config and of its service, merged. `timeout`: takes the place of the upstream's, unless None.
    `upstream` None: a plugin must answer. `trust_content_length`: body plugins keep lengths as they are, so heads
    need not wait for bodies. `service_id`: of the service that it belongs to. `properties`: what plugins can read of
    the route beside its name, by path. `unavailable`: the answer while a plugin of it has not come up; None: 503.
    """

    id: str
    uris: tuple[str, ...]
    name: str = ""
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    priority: int = 0
    upstream: Upstream | None = None
    timeout: Timeout | None = None
    plugins: tuple[PluginUse, ...] = ()
    enable_websocket: bool = False
    trust_content_length: bool = False
    service_id: str = ""
    properties: tuple[tuple[tuple[str, ...], bytes], ...] = ()
    unavailable: LocalAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRoute:
    """Which TCP connections go where, through which plugins. What is empty or None matches all.

    `server_addr` and `server_port`: what the client connected to. `remote_addr`: an address or range of clients.
    `sni`: the name in the TLS handshake, or `*.example.com`.
    """

    id: str
    upstream: Upstream | None = None
    server_addr: str = ""
    server_port: int | None = None
    remote_addr: str = ""
    sni: str = ""
    name: str = ""
    plugins: tuple[PluginUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate of TLS listeners, for clients that ask for one of `snis`. All but names are PEM texts.

    `client_ca`: clients must have a certificate of it, with `client_depth` others in between at most.
    """

    id: str
    snis: tuple[str, ...]
    cert: str = field(repr=False)
    key: str = field(repr=False)
    client_ca: str = field(default="", repr=False)
    client_depth: int = 1
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GlobalRule:
    """Plugins that run for every request of every route, before the route's own."""

    id: str
    plugins: tuple[PluginUse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What a client may hold open, and for how long. `client_max_body_size` 0 means: no limit."""

    client_header_timeout: float = 60.0
    client_body_timeout: float = 60.0
    send_timeout: float = 10.0
    keepalive_timeout: float = 60.0
    keepalive_requests: int = 1000
    client_max_header_size: int = 64 * KIB
    max_headers: int = 100
    client_max_body_size: int = 0
    worker_connections: int = 10620


@dataclass(frozen=True, slots=True)
class AccessLogConfig:
    """A line for each request: `path` is a file, or /dev/stdout or /dev/stderr. `format` is in nginx's syntax, with the
    variables of `host.log.format`; `buffer` bytes are gathered before they are written."""

    path: str
    format: str = DEFAULT_ACCESS_LOG_FORMAT
    escape: Literal["default", "json"] = "default"
    buffer: int = 16 * KIB


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What goes to standard error, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


@dataclass(frozen=True, slots=True)
class StatsTag:
    """A label that is written into names of metrics: see `host.metrics.exposition.StatsTag`. `regex` has a group."""

    tag_name: str
    regex: str


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where metrics are served, and under which names."""

    listen: Listen = Listen("127.0.0.1", 9091)
    export_uri: str = "/apisix/prometheus/metrics"
    metric_prefix: str = "wasmcustom_"
    stats_tags: tuple[StatsTag, ...] = ()


ADMIN_PREFIX: Final = "/apisix/admin"
"""Where the Admin API is found, as in APISIX."""


@dataclass(frozen=True, slots=True)
class AdminKey:
    """Who may use the Admin API. A `viewer` may read alone. `key` "": it is made up at the start."""

    name: str
    key: str = field(repr=False)
    role: Literal["admin", "viewer"] = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The Admin API. `listen` None: it shares the gateway's own port.

    `allow`: addresses and ranges of clients. `store`: the file that keeps what it was told; None: memory alone.
    """

    listen: Listen | None = Listen("127.0.0.1", 9180)
    keys: tuple[AdminKey, ...] = (AdminKey("admin", ""),)
    allow: tuple[str, ...] = ("127.0.0.0/24",)
    store: Path | None = None


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What plugins read under `xds.node`. `metadata` is as JSON has it."""

    id: str = ""
    cluster: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole gateway. `workers` 0: one for each CPU that the process may use. `shutdown_timeout`: how long a worker
    may finish its requests when it is told to stop. `upstreams`: what plugins can call, whether a route leads there or
    not. `processes`: what is kept running beside the gateway, once for all workers. `shadow_report`: the file that
    takes what shadows did otherwise, a line of JSON an exchange. `problems`: what was left out of it because it could
    not be had, as an API whose bundle is not trusted; `warnings`: what is in it and does nothing.
    `tyk_secret`: who knows it may have the configuration read anew over HTTP; "": nobody.
    """

    listen: tuple[Listen, ...] = (Listen("0.0.0.0", 9080),)
    stream_listen: tuple[StreamListen, ...] = ()
    workers: int = 0
    shutdown_timeout: float = 240.0
    http: HttpLimits = field(default_factory=HttpLimits)
    log: LogConfig = field(default_factory=LogConfig)
    access_log: AccessLogConfig | None = None
    prometheus: Prometheus | None = None
    admin: Admin | None = None
    tyk_secret: str = field(default="", repr=False)
    node: NodeConfig = field(default_factory=NodeConfig)
    response_order: ResponseOrder = "descending"
    plugins: tuple[Plugin, ...] = ()
    foreign_functions: tuple[ForeignFunction, ...] = ()
    wasm_services: tuple[WasmService, ...] = ()
    stores: Stores = field(default_factory=Stores)
    global_rules: tuple[GlobalRule, ...] = ()
    routes: tuple[Route, ...] = ()
    upstreams: tuple[Upstream, ...] = ()
    stream_routes: tuple[StreamRoute, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    processes: tuple[ProcessSpec, ...] = ()
    shadow_report: Path | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def all_uses(config: Config) -> Iterator[PluginUse]:
    """Yield every use of a plugin in a configuration, those as shadows included."""
    holders: tuple[GlobalRule | Route | StreamRoute, ...] = (
        *config.global_rules,
        *config.routes,
        *config.stream_routes,
    )
    for holder in holders:
        for use in holder.plugins:
            yield use
            if use.shadow is not None:
                yield use.shadow.use
    for service in config.wasm_services:
        yield service.use
