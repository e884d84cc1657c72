"""Kong's plugins as a kind of external plugin: servers are asked what they have, configurations tried, filters made."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import json
import logging
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from host.chain import PhaseClass
from host.config import Config, ExternalPlugin, PluginUse, all_uses
from host.config.kong_values import KongPlugin, KongServer, KongSettings
from host.external.complaints import Complaints
from host.external.kind import Failure, Part, Services
from host.external.kong.connection import PrereadFilter
from host.external.kong.dump import KNOWN, MESSAGE_PACK, Dump, DumpError, PluginInfo
from host.external.kong.entities import consumer_entity, routes_of
from host.external.kong.filter import Background, Counters, KongFilter, Use, new_filter
from host.external.kong.instances import InstanceKey
from host.external.kong.pdk.state import Gateway, Plugin
from host.external.kong.query import query
from host.external.kong.schema import SchemaError, validated
from host.external.kong.server import PluginServer

log = logging.getLogger("sluiceway.kong")

_ACCESS_PART = frozenset({"access", "response", "log"})

FilterT = TypeVar("FilterT", KongFilter, PrereadFilter)
Key = tuple[KongServer, KongSettings, str]
Found = tuple[PluginInfo, PluginServer]


class KongKind:
    """Servers stay over reloads, with their connections and instances."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._servers: dict[Key, PluginServer] = {}
        self._background = Background()
        self._shared: dict[str, Any] = {}
        self._node_id = str(uuid.uuid4())

    async def load(self, config: Config) -> KongLoaded:
        """Ask the servers, and try each use's configuration."""
        plugins = [each for each in config.plugins if isinstance(each, KongPlugin)]
        settings = plugins[0].settings
        dumps = await asyncio.gather(*(_ask(server, settings.query_timeout) for server in settings.servers))
        servers: dict[Key, PluginServer] = {}
        found: dict[str, list[Found]] = {}
        reasons: list[str] = []
        for server, dump in zip(settings.servers, dumps, strict=True):
            if isinstance(dump, str):
                reasons.append(f"plugin server {server.name}: {dump}")
                continue
            if dump.protocol == MESSAGE_PACK and importlib.util.find_spec("msgpack") is None:
                reasons.append(
                    f"plugin server {server.name} speaks MessagePack: pip install 'sluiceway[kong]'"
                )
                continue
            key = (server, replace(settings, servers=(), routes=(), consumers=()), dump.protocol)
            servers[key] = self._servers.get(key) or PluginServer(server, settings, dump.protocol)
            for info in dump.plugins:
                found.setdefault(info.name, []).append((info, servers[key]))
        await self._close([key for key in self._servers if key not in servers])
        self._servers.update(servers)
        loaded = KongLoaded(self._gateway(config, settings), self._services, self._background, settings)
        loaded.take(plugins, found, reasons)
        loaded.try_uses(uses_of(config))
        return loaded

    def _gateway(self, config: Config, settings: KongSettings) -> Gateway:
        consumers = [consumer_entity(each) for each in settings.consumers]
        return Gateway(
            trusted_ips=tuple(ipaddress.ip_network(each, strict=False) for each in settings.trusted_ips),
            real_ip_header=settings.real_ip_header,
            real_ip_recursive=settings.real_ip_recursive,
            node_id=settings.node_id or self._node_id,
            consumers={each["id"]: each for each in consumers},
            usernames={each["username"]: each for each in consumers if each.get("username")},
            routes=routes_of(config, settings.routes),
            shared=self._shared,
            statistics=lambda: self._services.statistics(),
        )

    async def _close(self, keys: list[Key]) -> None:
        """Close servers that no configuration in use has any more."""
        for key in keys:
            if not self._servers[key].instances.is_held:
                await self._servers.pop(key).close()

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
        await self._background.close()
        for server in self._servers.values():
            await server.close()
        self._servers.clear()


