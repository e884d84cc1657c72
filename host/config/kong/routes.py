"""Routes of a declarative file as this gateway's: matched by prefixes, sent to a service, through merged plugins.

Of the plugins of one name the route's own counts, else its service's, else the one for all, as in Kong.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from host.config import model
from host.config.document import Document, format_path
from host.config.kong_values import KongRoute
from host.config.schema.kong_file import (
    KongFile,
    KongFilePlugin,
    KongFileRoute,
    KongFileService,
    KongFileUpstream,
)
from host.config.schema.scalars import parse_address

Place = tuple[str | int, ...]

SERVICE_PATH: Final = "kong/service_path"
"""The name of the filter that makes paths: no plugin of a user's has a slash in its name."""

_LAST: Final = -(2**31)
_DEFAULT_PORT: Final = 8000  # of a target without one


@dataclass(frozen=True, slots=True)
class Placed:
    """A route with where it stands, the service that it leads to, and its id here."""

    route: KongFileRoute
    place: Place
    service: KongFileService | None
    service_place: Place
    own_id: str


def placed_routes(file: KongFile) -> list[Placed]:
    """Return all routes: those of services, and those that stand for themselves."""
    services = {
        key: (service, index)
        for index, service in enumerate(file.services)
        for key in (service.id, service.name)
        if key
    }
    found = []
    for index, service in enumerate(file.services):
        for number, route in enumerate(service.routes):
            place: Place = ("services", index, "routes", number)
            own = _own_id(route, f"{service.name or service.id}_{number + 1}")
            found.append(Placed(route, place, service, ("services", index), own))
    for number, route in enumerate(file.routes):
        of, at = services.get(route.service or "", (None, 0))
        own = _own_id(route, f"kong_{number + 1}")
        found.append(Placed(route, ("routes", number), of, ("services", at), own))
    return found


def _own_id(route: KongFileRoute, default: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_.-]", "_", route.name or route.id or default)[:64]


def _entity_id(kind: str, own: str | None, default: str) -> str:
    return own or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}/{default}"))


