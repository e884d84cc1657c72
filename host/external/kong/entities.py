"""Routes, services and consumers as Kong's plugins know them: entities with Kong's keys."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from host.config import Config, Route
from host.config.kong_values import KongConsumer, KongRoute


def routes_of(
    config: Config, declared: Iterable[KongRoute]
) -> dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return by id of each route it and its service; those of a declarative file are what was written there."""
    given = {each.id: each for each in declared}
    result: dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    for route in config.routes:
        kong = given.get(route.id)
        if kong is not None:
            result[route.id] = (json.loads(kong.entity), json.loads(kong.service) if kong.service else {})
        else:
            result[route.id] = (_route(route), _service(route))
    return result


def entity_id(kind: str, name: str) -> str:
    """Return an id in Kong's form, the same for the same name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{name}"))


def _route(route: Route) -> dict[str, Any]:
    entity = {
        "id": entity_id("routes", route.id),
        "name": route.name or route.id,
        "protocols": ["http", "https"],
        "methods": list(route.methods),
        "hosts": list(route.hosts),
        "paths": [uri.removesuffix("*") for uri in route.uris],
        "https_redirect_status_code": 426,
        "regex_priority": route.priority,
        "strip_path": False,
        "preserve_host": route.upstream is None or route.upstream.pass_host == "pass",
        "service": {"id": entity_id("services", route.upstream.id)} if route.upstream is not None else None,
    }
    return {key: value for key, value in entity.items() if value not in (None, [])}


def _service(route: Route) -> dict[str, Any]:
    upstream = route.upstream
    if upstream is None or not upstream.nodes:
        return {}
    timeout = route.timeout or upstream.timeout
    return {
        "id": entity_id("services", upstream.id),
        "name": upstream.name or upstream.id,
        "protocol": upstream.scheme,
        "host": upstream.nodes[0].host,
        "port": upstream.nodes[0].port,
        "retries": len(upstream.nodes) - 1 if upstream.retries is None else upstream.retries,
        "connect_timeout": round(timeout.connect * 1000),
        "write_timeout": round(timeout.send * 1000),
        "read_timeout": round(timeout.read * 1000),
    }


def consumer_entity(consumer: KongConsumer) -> dict[str, Any]:
    """Return a consumer with Kong's keys."""
    entity: dict[str, Any] = {
        "id": consumer.id,
        "username": consumer.username,
        "custom_id": consumer.custom_id,
        "tags": list(consumer.tags),
        "groups": list(consumer.groups),
        "created_at": consumer.created_at,
    }
    return {key: value for key, value in entity.items() if value}
