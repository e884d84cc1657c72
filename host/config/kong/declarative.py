"""A file in Kong's declarative format as part of a configuration: read, checked, and its routes made."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from host.config import model
from host.config.document import Document, Node, escape
from host.config.kong.routes import DeclaredRoutes, Placed, placed_routes
from host.config.kong_values import KongConsumer, KongPlugin
from host.config.parse import parse
from host.config.schema.kong_file import KongFile, KongFileConsumer, KongFilePlugin
from host.config.text import read_text
from host.config.validate import validate_one
from host.errors import Problem

_LISTS: Final = {
    "services": ("name", "id"),
    "routes": ("name", "id"),
    "upstreams": ("name", "id"),
    "consumers": ("username", "custom_id", "id"),
    "plugins": ("id",),
}
"""By list: keys whose values are unique in it."""


class DeclarativeFile:
    """`problems`: what is wrong with it."""

    def __init__(self, document: Document, declared: Collection[str]) -> None:
        """`declared`: names of plugins."""
        self.problems: list[Problem] = []
        self._file: KongFile | None = None
        self._document = document
        self.problems += document.problems
        if self.problems:
            return
        file = validate_one(document, KongFile, document.root.value, self.problems)
        if file is not None:
            self._routes = placed_routes(file)
            self.problems += _check(file, document, self._routes, declared)
            self._routes = [each for each in self._routes if each.service is None or each.service.enabled]
            self._file = file

    def added_to(self, config: model.Config, trusted: Path | None) -> model.Config:
        """Return the configuration with what the file has. `trusted`: who signs services' certificates, None: whom the
        system trusts."""
        assert self._file is not None
        made = DeclaredRoutes(self._file, self._document, trusted)
        routes = [made.route(each) for each in self._routes]
        entities = tuple(made.entity(each) for each in self._routes)
        consumers = tuple(_consumer(each, index) for index, each in enumerate(self._file.consumers))
        plugins = tuple(
            dataclasses.replace(
                plugin,
                settings=dataclasses.replace(
                    plugin.settings,
                    routes=(*plugin.settings.routes, *entities),
                    consumers=(*plugin.settings.consumers, *consumers),
                ),
            )
            if isinstance(plugin, KongPlugin)
            else plugin
            for plugin in config.plugins
        )
        return dataclasses.replace(
            config,
            plugins=(*plugins, *made.own_plugins(routes)),
            routes=(*config.routes, *routes),
            upstreams=(*config.upstreams, *made.upstreams()),
        )


def declarative_document(value: str | dict[str, Any], folder: Path, gateway: Document) -> Document:
    """Return what `kong.declarative_config` of the gateway's document says: a file, or its content."""
    if isinstance(value, dict):
        root = gateway.root.children["kong"].children["declarative_config"]
        return Document(gateway.file, root, [], ("kong", "declarative_config"))
    file = str(folder / value)
    text = read_text(folder / value, file)
    return Document(file, Node(None, 1), [text]) if isinstance(text, Problem) else parse(text, file)


def _consumer(consumer: KongFileConsumer, index: int) -> KongConsumer:
    return KongConsumer(
        id=consumer.id or consumer.username or consumer.custom_id or f"consumer_{index + 1}",
        username=consumer.username or "",
        custom_id=consumer.custom_id or "",
        tags=tuple(consumer.tags),
        groups=tuple(group.name for group in consumer.groups),
        created_at=consumer.created_at,
    )


def _check(
    file: KongFile, document: Document, routes: list[Placed], declared: Collection[str]
) -> Iterator[Problem]:
    """Yield what does not fit together."""
    for key, unique in _LISTS.items():
        yield from _check_unique(document, key, getattr(file, key), unique)
    services = {value for each in file.services for value in (each.name, each.id) if value}
    names = {value for each in routes for value in (each.route.name, each.route.id) if value}
    upstreams = {value for each in file.upstreams for value in (each.name, each.id) if value}
    for index, service in enumerate(file.services):
        if service.url is None and service.host is None:
            yield document.problem(("services", index), "lacks 'url' (or 'host')")
        if not service.name and not service.id:
            yield document.problem(("services", index), "lacks 'name' (or 'id')")
    for placed in routes:
        wanted = placed.route.service
        if wanted is not None and placed.service is None:
            message = f"no entry of services has name or id {escape(wanted, 60)!r}"
            yield document.problem((*placed.place, "service"), message)
        elif placed.service is None:
            yield document.problem(placed.place, "lacks 'service': where its requests go")
    seen: dict[str, Placed] = {}
    for placed in routes:
        if placed.own_id in seen:
            yield document.problem(placed.place, f"its name or id {placed.own_id!r} is that of another route")
        seen.setdefault(placed.own_id, placed)
    for index, target in enumerate(file.targets):
        if target.upstream not in upstreams:
            yield document.problem(
                ("targets", index, "upstream"), "no entry of upstreams has this name or id"
            )
    for place, plugin in _plugins(file):
        if plugin.name not in declared:
            name = escape(plugin.name, 60)
            message = (
                f"no plugin of this name is declared under kong.plugins (Kong's own are not here): {name!r}"
            )
            yield document.problem((*place, "name"), message)
        if plugin.service is not None and plugin.service not in services:
            yield document.problem((*place, "service"), "no entry of services has this name or id")
        if plugin.route is not None and plugin.route not in names:
            yield document.problem((*place, "route"), "no route has this name or id")


def _check_unique(
    document: Document, key: str, entries: list[Any], unique: tuple[str, ...]
) -> Iterator[Problem]:
    for field in unique:
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            value = getattr(entry, field)
            if value in seen:
                message = f"{field} {escape(value, 60)!r} is that of another entry already"
                yield document.problem((key, index, field), message)
            elif value:
                seen.add(value)


def _plugins(file: KongFile) -> Iterator[tuple[tuple[str | int, ...], KongFilePlugin]]:
    for index, plugin in enumerate(file.plugins):
        yield ("plugins", index), plugin
    for number, service in enumerate(file.services):
        for index, plugin in enumerate(service.plugins):
            yield ("services", number, "plugins", index), plugin
    for placed in placed_routes(file):
        for index, plugin in enumerate(placed.route.plugins):
            yield (*placed.place, "plugins", index), plugin
