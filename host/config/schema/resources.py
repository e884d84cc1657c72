"""The keys of `apisix.yaml`: routes and what they are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Tag

from host.config.schema.base import Strict, by_form, words
from host.config.schema.scalars import (
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
from host.config.schema.uses import Uses
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
    plugins: Uses = Field(default=Uses(), description="Plugins by name.")
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
    plugins: Uses = Field(default=Uses(), description="Plugins by name.")
    enable_websocket: bool | None = Field(default=None, description="For routes that do not say.")


class PluginConfig(Described):
    plugins: Uses = Field(description="Plugins by name.")


class GlobalRule(Described):
    plugins: Uses = Field(description="Plugins by name. They run for every request, before the route's own.")