class DeclaredRoutes:
    """Makes what a file has. It is called when nothing is wrong with it."""

    def __init__(self, file: KongFile, document: Document, trusted: Path | None) -> None:
        self._file = file
        self._document = document
        self._trusted = trusted
        self._upstreams = {each.name: each for each in file.upstreams}

    def route(self, placed: Placed) -> model.Route:
        """Return one route."""
        route, service = placed.route, placed.service
        assert service is not None
        uses = [*self._uses(placed)]
        if (paths := _service_path(route, service)) is not None:
            scope = f"kong/{placed.own_id}"
            uses.append(model.PluginUse(name=SERVICE_PATH, configuration=paths, scope=scope))
        return model.Route(
            id=placed.own_id,
            name=route.name or placed.own_id,
            uris=tuple(path + "*" for path in route.paths) or ("/*",),
            hosts=tuple(route.hosts),
            methods=tuple(route.methods),
            upstream=self._upstream(service, preserve_host=route.preserve_host),
            plugins=tuple(uses),
            service_id=service.name or service.id or "",
        )

    def entity(self, placed: Placed) -> KongRoute:
        """Return what plugins are told of a route and its service."""
        route, service = placed.route, placed.service
        assert service is not None
        of = {"id": _entity_id("services", service.id, service.name or "")}
        told: dict[str, Any] = {
            "id": _entity_id("routes", route.id, placed.own_id),
            **route.model_dump(exclude={"id", "plugins", "service"}),
            "service": of,
        }
        host, port, path = _address(service)
        about: dict[str, Any] = {
            **of,
            **service.model_dump(exclude={"id", "url", "plugins", "routes"}),
            "protocol": _scheme(service),
            "host": host,
            "port": port,
            "path": path,
        }
        return KongRoute(id=placed.own_id, entity=_json(told), service=_json(about))

    def own_plugins(self, routes: Iterable[model.Route]) -> Iterator[model.PythonPlugin]:
        """Yield the filter that makes paths, where a route has it: in front of all that Kong has behind its router."""
        if any(use.name == SERVICE_PATH for route in routes for use in route.plugins):
            yield model.PythonPlugin(
                name=SERVICE_PATH,
                target="host.external.kong.service_path:ServicePath",
                priority=_LAST,
                http_request_phase="rewrite",
            )

    def upstreams(self) -> Iterator[model.Upstream]:
        """Yield the upstreams of the file, which plugins may choose by name."""
        for upstream in self._file.upstreams:
            yield model.Upstream(
                id=f"kong/upstreams/{upstream.name}",
                name=upstream.name,
                nodes=self._nodes(upstream),
                pass_host="rewrite" if upstream.host_header else "node",
                upstream_host=upstream.host_header or "",
            )

    def _uses(self, placed: Placed) -> Iterator[model.PluginUse]:
        route, service = placed.route, placed.service
        assert service is not None
        own = {value for value in (route.name, route.id) if value}
        of = {value for value in (service.name, service.id) if value}
        layers: list[tuple[Place, KongFilePlugin]] = []
        top = [(("plugins", index), each) for index, each in enumerate(self._file.plugins)]
        layers += [(place, each) for place, each in top if each.route is None and each.service is None]
        layers += [(place, each) for place, each in top if each.service in of and each.route is None]
        layers += [
            ((*placed.service_place, "plugins", index), each) for index, each in enumerate(service.plugins)
        ]
        layers += [
            (place, each)
            for place, each in top
            if each.route in own and (each.service is None or each.service in of)
        ]
        layers += [((*placed.place, "plugins", index), each) for index, each in enumerate(route.plugins)]
        merged = {each.name: (place, each) for place, each in layers if each.enabled}
        for name, (place, each) in merged.items():
            found = self._document.problem(place, "")
            yield model.PluginUse(
                name=name,
                configuration=each.config,
                scope=f"kong/{format_path(place)}",
                place=model.Place(found.file, found.line, found.path),
            )

    def _upstream(self, service: KongFileService, *, preserve_host: bool) -> model.Upstream:
        host, port, _ = _address(service)
        upstream = self._upstreams.get(host)
        nodes = self._nodes(upstream) if upstream is not None else (model.Node(host, port),)
        rewritten = upstream.host_header if upstream is not None and not preserve_host else None
        scheme = _scheme(service)
        verifies = service.tls_verify is not False
        return model.Upstream(
            id=f"kong/services/{service.name or service.id}{'' if preserve_host else '/node'}",
            nodes=nodes,
            timeout=model.Timeout(
                service.connect_timeout / 1000, service.write_timeout / 1000, service.read_timeout / 1000
            ),
            retries=service.retries,
            pass_host="pass" if preserve_host else "rewrite" if rewritten else "node",
            upstream_host=rewritten or "",
            scheme=scheme,
            tls=model.UpstreamTls(verifies, self._trusted if scheme == "https" else None),
        )

    def _nodes(self, upstream: KongFileUpstream) -> tuple[model.Node, ...]:
        named = {upstream.name, upstream.id}
        targets = [*upstream.targets, *(each for each in self._file.targets if each.upstream in named)]
        return tuple(model.Node(*parse_address(each.target, _DEFAULT_PORT), each.weight) for each in targets)


def _scheme(service: KongFileService) -> Any:
    return urlsplit(service.url).scheme if service.url is not None else service.protocol


def _address(service: KongFileService) -> tuple[str, int, str]:
    """Host, port and path of a service."""
    if service.url is not None:
        parts = urlsplit(service.url)
        default = 443 if parts.scheme == "https" else 80
        return parts.hostname or "", parts.port or default, parts.path
    default = 443 if service.protocol == "https" else 80
    return service.host or "", service.port or default, service.path or ""


def _service_path(route: KongFileRoute, service: KongFileService) -> bytes | None:
    """The configuration of the filter that makes paths; None where they stay as they are."""
    path = _address(service)[2].rstrip("/")
    strip = sorted((each for each in route.paths if each != "/"), key=len, reverse=True)
    strip = strip if route.strip_path else []
    return _json({"strip": strip, "path": path}).encode() if strip or path else None


def _json(value: Any) -> str:
    kept = {key: each for key, each in value.items() if each not in (None, [], "")}
    return json.dumps(kept, separators=(",", ":"))
