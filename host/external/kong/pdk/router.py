"""kong.router: which route and service the request has met. kong.plugin: which plugin runs."""

from __future__ import annotations

from typing import Any

from host.external.kong.pdk.registry import method
from host.external.kong.pdk.state import Event


def met_by(event: Event) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The route and the service of the request, with Kong's keys."""
    own = (event.view.variable("route_id") or b"").decode()
    route, service = event.gateway.routes.get(own, ({}, {}))
    return dict(route) or None, dict(service) or None


@method("router.get_route")
def get_route(event: Event) -> dict[str, Any] | None:
    """The route."""
    return met_by(event)[0]


@method("router.get_service")
def get_service(event: Event) -> dict[str, Any] | None:
    """The service; None for a route without one."""
    return met_by(event)[1]


@method("plugin.get_id")
def get_id(event: Event) -> str:
    """The id of this use of the plugin."""
    return event.plugin.id
