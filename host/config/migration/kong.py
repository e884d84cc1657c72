"""A declarative file of Kong's: it is served as it is, without what is not served, and stands in the configuration.

The plugin servers of a `kong.conf` that lies beside it come along.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from host.config.document import Document, Node
from host.config.files import Documents, find_problems
from host.config.migration.pruning import LeftOut, Location, prune
from host.config.migration.result import Migration
from host.config.parse import parse
from host.config.schema.base import words
from host.config.schema.kong import SERVER_PROPERTY
from host.config.schema.kong_file import KongFilePlugin
from host.config.text import read_text
from host.errors import ConfigError, Problem

_PROPERTIES: Final = words(
    "prefix plugins pluginserver_names go_pluginserver_exe go_plugins_dir trusted_ips real_ip_header real_ip_recursive"
)
"""Of kong.conf: those that concern plugin servers."""

_LINE: Final = re.compile(r"\s*([a-z0-9_]+)\s*=\s*(.*?)\s*(?:(?<!\\)#.*)?")

_HARMLESS: Final = words(
    "acme ai-prompt-decorator ai-prompt-template correlation-id cors datadog file-log grpc-gateway grpc-web http-log "
    "loggly opentelemetry prometheus proxy-cache rate-limiting request-transformer response-ratelimiting "
    "response-transformer session statsd syslog tcp-log udp-log zipkin"
)
"""Kong's own plugins without which no request comes through that did not before, but for too many of them."""

_CONDITIONS: Final = words(
    "paths hosts methods headers snis sources destinations expression protocols service"
)
"""Keys of a route that say which requests it takes, and where they go."""


def migrate_kong(path: Path) -> Migration:
    """Return a configuration with what a declarative file has. Raises ConfigError for one that is of no use."""
    file = parse(_text(path), str(path))
    if file.problems:
        raise ConfigError(file.problems)
    if not isinstance(file.root.value, dict):
        raise ConfigError([file.problem((), "is no mapping")])
    file.root.origin = (str(path), "")
    conf = path.parent / "kong.conf"
    properties = _properties(_text(conf)) if conf.is_file() else {}
    section = Node({**properties, "declarative_config": file.root.value}, 1)
    section.children = {key: Node(value, 1) for key, value in properties.items()}
    section.children["declarative_config"] = file.root
    whole = Document(str(path), Node({"kong": section.value}, 1, {"kong": section}), [])
    left_out = prune([whole], lambda: find_problems(Documents(whole, whole)), _whole)
    if not whole.root.value.get("kong", {}).get("declarative_config"):
        raise ConfigError(each.problem for each in left_out)
    left_out += list(_take_out_guarded(whole, file.root, left_out))
    sources = [str(path), *([str(conf)] if properties else [])]
    return Migration(whole.root.value, whole.root.children, sources, left_out)


def _text(path: Path) -> str:
    text = read_text(path, str(path))
    if isinstance(text, Problem):
        raise ConfigError([text])
    return text


def _properties(text: str) -> dict[str, Any]:
    """Return what a kong.conf says of plugin servers, as the section `kong` has it."""
    matches = [_LINE.fullmatch(line) for line in text.splitlines()]
    pairs = {match[1]: match[2].replace("\\#", "#").strip("'\"") for match in matches if match is not None}
    return {
        key: value
        for key, value in pairs.items()
        if value and (key in _PROPERTIES or SERVER_PROPERTY.fullmatch(key))
    }


_OF_PLUGINS: Final = KongFilePlugin.known_to_kong | {"name"}
_OF_SERVICES: Final = words("protocol url host port path")


def _whole(location: Location) -> Location:
    """A plugin goes as a whole that is not there, or that would apply to more than it did; a service, that would be
    somewhere else."""
    entities, last = location[-3:-2], location[-1:]
    if (entities == ("plugins",) and last[0] in _OF_PLUGINS) or (
        entities == ("services",) and last[0] in _OF_SERVICES
    ):
        return location[:-1]
    return location


@dataclass(frozen=True, slots=True)
class _Route:
    """A route, the list that it is in, and the service that it leads to."""

    node: Node
    entries: Node
    service: Node | None


def _take_out_guarded(whole: Document, file: Node, left_out: list[LeftOut]) -> Iterator[LeftOut]:
    """Take out the routes that something which was left out may have kept requests out of."""
    routes = list(_routes(file))
    guarded = {id(route.node) for each in left_out if _is_guard(each) for route in _concerned(each, routes)}
    for route in routes:
        if id(route.node) in guarded:
            index = next(at for at, node in route.entries.children.items() if node is route.node)
            del route.entries.value[index]
            kept = [node for node in route.entries.children.values() if node is not route.node]
            route.entries.children = dict(enumerate(kept))
            _, place = route.node.origin or ("", "")
            message = "is left out: what was left out may have kept requests out of it"
            yield LeftOut(
                Problem(whole.file, route.node.line, place, message, ("kong", "declarative_config"))
            )


def _routes(file: Node) -> Iterator[_Route]:
    services = file.children.get("services")
    named: dict[Any, Node] = {}
    for service in services.children.values() if services is not None else ():
        named |= {service.value[key]: service for key in ("name", "id") if key in service.value}
        if (own := service.children.get("routes")) is not None:
            yield from (_Route(node, own, service) for node in own.children.values())
    if (own := file.children.get("routes")) is not None:
        yield from (
            _Route(node, own, named.get(_name(node.value.get("service")))) for node in own.children.values()
        )


def _name(reference: Any) -> Any:
    """What an entity is referred to by: its name or id."""
    return next(iter(reference.values()), None) if isinstance(reference, dict) else reference


def _is_guard(left_out: LeftOut) -> bool:
    *above, last = left_out.problem.location
    if last == "plugins":
        return True
    if above[-1:] == ["plugins"]:
        plugin = left_out.value if isinstance(left_out.value, dict) else {}
        is_narrow = bool(plugin.get("consumer") or plugin.get("consumer_group"))
        return plugin.get("name") not in _HARMLESS and plugin.get("enabled") is not False and not is_narrow
    if above[-2:-1] == ["routes"]:
        return last in _CONDITIONS
    if above[-3:-2] == ["routes"]:  # one of several: less is asked for, but where it was the last one
        return above[-1] in _CONDITIONS and not left_out.within[-1].value
    return False


def _concerned(left_out: LeftOut, routes: list[_Route]) -> list[_Route]:
    """Return the routes on whose way it was."""
    within = {id(node) for node in left_out.within}
    if found := [route for route in routes if id(route.node) in within]:
        return found
    if found := [route for route in routes if route.service is not None and id(route.service) in within]:
        return found
    plugin = left_out.value if isinstance(left_out.value, dict) else {}
    of, at = _name(plugin.get("service")), _name(plugin.get("route"))
    if of is None and at is None:
        return routes
    return [
        route
        for route in routes
        if (at is not None and at in (route.node.value.get("name"), route.node.value.get("id")))
        or (
            at is None
            and route.service is not None
            and of in (route.service.value.get("name"), route.service.value.get("id"))
        )
    ]
