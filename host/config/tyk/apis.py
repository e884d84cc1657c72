"""API definitions as configuration: files read, bundles got, routes and plugins made.

An API that is wrong in itself is an error of the configuration. One whose bundle cannot be had, or is not to be
trusted, is left out and told: the other APIs are served.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from host.config import model
from host.config.document import Document, format_path
from host.config.schema.gateway import Apisix
from host.config.schema.tyk import Tyk
from host.config.schema.tyk_api import ApiDefinition
from host.config.text import read_text
from host.config.tyk.definition import definition_files, parse_json, read_model
from host.config.tyk.middleware import BundleReader, Middleware, of_definition
from host.config.tyk.routes import ApiRoutes, Settings
from host.errors import Problem

_AUTHENTICATION: Final = ("use_go_plugin_auth", "enable_coprocess_auth", "custom_plugin_auth_enabled")


@dataclass(frozen=True, slots=True)
class _Definition:
    """An API definition, with the file that it is in."""

    api: ApiDefinition
    api_id: str
    document: Document


class TykApis:
    """The APIs that a configuration names. `problems`: what is wrong with their definitions."""

    def __init__(self, settings: Tyk, folder: Path, gateway: Document) -> None:
        """`folder`: what paths start from."""
        self._settings, self._folder = settings, folder
        self._definitions: list[_Definition] = []
        self._files_by_id: dict[str, str] = {}
        self._ids_by_path: dict[tuple[str, str], str] = {}
        self.problems: list[Problem] = []
        for index, entry in enumerate(settings.apis):
            place = ("tyk", "apis", index)
            if isinstance(entry, dict):
                node = gateway.root.children["tyk"].children["apis"].children[index]
                own = Document(gateway.file, node, [], place)
                self.problems.extend(self._take(own, f"api_{index + 1}", format_path(place)))
                continue
            files = definition_files(folder / entry)
            if not files:
                message = "no such file or folder" if files is None else "no *.json is in this folder"
                self.problems.append(gateway.problem(place, f"{folder / entry}: {message}"))
            for file in files or ():
                self.problems.extend(self._read(file))

    def _read(self, file: Path) -> Iterator[Problem]:
        text = read_text(file, str(file))
        if isinstance(text, Problem):
            yield text
            return
        stem = "".join(c if c.isascii() and c.isalnum() else "_" for c in file.stem)[:64]
        yield from self._take(parse_json(text, str(file)), stem, str(file))

    def _take(self, document: Document, default_id: str, named: str) -> Iterator[Problem]:
        """Take a definition up, and yield what is wrong with it. `named`: how another one's problem calls it."""
        api, wrong = read_model(document, ApiDefinition)
        yield from wrong
        if api is None or not api.active:
            return
        api_id = api.api_id or default_id
        if (earlier := self._files_by_id.get(api_id)) is not None:
            yield document.problem(("api_id",), f"api_id {api_id!r} is that of {earlier} already")
        self._files_by_id.setdefault(api_id, named)
        served = (api.proxy.listen_path, "" if api.domain_disabled else api.domain)
        if (earlier := self._ids_by_path.get(served)) is not None:
            message = f"{served[0]!r} is that of API {earlier!r} already, on the same host"
            yield document.problem(("proxy", "listen_path"), message)
        self._ids_by_path.setdefault(served, api_id)
        if not api.use_keyless and not api.has_plugin_auth:
            first, *others = map(repr, _AUTHENTICATION)
            yield document.problem(
                ("use_keyless",),
                "this API has Tyk's token authentication, which is not served: set 'use_keyless': true, or have an "
                f"auth_check authenticate, with {first} (or {' or '.join(others)}): true",
            )
        self._definitions.append(_Definition(api, api_id, document))

    def added_to(self, config: model.Config, apisix: Apisix) -> model.Config:
        """Return the configuration with these APIs. Bundles are fetched: this may take a while."""
        certificate = apisix.ssl.ssl_trusted_certificate
        settings = Settings(
            self._settings,
            self._folder,
            trusted=None if certificate == "system" else self._folder / certificate,
            is_instrumented=os.environ.get("TYK_INSTRUMENTATION") == "1",
            declared={plugin.name: plugin for plugin in config.plugins},
        )
        bundles = BundleReader(self._settings, self._folder)
        plugins: dict[str, model.Plugin] = {}
        routes: list[model.Route] = []
        problems: list[Problem] = []
        warnings: list[Problem] = []
        for each in self._definitions:
            middleware, wrong = self._middleware(each, bundles)
            problems += wrong
            if middleware is None:
                continue
            made = ApiRoutes(each.api, each.api_id, each.document, middleware, settings)
            left_out = made.problems()
            problems += left_out
            if not left_out:
                routes += made.routes()
                plugins.update(made.plugins)
                warnings += made.warnings
        return replace(
            config,
            plugins=(*config.plugins, *plugins.values()),
            routes=(*config.routes, *routes),
            problems=(*config.problems, *problems),
            warnings=(*config.warnings, *warnings),
        )

    def _middleware(
        self, each: _Definition, bundles: BundleReader
    ) -> tuple[Middleware | None, list[Problem]]:
        api = each.api
        if api.custom_middleware_bundle and not api.custom_middleware_bundle_disabled:
            return bundles.read(api, each.api_id, each.document)
        return of_definition(api, each.document, self._folder), []
