"""Validated entries as a Config: ids looked up, plugins merged, paths made whole.

It is called when nothing is wrong with the documents. The merging is APISIX's: a route's plugin takes the place of its
plugin_config's of the same name, that one of its service's, each with its whole configuration; a route's upstream takes
the place of its service's.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.code.remote import Remote
from host.config import model
from host.config import stores as model_stores
from host.config.schema import Resources
from host.config.schema.callouts import Callouts
from host.config.schema.code import PluginCode
from host.config.schema.gateway import Apisix, Gateway, Nginx, NginxHttp, Python, Ssl, Wasm
from host.config.schema.resources import Route, Service, Timeout, Upstream, Uses
from host.config.schema.scalars import parse_address
from host.config.schema.stores import Stores
from host.config.schema.streams import Certificate, StreamListen, StreamProxy, StreamRoute

PlaceOf = Callable[[tuple[str | int, ...]], model.Place]
"""Tells where the value of a path stands."""

Layer = tuple[Uses, str, tuple[str | int, ...]]
"""Uses of plugins, their scope, and the path of the entry that holds them."""


def resolve(
    gateway: Gateway, resources: Resources, folder: Path, gateway_place: PlaceOf, resources_place: PlaceOf
) -> model.Config:
    """Return the configuration; `folder` is what relative paths start from. The last two know where values stand."""
    nginx = gateway.nginx_config
    trusted = _trusted(gateway.apisix.ssl, folder)
    routes = _Routes(resources, trusted, resources_place)
    workers = gateway.workers if gateway.workers is not None else nginx.worker_processes
    return model.Config(
        listen=_listen(gateway.apisix) if gateway.apisix.proxy_mode != "stream" else (),
        stream_listen=_stream_listen(gateway.apisix.stream_proxy)
        if "stream" in gateway.apisix.proxy_mode
        else (),
        workers=workers or 0,
        shutdown_timeout=nginx.worker_shutdown_timeout,
        http=_http(nginx),
        log=model.LogConfig(gateway.log.level, gateway.log.format),
        access_log=_access_log(nginx.http, folder),
        prometheus=_prometheus(gateway),
        node=model.NodeConfig(gateway.node.id, gateway.node.cluster, gateway.node.metadata),
        response_order=gateway.response_order,
        plugins=_wasm_plugins(gateway.wasm, folder, trusted, gateway_place)
        + _python_plugins(gateway.python, folder, gateway_place),
        wasm_services=_wasm_services(gateway.wasm, gateway_place),
        stores=_stores(gateway.wasm.stores, folder),
        foreign_functions=tuple(
            model.ForeignFunction(
                name=function.name,
                target=function.target,
                search_path=tuple(folder / path for path in gateway.python.path),
                place=gateway_place(("python", "foreign_functions", index, "function")),
            )
            for index, function in enumerate(gateway.python.foreign_functions)
        ),
        global_rules=tuple(
            model.GlobalRule(
                id=(own := rule.id or _position(index)),
                plugins=_uses(
                    resources_place, (rule.plugins, f"global_rules/{own}", ("global_rules", index))
                ),
            )
            for index, rule in enumerate(resources.global_rules)
        ),
        routes=routes.all(),
        stream_routes=routes.all_streams(resources.stream_routes),
        certificates=tuple(
            _certificate(entry, entry.id or _position(index))
            for index, entry in enumerate(resources.ssls)
            if entry.status
        ),
        upstreams=routes.upstreams(),
    )


def _stores(stores: Stores, folder: Path) -> model_stores.Stores:
    limits = model_stores.SharedLimits(stores.max_size, stores.ttl, stores.max_queues, stores.max_queue_size)
    return model_stores.Stores(
        local=stores.local,
        limits=limits,
        path=folder / stores.lmdb.path if stores.lmdb.path is not None else None,
        map_size=stores.lmdb.map_size,
        redis=model_stores.Redis(**stores.redis.model_dump()) if stores.redis is not None else None,
        vm_ids=tuple(
            model_stores.VmIdStore(
                entry.vm_id,
                entry.store,
                dataclasses.replace(
                    limits, **entry.model_dump(exclude={"vm_id", "store"}, exclude_none=True)
                ),
            )
            for entry in stores.vm_ids
        ),
    )


def _prometheus(gateway: Gateway) -> model.Prometheus | None:
    prometheus = gateway.plugin_attr.prometheus
    if prometheus is None or not prometheus.enable_export_server:
        return None
    return model.Prometheus(
        listen=model.Listen(prometheus.export_addr.ip, prometheus.export_addr.port),
        export_uri=prometheus.export_uri,
        metric_prefix=prometheus.metric_prefix,
        stats_tags=tuple(model.StatsTag(tag.tag_name, tag.regex) for tag in gateway.stats_config.stats_tags),
    )


def _position(index: int) -> str:
    """The id that APISIX gives to an entry of `apisix.yaml` that has none."""
    return f"arr_{index + 1}"


def _listen(apisix: Apisix) -> tuple[model.Listen, ...]:
    ports = apisix.node_listen if isinstance(apisix.node_listen, list) else [apisix.node_listen]
    return tuple(
        model.Listen("0.0.0.0", entry) if isinstance(entry, int) else model.Listen(entry.ip, entry.port)
        for entry in ports
    )


def _stream_listen(proxy: StreamProxy | None) -> tuple[model.StreamListen, ...]:
    return tuple(
        model.StreamListen(*entry.addr, entry.tls)
        if isinstance(entry, StreamListen)
        else model.StreamListen(*entry)
        for entry in (proxy.tcp if proxy is not None else ())
    )


def _certificate(entry: Certificate, own_id: str) -> model.Certificate:
    client = entry.client
    return model.Certificate(
        id=own_id,
        snis=tuple(entry.snis or [entry.sni or ""]),
        cert=entry.cert,
        key=entry.key,
        client_ca=client.ca if client is not None else "",
        client_depth=client.depth if client is not None else 1,
        protocols=tuple(entry.ssl_protocols or ()),
    )


def _http(nginx: Nginx) -> model.HttpLimits:
    limits = nginx.http.model_dump(exclude=NginxHttp.of_access_log)
    return model.HttpLimits(**limits, worker_connections=nginx.event.worker_connections)


def _access_log(http: NginxHttp, folder: Path) -> model.AccessLogConfig | None:
    if not http.enable_access_log or http.access_log is None:
        return None
    return model.AccessLogConfig(
        str(folder / http.access_log),  # an absolute path stays what it is
        http.access_log_format,
        http.access_log_format_escape,
        http.access_log_buffer,
    )


def _trusted(ssl: Ssl, folder: Path) -> Path | None:
    """The file of the authorities to trust; None for the system's."""
    name = ssl.ssl_trusted_certificate
    return None if name == "system" else folder / name


