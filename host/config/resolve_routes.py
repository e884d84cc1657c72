"""Validated routes, services and upstreams as values: ids looked up, plugins merged.

The merging is APISIX's: a route's plugin takes the place of its plugin_config's of the same name, that one of its
service's, each with its whole configuration; a route's upstream takes the place of its service's.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from host.config import model
from host.config.resolve_plugins import PlaceOf
from host.config.resolve_runners import runner_use
from host.config.schema import Resources
from host.config.schema.resources import Route, Service, Timeout, Upstream
from host.config.schema.scalars import parse_address
from host.config.schema.streams import StreamRoute
from host.config.schema.use import Shadow, Use
from host.config.schema.uses import Uses

Layer = tuple[Uses, str, tuple[str | int, ...]]
"""Uses of plugins, their scope, and the path of the entry that holds them."""


def position(index: int) -> str:
    """The id that APISIX gives to an entry of `apisix.yaml` that has none."""
    return f"arr_{index + 1}"


def merged_uses(place_of: PlaceOf, *layers: Layer) -> tuple[model.PluginUse, ...]:
    """Merge the layers; later ones take the place of earlier ones, name by name."""
    merged = {name: (use, scope, entry) for uses, scope, entry in layers for name, use in uses.items()}
    return tuple(
        _with_shadow(
            use.meta.shadow,
            model.PluginUse(
                name=name,
                configuration=(use.conf or use.config or b"") if isinstance(use, Use) else runner_use(use),
                scope=scope,
                priority=use.meta.priority,
                access_logger=isinstance(use, Use) and use.access_logger,
                place=place_of((*entry, "plugins", name)),
            ),
            place_of((*entry, "plugins", name, "_meta", "shadow")),
        )
        for name, (use, scope, entry) in merged.items()
        if not use.disable and not use.meta.disable
    )


def _with_shadow(shadow: Shadow | None, use: model.PluginUse, place: model.Place) -> model.PluginUse:
    """Return the use of the plugin that counts, and in it that of the other one."""
    if shadow is None:
        return use
    # A scope of its own: the shadow may stand on the route as a plugin, too, and is none of that one's.
    other = model.PluginUse(
        name=shadow.plugin,
        configuration=shadow.conf or b"",
        scope=f"{use.scope}/{use.name}/shadow",
        place=place,
    )
    if shadow.serve == "shadow":
        use, other = other, use
    compared = model.Shadow(
        use=other,
        sample=shadow.sample,
        timeout=shadow.timeout,
        ignore_headers=tuple(name.lower() for name in shadow.ignore_headers),
    )
    return dataclasses.replace(use, shadow=compared)


def _timeout(timeout: Timeout) -> model.Timeout:
    return model.Timeout(timeout.connect, timeout.send, timeout.read)


_STREAM_TIMEOUT = Timeout(connect=60.0, send=600.0, read=600.0)
"""nginx's proxy_timeout, where nothing else is said."""


def _upstream(
    upstream: Upstream, own_id: str, trusted: Path | None, *, is_stream: bool = False
) -> model.Upstream:
    default_port = 443 if upstream.scheme == "https" else 80
    timeout = upstream.timeout
    if is_stream and "timeout" not in upstream.model_fields_set:
        timeout = _STREAM_TIMEOUT
    if isinstance(upstream.nodes, dict):
        nodes = tuple(
            model.Node(*parse_address(address, default_port), weight)
            for address, weight in upstream.nodes.items()
        )
    else:
        nodes = tuple(
            model.Node(node.host, node.port or default_port, node.weight) for node in upstream.nodes
        )
    pool = upstream.keepalive_pool
    return model.Upstream(
        id=own_id,
        nodes=nodes,
        timeout=_timeout(timeout),
        retries=upstream.retries,
        pass_host=upstream.pass_host,
        upstream_host=upstream.upstream_host or "",
        scheme=upstream.scheme,
        tls=model.UpstreamTls(upstream.tls.verify, trusted if upstream.scheme in ("https", "tls") else None),
        keepalive_pool=model.KeepalivePool(pool.size, pool.idle_timeout, pool.requests),
        name=upstream.name or "",
    )


