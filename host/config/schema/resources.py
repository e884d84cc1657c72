"""The keys of `apisix.yaml`: routes and what they are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag

from host.config.schema.base import Strict, by_form, words
from host.config.schema.scalars import (
    Conf,
    Duration,
    Host,
    Id,
    Method,
    Name,
    NodeAddress,
    Port,
    PositiveDuration,
    Priority,
    Weight,
    bad_value,
)
from host.router import parse_host_pattern, parse_uri_pattern


def _uri(value: str) -> str:
    try:
        parse_uri_pattern(value)
    except ValueError as error:
        raise bad_value(str(error)) from None
    return value


def _host_pattern(value: str) -> str:
    try:
        parse_host_pattern(value)
    except ValueError as error:
        raise bad_value(str(error)) from None
    return value


Uri = Annotated[str, Field(max_length=4096), AfterValidator(_uri)]
HostPattern = Annotated[str, Field(max_length=255), AfterValidator(_host_pattern)]


class Described(Strict):
    """What every resource may carry; none of it changes what is served."""

    id: Id | None = Field(
        default=None, description="Unique among its kind; `arr_1` for the first of a list, and so on."
    )
    name: Name | None = Field(default=None, description="For people.")
    desc: Annotated[str, Field(max_length=256)] | None = Field(default=None, description="For people.")
    labels: dict[Name, Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default={}, description="For people."
    )
    create_time: int = Field(default=0, description="Written by APISIX's Admin API.")
    update_time: int = Field(default=0, description="Written by APISIX's Admin API.")


class Timeout(Strict):
    connect: PositiveDuration = Field(default=60.0, description="To open a connection.")
    send: PositiveDuration = Field(default=60.0, description="Between two writes to the upstream.")
    read: PositiveDuration = Field(default=60.0, description="Between two reads from the upstream.")


class Node(Strict):
    known_to_apisix = frozenset({"metadata"})

    host: Host = Field(description="Name or IP address.")
    port: Port | None = Field(default=None, description="TCP port; the scheme's if absent.")
    weight: Weight = Field(description="Share of the load among the nodes; 0: none.")
    priority: Literal[0] = Field(default=0, description="Only 0 is served: all nodes are of one group.")


class KeepalivePool(Strict):
    size: int = Field(default=320, ge=1, le=65535, description="Idle connections kept by a worker.")
    idle_timeout: Duration = Field(default=60.0, description="How long an idle connection is kept.")
    requests: int = Field(default=1000, ge=1, description="Requests sent on one connection.")


Nodes = Annotated[
    Annotated[dict[NodeAddress, Weight], Tag("mapping")] | Annotated[list[Node], Tag("list")],
    by_form('a mapping {"host:port": weight} or a list of {host, port, weight}', "mapping", "list"),
]


class UpstreamTls(Strict):
    known_to_apisix = words("client_cert_id client_cert client_key")

    verify: bool = Field(default=True, description="Whether the nodes' certificates are verified.")


class Upstream(Described):
    known_to_apisix = words("retry_timeout checks hash_on key discovery_type discovery_args service_name")

    type: Literal["roundrobin"] = Field(
        default="roundrobin", description="How a node is chosen: weighted round robin."
    )
    nodes: Nodes = Field(description='Servers: `{"host:port": weight}` or a list of `{host, port, weight}`.')
    timeout: Timeout = Field(default=Timeout(), description="Timeouts towards the nodes.")
    retries: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Further tries on other nodes; one less than there are nodes if absent."
    )
    pass_host: Literal["pass", "node", "rewrite"] = Field(
        default="pass",
        description="The Host that nodes see: the client's, the node's own, or `upstream_host`.",
    )
    upstream_host: Host | None = Field(default=None, description="With `pass_host: rewrite`.")
    scheme: Literal["http", "https", "tcp", "tls"] = Field(
        default="http",
        description="The protocol towards the nodes. `tcp` and `tls` are for `stream_routes`, where `http` is TCP too.",
    )
    tls: UpstreamTls = Field(default=UpstreamTls(), description="With `scheme: https` and `tls`.")
    keepalive_pool: KeepalivePool = Field(
        default=KeepalivePool(), description="Idle connections that are kept."
    )


class Shadow(Strict):
    """A plugin that sees the same exchanges and whose effects are compared: see docs/shadow.md."""

    plugin: Name = Field(description="One of `wasm.plugins` or `python.plugins`.")
    conf: Conf | None = Field(default=None, description="Its configuration, as `conf` of a plugin.")
    serve: Literal["plugin", "shadow"] = Field(
        default="plugin", description="Whose effects count: the plugin's, or already its shadow's."
    )
    sample: Annotated[float, Field(ge=0, le=1, strict=False)] = Field(
        default=1.0, description="The share of exchanges that are compared."
    )
    timeout: PositiveDuration = Field(
        default=5.0, description="How much longer than the exchange the other one may take."
    )
    ignore_headers: list[Name] = Field(default=[], description="Fields that may differ.")


class UseMeta(Strict):
    known_to_apisix = frozenset({"error_response", "filter", "pre_function"})

    priority: Priority | None = Field(
        default=None, description="In place of the plugin's own priority, in this use."
    )
    disable: bool = Field(default=False, description="As `disable` one level up.")
    shadow: Shadow | None = Field(
        default=None, description="A plugin that runs beside this one, to be compared. Sluiceway's own key."
    )


class Use(Strict):
    """A plugin enabled on a route, service, plugin_config or global rule."""

    conf: Conf | None = Field(
        default=None,
        description="What `proxy_on_configure` reads: a text byte for byte, a mapping as compact JSON.",
    )
    disable: bool = Field(
        default=False, description="Leave the plugin out here, also one that a service enables."
    )
    access_logger: bool = Field(
        default=False,
        description="The plugin sees `proxy_on_log` alone, of every exchange; an access logger in Envoy's sense.",
    )
    meta: UseMeta = Field(default=UseMeta(), alias="_meta", description="About this use of the plugin.")


Uses = dict[str, Use]
_USES = "Plugins by name; each was declared under `wasm.plugins` or `python.plugins`."


class Route(Described):
    known_to_apisix = words("remote_addr remote_addrs vars filter_func script script_id service_protocol")

    uri: Uri | None = Field(default=None, description="A path, or a prefix that ends in `*`. This or `uris`.")
    uris: Annotated[list[Uri], Field(min_length=1)] | None = Field(
        default=None, description="Several of them."
    )
    host: HostPattern | None = Field(
        default=None, description="A host name, or `*.example.com`. This or `hosts`."
    )
    hosts: Annotated[list[HostPattern], Field(min_length=1)] | None = Field(
        default=None, description="Several of them."
    )
    methods: list[Method] = Field(default=[], description="Request methods; none means all.")
    priority: Priority = Field(default=0, description="Larger is tried first, among routes of one URI.")
    status: Literal[0, 1] = Field(default=1, description="0 takes the route out of service.")
    timeout: Timeout | None = Field(default=None, description="In place of the upstream's.")
    upstream: Upstream | None = Field(default=None, description="Where requests go. This or `upstream_id`.")
    upstream_id: Id | None = Field(default=None, description="One of `upstreams`.")
    service_id: Id | None = Field(
        default=None, description="One of `services`, whose keys this route's own override."
    )
    plugin_config_id: Id | None = Field(default=None, description="One of `plugin_configs`.")
    plugins: Uses = Field(default={}, description=_USES)
    enable_websocket: bool | None = Field(
        default=None,
        description="Let clients upgrade their connection, as to WebSocket. Else `Upgrade` is dropped.",
    )
    trust_content_length: bool = Field(
        default=False,
        description="Plugins keep body lengths as they are, so a head need not wait for its body. Sluiceway's own key.",
    )


class Service(Described):
    known_to_apisix = frozenset({"script"})

    hosts: Annotated[list[HostPattern], Field(min_length=1)] | None = Field(
        default=None, description="For routes that have neither `host` nor `hosts`."
    )
    upstream: Upstream | None = Field(default=None, description="Where requests go. This or `upstream_id`.")
    upstream_id: Id | None = Field(default=None, description="One of `upstreams`.")
    plugins: Uses = Field(default={}, description=_USES)
    enable_websocket: bool | None = Field(default=None, description="For routes that do not say.")


class PluginConfig(Described):
    plugins: Uses = Field(description=_USES)


class GlobalRule(Described):
    plugins: Uses = Field(description=_USES + " They run for every request, before the route's own.")