def _callouts(callouts: Callouts, folder: Path, trusted: Path | None) -> model.Callouts:
    own = callouts.trusted_ca
    return model.Callouts(
        allow=tuple(callouts.allow),
        trusted_ca=trusted if own is None else folder / own,
        **callouts.model_dump(exclude={"allow", "trusted_ca"}),
    )


def _wasm_plugins(
    wasm: Wasm, folder: Path, trusted: Path | None, place_of: PlaceOf
) -> tuple[model.Plugin, ...]:
    return tuple(
        model.WasmPlugin(
            **_code(plugin, folder),
            vm_id=plugin.vm_config.vm_id,
            vm_configuration=plugin.vm_config.configuration,
            environment=_environment(
                plugin.vm_config.environment_variables.host_env_keys,
                plugin.vm_config.environment_variables.key_values,
            ),
            callouts=_callouts(plugin.callouts, folder, trusted),
            allowed_capabilities=frozenset(plugin.capability_restriction_config.allowed_capabilities),
            recycle=model.Recycle(**plugin.recycle.model_dump(exclude_none=True)),
            circuit_breaker=model.CircuitBreaker(**plugin.circuit_breaker.model_dump()),
            place=place_of(("wasm", "plugins", index, _code_key(plugin))),
            **plugin.model_dump(exclude={*_MADE_ABOVE, *PluginCode.model_fields}),
        )
        for index, plugin in enumerate(wasm.plugins)
    )


