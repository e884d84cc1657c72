"""Validated entries as a Config: ids looked up, plugins merged, paths made whole.

It is called when nothing is wrong with the documents.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from host.config import model
from host.config import stores as model_stores
from host.config.kong.servers import Surroundings, plugins_of, processes_of, servers_of
from host.config.process_values import parse_envs
from host.config.resolve_admin import admin
from host.config.resolve_plugins import PlaceOf, python_plugins, wasm_plugins, wasm_services
from host.config.resolve_routes import Routes, merged_uses, position
from host.config.resolve_runners import runner_plugins, runner_processes
from host.config.schema import Resources
from host.config.schema.gateway import Apisix, Gateway, Nginx, NginxHttp, Ssl
from host.config.schema.stores import Stores
from host.config.schema.streams import Certificate, StreamListen, StreamProxy


def resolve(
    gateway: Gateway, resources: Resources, folder: Path, gateway_place: PlaceOf, resources_place: PlaceOf
) -> model.Config:
    """Return the configuration; `folder` is what relative paths start from. The last two know where values stand."""
    nginx = gateway.nginx_config
    trusted = trusted_of(gateway.apisix.ssl, folder)
    routes = Routes(resources, trusted, resources_place)
    envs = parse_envs(nginx.envs)
    servers = servers_of(gateway.kong, Surroundings(folder, *envs), gateway_place)
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
        admin=admin(gateway.apisix, gateway.deployment, folder),
        tyk_secret=gateway.tyk.secret,
        node=model.NodeConfig(gateway.node.id, gateway.node.cluster, gateway.node.metadata),
        response_order=gateway.response_order,
        shadow_report=folder / gateway.shadow_report if gateway.shadow_report else None,
        plugins=wasm_plugins(gateway.wasm, folder, trusted, gateway_place)
        + python_plugins(gateway.python, folder, gateway_place)
        + runner_plugins(gateway.ext_plugin, folder, gateway_place)
        + plugins_of(gateway.kong, servers, gateway.node.id, (), gateway_place),
        processes=(
            *runner_processes(gateway.ext_plugin, folder, *envs),
            *processes_of(gateway.kong, servers),
        ),
        wasm_services=wasm_services(gateway.wasm, gateway_place),
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
                id=(own := rule.id or position(index)),
                plugins=merged_uses(
                    resources_place, (rule.plugins, f"global_rules/{own}", ("global_rules", index))
                ),
            )
            for index, rule in enumerate(resources.global_rules)
        ),
        routes=routes.all(),
        stream_routes=routes.all_streams(resources.stream_routes),
        certificates=tuple(
            _certificate(entry, entry.id or position(index))
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


def trusted_of(ssl: Ssl, folder: Path) -> Path | None:
    """The file of the authorities to trust; None for the system's."""
    name = ssl.ssl_trusted_certificate
    return None if name == "system" else folder / name