class KongLoaded:
    """The plugins of one configuration."""

    def __init__(
        self, gateway: Gateway, services: Services, background: Background, settings: KongSettings
    ) -> None:
        self.failures: list[Failure] = []
        self._gateway = gateway
        self._services = services
        self._background = background
        self._settings = settings
        self._found: dict[str, Found] = {}
        self._configurations: dict[PluginUse, bytes] = {}
        self._parts: dict[PluginUse, Sequence[Part]] = {}

    def take(
        self, plugins: Iterable[KongPlugin], found: Mapping[str, list[Found]], reasons: list[str]
    ) -> None:
        """Note which server has each plugin. `reasons`: why servers could not be asked."""
        hints = reasons or [_hint(self._settings, found)]
        for plugin in plugins:
            if (reason := _unfit(plugin.name, found.get(plugin.name, []), hints)) is not None:
                self.failures.append(Failure(plugin, reason))
            else:
                self._found[plugin.name] = found[plugin.name][0]

    def try_uses(self, uses: Iterable[tuple[PluginUse, bool]]) -> None:
        """Hold each use's configuration against its schema."""
        for use, is_stream in uses:
            if use.name not in self._found or use in self._configurations:
                continue
            info, _ = self._found[use.name]
            if ("preread" not in info.phases) if is_stream else (info.phases == {"preread"}):
                where = "stream_routes take phase preread" if is_stream else "preread is for stream_routes"
                self.failures.append(Failure(use, f"plugin {use.name} has nothing to do here: {where}"))
                continue
            try:
                given = json.loads(use.configuration) if use.configuration else {}
                checked = validated(info.schema, given)
            except SchemaError as error:
                self.failures.append(Failure(use, f"plugin {use.name}: {error}"))
            except (ValueError, RecursionError) as error:
                self.failures.append(
                    Failure(use, f"plugin {use.name}: its configuration is no JSON: {error}")
                )
            else:
                self._configurations[use] = json.dumps(checked, separators=(",", ":")).encode()

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """The rewrite phase in its class; the others in that of access."""
        if use not in self._parts:
            self._parts[use] = list(self._new_parts(use))
        return self._parts[use]

    def _new_parts(self, use: PluginUse) -> Iterator[Part]:
        info, server = self._found[use.name]
        key = InstanceKey(use.name, use.scope, self._configurations[use])
        made = Use(
            Plugin(use.name, str(uuid.uuid5(uuid.NAMESPACE_URL, f"{use.scope}/plugins/{use.name}"))),
            key,
            server,
            self._gateway,
            _counters(self._services, use.name),
            Complaints(use.name, log),
            self._background,
            self._settings.max_body_size,
        )
        if "rewrite" in info.phases:
            yield Part(_held(made, frozenset({"rewrite"})), PhaseClass.REWRITE, info.priority)
        if phases := info.phases & _ACCESS_PART:
            yield Part(_held(made, phases), PhaseClass.ACCESS, info.priority)
        if "preread" in info.phases:
            yield Part(_keeping(made, PrereadFilter(made)), PhaseClass.ACCESS, info.priority)

    def retire(self) -> None:
        """Filters go when the last exchange on them has ended, and their instances with them."""
        self._parts.clear()


def _held(use: Use, phases: frozenset[str]) -> KongFilter:
    return _keeping(use, new_filter(use, phases))


def _keeping(use: Use, made: FilterT) -> FilterT:
    """Keep the use's instance for as long as there is the filter."""
    use.server.instances.hold(use.key)
    loop = asyncio.get_running_loop()

    def let_go() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(use.server.let_go, use.key)

    weakref.finalize(made, let_go).atexit = False
    return made


def _counters(services: Services, plugin: str) -> Counters:
    labels = {"plugin": plugin}
    return Counters(
        services.metrics.counter("kong_events_total", labels),
        services.metrics.counter("kong_event_failures_total", labels),
    )


async def _ask(server: KongServer, within: float) -> Dump | str:
    try:
        return await query(server, within)
    except DumpError as error:
        return str(error)


def _hint(settings: KongSettings, found: Iterable[str]) -> str:
    """What may be wrong where every server could be asked."""
    if not settings.servers:
        return "none is configured: give pluginserver_names, or go_plugins_dir with go_pluginserver_exe"
    return f"plugins they have: {', '.join(found) or 'none'}"


def _unfit(name: str, found: list[Found], reasons: list[str]) -> str | None:
    """Why a plugin cannot be used; None where it can."""
    if not found:
        return "; ".join((f"no plugin server has {name}", *reasons))
    if len(found) > 1:
        names = ", ".join(server.config.name for _, server in found)
        return f"plugin {name} is in several plugin servers: {names}"
    phases = found[0][0].phases
    if "certificate" in phases:
        return f"plugin {name} has phase certificate, which is not served: handshakes run no plugins"
    if unknown := phases - KNOWN:
        return f"plugin {name} has phases that are not known: {', '.join(sorted(unknown))}"
    return None


def uses_of(config: Config) -> Iterator[tuple[PluginUse, bool]]:
    """Yield each use, a shadow's too, and whether it is of a stream route."""
    of_streams = {use for route in config.stream_routes for use in route.plugins}
    return ((use, use in of_streams) for use in all_uses(config))