_MADE_ABOVE = ("vm_config", "callouts", "capability_restriction_config", "recycle", "circuit_breaker")


def _code_key(plugin: PluginCode) -> str:
    return "url" if plugin.url else "inline_bytes" if plugin.inline_bytes else "file"


def _code(plugin: PluginCode, folder: Path) -> dict[str, Any]:
    code: dict[str, Any] = {"inline": plugin.inline_bytes, "verification_key": plugin.verification_key}
    if plugin.file:
        code["file"] = folder / plugin.file
    if plugin.url:
        code["remote"] = Remote(
            url=plugin.url,
            sha256=plugin.sha256,
            timeout=plugin.fetch_timeout,
            retries=plugin.fetch_retries,
            pull_policy=plugin.image_pull_policy,
            pull_secret=folder / plugin.image_pull_secret if plugin.image_pull_secret else None,
            trusted_ca=folder / plugin.trusted_ca if plugin.trusted_ca else None,
        )
    return code


def _wasm_services(wasm: Wasm, place_of: PlaceOf) -> tuple[model.WasmService, ...]:
    return tuple(
        model.WasmService(
            model.PluginUse(
                name=name,
                configuration=service.conf or b"",
                scope="wasm/services",
                place=place_of(("wasm", "services", name)),
            ),
            service.singleton,
        )
        for name, service in wasm.services.items()
    )


def _environment(host_env_keys: list[str], key_values: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """As Envoy: a variable of the host that is not set is left out."""
    inherited = [(key, os.environ[key]) for key in host_env_keys if key in os.environ]
    return (*inherited, *key_values.items())


def _python_plugins(python: Python, folder: Path, place_of: PlaceOf) -> tuple[model.Plugin, ...]:
    search_path = tuple(folder / path for path in python.path)
    return tuple(
        model.PythonPlugin(
            search_path=search_path,
            place=place_of(("python", "plugins", index, "class")),
            **plugin.model_dump(),
        )
        for index, plugin in enumerate(python.plugins)
    )


def _uses(place_of: PlaceOf, *layers: Layer) -> tuple[model.PluginUse, ...]:
    """Merge the layers; later ones take the place of earlier ones, name by name."""
    merged = {name: (use, scope, entry) for uses, scope, entry in layers for name, use in uses.items()}
    return tuple(
        model.PluginUse(
            name=name,
            configuration=use.conf or b"",
            scope=scope,
            priority=use.meta.priority,
            access_logger=use.access_logger,
            place=place_of((*entry, "plugins", name)),
        )
        for name, (use, scope, entry) in merged.items()
        if not use.disable and not use.meta.disable
    )


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


class _Routes:
    """The routes of the resources, with what they refer to."""

    def __init__(self, resources: Resources, trusted: Path | None, place_of: PlaceOf) -> None:
        self._place_of = place_of
        self._trusted = trusted
        self._routes = resources.routes
        self._shared = {
            upstream.id or _position(index): upstream for index, upstream in enumerate(resources.upstreams)
        }
        self._upstreams = {
            own: _upstream(upstream, f"upstreams/{own}", trusted) for own, upstream in self._shared.items()
        }
        self._services = {
            service.id or _position(index): (index, service)
            for index, service in enumerate(resources.services)
        }
        self._plugin_configs = {
            entry.id or _position(index): (index, entry)
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
            self._route(route, index, route.id or _position(index))
            for index, route in enumerate(self._routes)
            if route.status
        )

    def all_streams(self, entries: list[StreamRoute]) -> tuple[model.StreamRoute, ...]:
        return tuple(
            self._stream_route(entry, index, entry.id or _position(index))
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
            plugins=_uses(self._place_of, (entry.plugins, scope, ("stream_routes", at))),
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
            plugins=_uses(self._place_of, *layers),
            enable_websocket=bool(enable_websocket),
            trust_content_length=route.trust_content_length,
        )
