"""Files in Kong's declarative format (`_format_version`): services, routes, plugins, upstreams, consumers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from host.config.schema.base import Strict, words
from host.config.schema.scalars import Host, KongConf, Port, Weight, bad_value, describe, parse_address
from host.router import parse_host_pattern

_MOST = 2**31 - 1


def _reference(value: Any) -> str:
    """A name or id, or a mapping with one of them."""
    if isinstance(value, dict) and len(value) == 1:
        value = value.get("id", value.get("name"))
    if not isinstance(value, str) or not value:
        raise bad_value(f"expected a name, or a mapping with name or id, got {describe(value)}")
    return value


def _path(value: str) -> str:
    if value.startswith("~"):
        raise bad_value("known to Kong, not served by Sluiceway: a regular expression as path")
    if not value.startswith("/"):
        raise bad_value(f"expected a path that begins with /, got {value!r:.60}")
    return value


def _host(value: str) -> str:
    try:
        parse_host_pattern(value)
    except ValueError as error:
        raise bad_value(str(error)) from None
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise bad_value(f"expected a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query:
        raise bad_value(f"expected http://HOST[:PORT][/PATH] or https://…, got {value!r:.60}")
    return value


def _target(value: str) -> str:
    parse_address(value, 8000)
    return value


Name = Annotated[str, Field(min_length=1, max_length=128)]
Reference = Annotated[str, BeforeValidator(_reference)]
Milliseconds = Annotated[int, Field(ge=1, le=_MOST)]
Tags = list[Name]
Protocols = list[Literal["http", "https"]]


class Entity(Strict):
    id: Name | None = None
    name: Name | None = None
    tags: Tags = Field(default=[])
    created_at: int = 0
    updated_at: int = 0


class KongFilePlugin(Strict):
    known_to_kong = words("consumer consumer_group ordering condition partials")

    id: Name | None = None
    name: Name
    config: KongConf = b"{}"
    enabled: bool = True
    service: Reference | None = None
    route: Reference | None = None
    protocols: Protocols = Field(default=[])
    instance_name: Name | None = None
    tags: Tags = Field(default=[])
    created_at: int = 0
    updated_at: int = 0


class KongFileRoute(Entity):
    known_to_kong = words("headers snis sources destinations expression priority")

    service: Reference | None = None
    protocols: Protocols = Field(default=["http", "https"])
    methods: list[Annotated[str, Field(pattern=r"^[A-Z]+$")]] = Field(default=[])
    hosts: list[Annotated[str, Field(max_length=255), AfterValidator(_host)]] = Field(default=[])
    paths: list[Annotated[str, Field(max_length=4096), AfterValidator(_path)]] = Field(default=[])
    strip_path: bool = True
    preserve_host: bool = False
    regex_priority: int = 0
    path_handling: Literal["v0"] = "v0"
    https_redirect_status_code: int = 426
    request_buffering: Literal[True] = True
    response_buffering: Literal[True] = True
    plugins: list[KongFilePlugin] = Field(default=[])


class KongFileService(Entity):
    known_to_kong = words("client_certificate ca_certificates tls_verify_depth tls_sans")

    url: Annotated[str, AfterValidator(_url)] | None = None
    protocol: Literal["http", "https"] = "http"
    host: Host | None = None
    port: Port | None = None
    path: Annotated[str, AfterValidator(_path)] | None = None
    retries: Annotated[int, Field(ge=0, le=32767)] = 5
    connect_timeout: Milliseconds = 60000
    write_timeout: Milliseconds = 60000
    read_timeout: Milliseconds = 60000
    tls_verify: bool | None = None
    enabled: bool = True
    routes: list[KongFileRoute] = Field(default=[])
    plugins: list[KongFilePlugin] = Field(default=[])


class KongFileTarget(Strict):
    id: Name | None = None
    target: Annotated[str, AfterValidator(_target)]
    weight: Weight = 100
    tags: Tags = Field(default=[])
    upstream: Reference | None = None
    created_at: float = 0
    updated_at: float = 0


class KongFileUpstream(Entity):
    known_to_kong = words(
        "healthchecks hash_on hash_fallback hash_on_header hash_fallback_header hash_on_cookie hash_on_cookie_path "
        "hash_on_query_arg hash_fallback_query_arg hash_on_uri_capture hash_fallback_uri_capture client_certificate "
        "use_srv_name sticky_sessions_cookie"
    )

    name: Host
    algorithm: Literal["round-robin"] = "round-robin"
    slots: int = 10000
    host_header: Host | None = None
    targets: list[KongFileTarget] = Field(default=[])


class KongFileGroup(Strict):
    name: Name


class KongFileConsumer(Strict):
    known_to_kong = words(
        "plugins acls basicauth_credentials hmacauth_credentials jwt_secrets keyauth_credentials oauth2_credentials "
        "mtls_auth_credentials"
    )

    id: Name | None = None
    username: Name | None = None
    custom_id: Name | None = None
    tags: Tags = Field(default=[])
    groups: list[KongFileGroup] = Field(default=[])
    created_at: int = 0
    updated_at: int = 0


class KongFile(Strict):
    """The top level."""

    known_to_kong = words(
        "certificates ca_certificates snis consumer_groups vaults keys key_sets filter_chains acls partials "
        "basicauth_credentials hmacauth_credentials jwt_secrets keyauth_credentials oauth2_credentials custom_entities"
    )

    format_version: Literal["1.1", "2.1", "3.0"] = Field(alias="_format_version")
    transform: bool = Field(default=True, alias="_transform")
    comment: str | None = Field(default=None, alias="_comment")
    ignore: list[Any] = Field(default=[], alias="_ignore")
    info: dict[str, Any] = Field(default={}, alias="_info")
    services: list[KongFileService] = Field(default=[])
    routes: list[KongFileRoute] = Field(default=[])
    plugins: list[KongFilePlugin] = Field(default=[])
    upstreams: list[KongFileUpstream] = Field(default=[])
    targets: list[KongFileTarget] = Field(default=[])
    consumers: list[KongFileConsumer] = Field(default=[])
