"""The keys of `config.yaml`: what the gateway is, apart from its routes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, Tag, WithJsonSchema

from host.config.schema.admin import Admin, AdminKeys, AllowAdmin
from host.config.schema.base import Strict, by_form, words
from host.config.schema.callouts import Callouts
from host.config.schema.code import PluginCode
from host.config.schema.ext_plugin import ExtPlugin
from host.config.schema.kong import Kong
from host.config.schema.observability import Node, PluginAttributes, StatsConfig
from host.config.schema.scalars import (
    Duration,
    DurationWithUnit,
    HeadSize,
    Host,
    Name,
    Port,
    PositiveDuration,
    PositiveSize,
    Priority,
    Size,
    Workers,
    bad_value,
)
from host.config.schema.services import WasmService
from host.config.schema.stores import Stores
from host.config.schema.streams import StreamProxy
from host.config.schema.tyk import Tyk
from host.config.schema.vm import CapabilityRestriction, CircuitBreaker, IsolationMode, Recycle, VmConfig
from host.log.format import DEFAULT as DEFAULT_FORMAT
from host.log.format import parse_format

Phase = Annotated[
    Literal["access", "rewrite"],
    Field(description="`rewrite`: before all plugins of `access`, whatever their priority."),
]


Stage = Annotated[
    Literal["rewrite", "authn", "authz", "access", "post", "before_proxy"] | None,
    Field(
        description="The class of its place among all plugins, in this order; in place of `http_request_phase`."
    ),
]


class ListenAddress(Strict):
    known_to_apisix = frozenset({"enable_http2", "enable_http3"})

    ip: Host = Field(default="0.0.0.0", description="Address to bind; `::` takes IPv4 too.")
    port: Port = Field(default=9080, description="TCP port.")


class Ssl(Strict):
    known_to_apisix = words(
        "enable listen ssl_protocols ssl_ciphers ssl_session_tickets key_encrypt_salt fallback_sni"
    )

    ssl_trusted_certificate: str = Field(
        default="system",
        min_length=1,
        description="Whom to trust that signs servers' certificates: a PEM file, or `system` for the system's.",
    )


class Router(Strict):
    known_to_apisix = frozenset({"ssl"})

    http: Literal["radixtree_uri"] = Field(default="radixtree_uri", description="How routes are matched.")


class Apisix(Strict):
    known_to_apisix = words(
        "enable_dev_mode enable_reuseport enable_ipv6 enable_http2 show_upstream_status_in_response_header "
        "proxy_protocol enable_server_tokens extra_lua_path extra_lua_cpath lua_module_hook proxy_cache "
        "delete_uri_tail_slash normalize_uri_like_servlet dns_resolver "
        "dns_resolver_valid resolver_timeout enable_resolv_search_opt enable_control control events "
        "data_encryption status lru disable_sync_configuration_during_start worker_startup_time_threshold "
        "disable_upstream_healthcheck trusted_addresses https_admin admin_api_mtls id enable_heartbeat"
    )

    node_listen: Annotated[
        Annotated[Port, Tag("integer")]
        | Annotated[
            list[
                Annotated[
                    Annotated[Port, Tag("integer")] | Annotated[ListenAddress, Tag("mapping")],
                    by_form("a port or a mapping {ip, port}", "integer", "mapping"),
                ]
            ],
            Field(min_length=1),
            Tag("list"),
        ],
        by_form("a port, or a list of ports and of mappings {ip, port}", "integer", "list"),
    ] = Field(
        default=9080, description="Where clients connect: a port, or a list of ports and of `{ip, port}`."
    )
    proxy_mode: Literal["http", "stream", "http&stream"] = Field(
        default="http",
        description="Which of the listeners there are: `node_listen`, `stream_proxy`, or both.",
    )
    stream_proxy: StreamProxy | None = Field(
        default=None, description="Where clients of `stream_routes` connect."
    )
    ssl: Ssl = Field(
        default=Ssl(), description="TLS towards upstreams, and towards servers that plugins call."
    )
    router: Router = Field(default=Router(), description="The router.")
    enable_admin: bool | None = Field(
        default=None, description="The Admin API; no key: it is served if `deployment.admin` is there."
    )
    admin_key: AdminKeys | None = Field(
        default=None, description="Older name of `deployment.admin.admin_key`."
    )
    allow_admin: AllowAdmin | None = Field(
        default=None, description="Older name of `deployment.admin.allow_admin`."
    )
    port_admin: Port | None = Field(
        default=None, description="Older name of `deployment.admin.admin_listen.port`."
    )
    config_center: Literal["yaml"] = Field(default="yaml", description="Older name of `config_provider`.")


class ConfigProvider(Strict):
    known_to_apisix = frozenset({"conf_server", "control_plane"})

    config_provider: Literal["yaml"] = Field(default="yaml", description="Routes come from `apisix.yaml`.")


class Deployment(Strict):
    """Accepted so that the files of a standalone APISIX load as they are; only `admin` changes anything."""

    known_to_apisix = frozenset({"etcd", "certs", "role_control_plane"})

    role: Literal["traditional", "data_plane", "standalone"] = Field(
        default="data_plane", description="Any of them."
    )
    role_data_plane: ConfigProvider = Field(default=ConfigProvider(), description="Where routes come from.")
    role_traditional: ConfigProvider = Field(default=ConfigProvider(), description="Where routes come from.")
    admin: Admin | None = Field(default=None, description="The Admin API.")


class Event(Strict):
    worker_connections: int = Field(
        default=10620, ge=1, le=1_000_000, description="Client connections that a worker holds open at most."
    )


def _check_format(text: str) -> str:
    try:
        parse_format(text)
    except ValueError as error:
        raise bad_value(str(error)) from None
    return text


class NginxHttp(Strict):
    known_to_apisix = words(
        "underscores_in_headers real_ip_header real_ip_recursive real_ip_from proxy_ssl_server_name upstream "
        "charset variables_hash_max_size custom_lua_shared_dict lua_shared_dict large_client_header_buffers "
        "server_tokens client_header_buffer_size"
    )

    of_access_log: ClassVar[set[str]] = {
        "enable_access_log",
        "access_log",
        "access_log_format",
        "access_log_format_escape",
        "access_log_buffer",
    }

    enable_access_log: bool = Field(default=True, description="`false` leaves `access_log` out.")
    access_log: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="File of the access log, relative to this file's folder, or `/dev/stdout`. No key: no log.",
    )
    access_log_format: Annotated[str, Field(min_length=1), AfterValidator(_check_format)] = Field(
        default=DEFAULT_FORMAT,
        description="A line of it, in nginx's syntax: see [operations.md](operations.md#access-log). `tyk`: an "
        "analytics record of Tyk's, in JSON.",
    )
    access_log_format_escape: Literal["default", "json"] = Field(
        default="default", description="How values are escaped: as nginx does, or for strings in JSON."
    )
    access_log_buffer: PositiveSize = Field(
        default=16 * 1024,
        description="Bytes that are gathered, for a second at most, before they are written.",
    )
    client_header_timeout: PositiveDuration = Field(
        default=60.0, description="For a whole request head to arrive."
    )
    client_body_timeout: PositiveDuration = Field(
        default=60.0, description="Between two reads of a request body."
    )
    send_timeout: PositiveDuration = Field(
        default=10.0, description="Between two writes to a client that does not read."
    )
    keepalive_timeout: Duration = Field(
        default=60.0, description="For an idle client connection; 0 closes after each response."
    )
    keepalive_requests: int = Field(
        default=1000, ge=1, description="Requests served on one client connection."
    )
    client_max_header_size: HeadSize = Field(
        default=64 * 1024, description="Of a request head; a larger one gets 431. Sluiceway's own key."
    )
    max_headers: int = Field(
        default=100, ge=1, le=10_000, description="Fields of a request head; more get 431."
    )
    client_max_body_size: Size = Field(
        default=0, description="Of a request body; a larger one gets 413. 0: no limit."
    )


def _check_variable(text: str) -> str:
    if not text.partition("=")[0].isidentifier() or not text.isprintable():
        raise bad_value(f"expected NAME or NAME=value, got {text!r}")
    return text


class Nginx(Strict):
    known_to_apisix = words(
        "user error_log error_log_level enable_cpu_affinity worker_rlimit_nofile max_pending_timers meta "
        "stream max_running_timers main_configuration_snippet http_configuration_snippet "
        "http_server_configuration_snippet http_server_location_configuration_snippet "
        "http_admin_configuration_snippet http_end_configuration_snippet stream_configuration_snippet"
    )

    worker_processes: Workers | None = Field(
        default=None, description="APISIX's name of `workers`; give one of them."
    )
    worker_shutdown_timeout: Duration = Field(
        default=240.0, description="For a worker that was told to stop to finish its requests."
    )
    envs: list[Annotated[str, AfterValidator(_check_variable)]] = Field(
        default=[],
        description="Variables that processes beside the gateway see: `NAME` as the gateway has it, or `NAME=value`.",
    )
    event: Event = Field(default=Event(), description="Connections of a worker.")
    http: NginxHttp = Field(default=NginxHttp(), description="Limits and timeouts towards clients.")


class WasmPlugin(PluginCode):
    name: Name = Field(description="The name that routes enable it by.")
    priority: Priority = Field(description="Larger runs earlier, among the plugins of one phase.")
    http_request_phase: Phase = "access"
    stage: Stage = None
    failure_policy: Literal["fail_reload", "fail_closed", "fail_open"] = Field(
        default="fail_reload",
        description="After a trap: `fail_reload` starts a new VM, `fail_closed` answers 503, `fail_open` passes by.",
    )
    root_id: str = Field(
        default="", max_length=256, description="Chooses a root context in modules that have several."
    )
    vm_config: VmConfig = Field(default=VmConfig(), description="The VM that the plugin runs in.")
    isolation: IsolationMode = "none"
    capability_restriction_config: CapabilityRestriction = Field(
        default=CapabilityRestriction(), description="What of the host's functions the plugin has."
    )
    recycle: Recycle = Field(
        default=Recycle(), description="When a VM is replaced although it has not failed; nothing: never."
    )
    circuit_breaker: CircuitBreaker = Field(
        default=CircuitBreaker(),
        description="When a plugin that overruns its time or fuel is left alone for a while.",
    )
    callback_fuel: int = Field(
        default=0,
        ge=0,
        le=2**62,
        description="Budget of a callback in wasmtime's fuel, about an instruction a unit; 0: not counted.",
    )
    callback_timeout: DurationWithUnit = Field(
        default=0.010, description="CPU time of one callback on a request; then it is interrupted as a trap."
    )
    snapshot: bool = Field(
        default=False,
        description="Start further VMs from a copy of the first, as it was when it had its configurations.",
    )
    start_timeout: DurationWithUnit = Field(
        default=5.0, description="For the module's start and `proxy_on_configure`."
    )
    max_memory_size: PositiveSize = Field(
        default=128 * 1024 * 1024,
        description="The module's linear memory; growing beyond fails inside the module.",
    )
    max_request_body_size: PositiveSize = Field(
        default=1024 * 1024, description="Request body held while the plugin pauses; more gets 413."
    )
    max_response_body_size: PositiveSize = Field(
        default=1024 * 1024, description="Response body held while the plugin pauses; more gets 502."
    )
    max_metrics: int = Field(
        default=1024,
        ge=1,
        le=16384,
        description="Metrics that the plugin may define; what it counts under further names is not shown.",
    )
    log_level: Literal["trace", "debug", "info", "warn", "error", "critical"] = Field(
        default="info", description="The least level of the plugin's own lines that is written."
    )
    decode_bodies: bool = Field(
        default=False,
        description="Let the plugin see bodies without gzip, deflate, br and zstd; they leave without it, too.",
    )
    allow_on_headers_stop_iteration: bool = Field(
        default=False,
        description="Let the plugin see the body while it pauses on headers, and decide on them then (Envoy's key).",
    )
    callouts: Callouts = Field(
        default=Callouts(), description="Calls that the plugin makes to other servers."
    )


class Wasm(Strict):
    plugins: list[WasmPlugin] = Field(default=[], description="The `.wasm` files that routes can enable.")
    services: dict[str, WasmService] = Field(
        default={}, description="Plugins by name, of `plugins`, that run without traffic from the start on."
    )
    stores: Stores = Field(default=Stores(), description="Shared data and queues of plugins.")


def _check_target(target: str) -> str:
    module, _, name = target.partition(":")
    if not all(part.isidentifier() for part in module.split(".")) or not name.isidentifier():
        raise bad_value(f"expected module:name, got {target!r}")
    return target


class PythonPlugin(Strict):
    name: Name = Field(description="The name that routes enable it by.")
    priority: Priority = Field(description="Larger runs earlier, among the plugins of one phase.")
    target: Annotated[
        str,
        AfterValidator(_check_target),
        WithJsonSchema({"type": "string", "pattern": r"^[\w.]+:\w+$"}),
    ] = Field(alias="class", description="`module:Class` of the filter.")
    http_request_phase: Phase = "access"
    stage: Stage = None


class ForeignFunction(Strict):
    name: Name = Field(description="What plugins call it by; one of the host's own is replaced.")
    target: Annotated[
        str,
        AfterValidator(_check_target),
        WithJsonSchema({"type": "string", "pattern": r"^[\w.]+:\w+$"}),
    ] = Field(alias="function", description="`module:function`.")


class Python(Strict):
    path: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[],
        description="Folders to find modules in before Python's own, relative to this file's folder.",
    )
    plugins: list[PythonPlugin] = Field(
        default=[], description="Filters written in Python that routes can enable."
    )
    foreign_functions: list[ForeignFunction] = Field(
        default=[], description="Functions that plugins reach with `proxy_call_foreign_function`."
    )


class Log(Strict):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level that is written."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="One line each, for people or as a JSON object."
    )


class Gateway(Strict):
    """The top level of `config.yaml`."""

    known_to_apisix: ClassVar[frozenset[str]] = words(
        "plugins stream_plugins etcd discovery xrpc graphql admin"
    )

    apisix: Apisix = Field(default=Apisix(), description="Where the gateway listens.")
    deployment: Deployment = Field(
        default=Deployment(), description="The Admin API, and what standalone APISIX's files have."
    )
    nginx_config: Nginx = Field(default=Nginx(), description="Processes, limits and timeouts.")
    wasm: Wasm = Field(default=Wasm(), description="Plugins in WebAssembly.")
    python: Python = Field(default=Python(), description="Plugins in Python.")
    kong: Kong = Field(default=Kong(), description="Kong's plugin servers: see [kong.md](kong.md).")
    shadow_report: str | None = Field(
        default=None, description="File that takes what shadows do otherwise: see docs/shadow.md."
    )
    ext_plugin: ExtPlugin = Field(
        default=ExtPlugin(),
        alias="ext-plugin",
        description="APISIX plugin runners: plugins in other processes.",
    )
    response_order: Literal["descending", "reverse"] = Field(
        default="descending",
        description="Plugins see responses in the order of requests (as in APISIX), or the other way round (Envoy).",
    )
    workers: Workers | None = Field(
        default=None,
        description="Processes that serve; `auto`, or no key: one for each CPU that may be used.",
    )
    log: Log = Field(default=Log(), description="Logs, on standard error.")
    plugin_attr: PluginAttributes = Field(
        default=PluginAttributes(), description="APISIX's place for what concerns a plugin everywhere."
    )
    tyk: Tyk = Field(default=Tyk(), description="APIs of Tyk's, and their middleware.")
    stats_config: StatsConfig = Field(default=StatsConfig(), description="Labels of metrics.")
    node: Node = Field(default=Node(), description="What this gateway is among others, for plugins.")