class Routes:
    """The routes of the resources, with what they refer to."""

    def __init__(self, resources: Resources, trusted: Path | None, place_of: PlaceOf) -> None:
        self._place_of = place_of
        self._trusted = trusted
        self._routes = resources.routes
        self._shared = {
            upstream.id or position(index): upstream for index, upstream in enumerate(resources.upstreams)
        }
        self._upstreams = {
            own: _upstream(upstream, f"upstreams/{own}", trusted) for own, upstream in self._shared.items()
        }
        self._services = {
            service.id or position(index): (index, service)
            for index, service in enumerate(resources.services)
        }
        self._plugin_configs = {
            entry.id or position(index): (index, entry)
            for index, entry in enumerate(resources.plugin_configs)
        }
        # Routes of one service share its upstream, and with it the pool of connections.
        self._service_upstreams = {
            own: self._upstream_of(service, f"services/{own}") for own, (_, service) in self._services.items()
        }

    def upstreams(self) -> tuple[model.Upstream, ...]:
        return tuple(self._upstreams.values())

    def all(self) -> tuple[model.Route, ...]:
        return tuple(
            self._route(route, index, route.id or position(index))
            for index, route in enumerate(self._routes)
            if route.status
        )

    def all_streams(self, entries: list[StreamRoute]) -> tuple[model.StreamRoute, ...]:
        return tuple(
            self._stream_route(entry, index, entry.id or position(index))
            for index, entry in enumerate(entries)
        )

    def _stream_route(self, entry: StreamRoute, at: int, own_id: str) -> model.StreamRoute:
        scope = f"stream_routes/{own_id}"
        upstream, upstream_id = entry.upstream, scope
        if entry.upstream_id is not None:
            upstream, upstream_id = self._shared[entry.upstream_id], f"upstreams/{entry.upstream_id}"
        return model.StreamRoute(
            id=own_id,
            name=entry.name or "",
            server_addr=entry.server_addr or "",
            server_port=entry.server_port,
            remote_addr=entry.remote_addr or "",
            sni=entry.sni or "",
            upstream=None
            if upstream is None
            else _upstream(upstream, upstream_id, self._trusted, is_stream=True),
            plugins=merged_uses(self._place_of, (entry.plugins, scope, ("stream_routes", at))),
        )

    def _upstream_of(self, entry: Route | Service, own_id: str) -> model.Upstream | None:
        if entry.upstream is not None:
            return _upstream(entry.upstream, own_id, self._trusted)
        return None if entry.upstream_id is None else self._upstreams[entry.upstream_id]

    def _route(self, route: Route, at: int, own_id: str) -> model.Route:
        layers: list[Layer] = [(route.plugins, f"routes/{own_id}", ("routes", at))]
        if route.plugin_config_id is not None:
            index, plugin_config = self._plugin_configs[route.plugin_config_id]
            scope = f"plugin_configs/{route.plugin_config_id}"
            layers.insert(0, (plugin_config.plugins, scope, ("plugin_configs", index)))
        upstream = self._upstream_of(route, f"routes/{own_id}")
        hosts = route.hosts or ([route.host] if route.host is not None else [])
        enable_websocket = route.enable_websocket
        if route.service_id is not None:
            index, service = self._services[route.service_id]
            layers.insert(0, (service.plugins, f"services/{route.service_id}", ("services", index)))
            upstream = upstream or self._service_upstreams[route.service_id]
            hosts = hosts or service.hosts or []
            enable_websocket = service.enable_websocket if enable_websocket is None else enable_websocket
        return model.Route(
            id=own_id,
            uris=tuple(route.uris or [route.uri or ""]),
            name=route.name or "",
            hosts=tuple(hosts),
            methods=tuple(route.methods),
            priority=route.priority,
            upstream=upstream,
            timeout=None if route.timeout is None else _timeout(route.timeout),
            plugins=merged_uses(self._place_of, *layers),
            enable_websocket=bool(enable_websocket),
            trust_content_length=route.trust_content_length,
            service_id=route.service_id or "",
        )
