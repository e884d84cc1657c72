"""Kong's plugin servers and their plugins, as plain frozen values. See `host.config.model`, which has the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from host.config.plugin_values import MIB, ExternalPlugin, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class KongServer:
    """A plugin server. `query_command`: what prints its plugins, for a shell. `is_managed`: the gateway starts it, as
    the process `name` of the Config."""

    name: str
    socket: Path
    query_command: str
    is_managed: bool = False
    folder: Path | None = None
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    inherit: tuple[str, ...] = ()
    place: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KongConsumer:
    """Whom plugins may find by id or user name. `groups`: names."""

    id: str
    username: str = ""
    custom_id: str = ""
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    created_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KongRoute:
    """What plugins are told of a route of a declarative file.

    `entity`, `service`: JSON with Kong's keys.
    """

    id: str
    entity: str = "{}"
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KongSettings:
    """What all plugin servers have in common.

    `event_timeout`: seconds that a server has for one event. `max_wedged`: so many events in a row that a managed
    server does not end in time, and it is started anew. `start_timeout`: seconds that a request waits for a managed
    server that is not there. `connections`: open to one server at most, from one worker. `max_body_size`: bytes of a
    body that a plugin may ask for. `query_timeout`: seconds for a query command.
    """

    servers: tuple[KongServer, ...] = ()
    event_timeout: float = 5.0
    max_wedged: int = 2
    start_timeout: float = 2.0
    query_timeout: float = 10.0
    connections: int = 64
    max_body_size: int = 1 * MIB
    trusted_ips: tuple[str, ...] = ()
    real_ip_header: str = "X-Real-IP"
    real_ip_recursive: bool = False
    node_id: str = ""
    consumers: tuple[KongConsumer, ...] = ()
    routes: tuple[KongRoute, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KongPlugin(ExternalPlugin):
    """A plugin in one of the servers. Its priority and phases are what its server says."""

    settings: KongSettings = field(repr=False)
