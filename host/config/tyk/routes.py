"""What one API becomes: a route to its target, the plugins of its hooks, and uses of them in Tyk's order.

Stages are classes of the order of all filters: `pre` is rewrite, `auth_check` authn, `post_key_auth` authz, plugins of
single paths and `post` are post; `response` hooks see responses in the order in which they are listed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from host.config import model
from host.config.document import Document
from host.config.plugin_values import PluginUse, Stage
from host.config.schema.tyk import Tyk
from host.config.schema.tyk_api import ApiDefinition, GoPluginPath, Hook
from host.config.tyk.hooks import HookPlugins, Made
from host.config.tyk.middleware import Entry, Middleware
from host.config.tyk_values import PythonFunction, TykApi, TykInstrument
from host.errors import Problem

STAGES: Final[Mapping[str, Stage]] = MappingProxyType(
    {
        "pre": "rewrite",
        "auth_check": "authn",
        "post_key_auth": "authz",
        "post": "post",
        "response": "post",
    }
)
_FIRST: Final = {
    "pre": 20000,
    "auth_check": 0,
    "post_key_auth": 0,
    "path": 0,
    "post": -10000,
    "response": -20000,
}
"""Priorities of a stage's first hook; those of the others lie below it."""

INTERNAL_SERVER_ERROR: Final = model.LocalAnswer(500, b'{\n    "error": "Internal Server Error"\n}')
_INSTRUMENT: Final = "tyk:instrument"


@dataclass(frozen=True, slots=True)
class Settings:
    """What all APIs share. `folder`: what paths start from; `declared`: plugins that there are besides, by name.

    `is_instrumented`: hooks are measured.
    """

    tyk: Tyk
    folder: Path
    trusted: Path | None = None
    is_instrumented: bool = False
    declared: Mapping[str, model.Plugin] = field(default_factory=dict)


class ApiRoutes:
    """The routes of one API; `plugins` and `warnings` are complete once they are made."""

    def __init__(
        self, api: ApiDefinition, api_id: str, document: Document, middleware: Middleware, settings: Settings
    ) -> None:
        self.plugins: dict[str, model.Plugin] = {}
        self.warnings: list[Problem] = []
        self._api, self._id, self._document = api, api_id, document
        self._middleware, self._settings = middleware, settings
        self._hooks = HookPlugins(api, api_id, settings.tyk, settings.folder, settings.declared)

    def problems(self) -> list[Problem]:
        """Return why the API cannot be served: what its hooks, which a bundle may have brought, do not allow."""
        found: list[Problem] = []
        for name, entry in self._middleware.all():
            if (message := self._hooks.refusal(name, entry)) is not None:
                found.append(entry.document.problem(entry.path, message))
        if not self._api.use_keyless and self._middleware.auth_check is None:
            message = "this API is protected, and has no auth_check to authenticate requests"
            found.append(self._document.problem(("custom_middleware", "auth_check"), message))
        return found

    def routes(self) -> list[model.Route]:
        """Return the API's route, and before it one for each path that has a plugin of its own."""
        api, upstream = self._api, self._upstream()
        route = model.Route(
            id=f"tyk.{self._id}",
            name=api.name or self._id,
            uris=(f"{api.proxy.listen_path}*",),
            hosts=(api.domain,) if api.domain and not api.domain_disabled else (),
            upstream=upstream,
            plugins=tuple(self._uses()),
            properties=self._properties(),
            unavailable=INTERNAL_SERVER_ERROR,
        )
        return [*self._path_routes(route), route]

    def _path_routes(self, route: model.Route) -> list[model.Route]:
        found = []
        versions = self._api.version_data.versions.values()
        for index, each in enumerate(path for one in versions for path in one.extended_paths.go_plugin):
            if each.disabled:
                continue
            prefix = self._api.proxy.listen_path.rstrip("/") + each.path
            found.append(
                replace(
                    route,
                    id=f"{route.id}.path{index}",
                    uris=(f"{prefix}*",),
                    methods=(each.method,) if each.method else (),
                    plugins=(*route.plugins, *self._path_uses(each, index)),
                )
            )
        return found

    def _path_uses(self, each: GoPluginPath, index: int) -> list[PluginUse]:
        hook = Hook(name=each.func_name, path=each.plugin_path)
        place = ("version_data", "versions", "extended_paths", "go_plugin", index)
        entry = Entry(hook, "goplugin", self._settings.folder, self._document, place)
        return self._used("post", "path", entry, index)

    def _uses(self) -> list[PluginUse]:
        api, middleware = self._api, self._middleware
        uses = [self._own_use()]
        for name in ("pre", "auth_check", "post_key_auth", "post", "response"):
            if name == "auth_check":
                entries = [middleware.auth_check] if middleware.auth_check is not None else []
            else:
                entries = middleware.entries[name]
            if name in ("auth_check", "post_key_auth") and api.use_keyless:
                for entry in entries:
                    message = "is not used: the API is keyless, and has no session to check"
                    self.warnings.append(entry.document.problem(entry.path, message))
                continue
            for index, entry in enumerate(entries):
                uses += self._used(name, name, entry, index)
        return uses

    def _used(self, stage: str, list_name: str, entry: Entry, index: int) -> list[PluginUse]:
        made = self._hooks.make(stage, entry)
        if made.plugin.name not in self._settings.declared:
            self.plugins.setdefault(made.plugin.name, made.plugin)
        hook = entry.hook
        priority = _FIRST[list_name] - index if hook.priority is None else hook.priority
        place = entry.document.problem(entry.path, "")
        use = PluginUse(
            name=made.plugin.name,
            configuration=made.configuration,
            scope=f"tyk/{self._id}/{list_name}[{index}]",
            priority=priority,
            stage=hook.stage or STAGES[stage],
            place=model.Place(place.file, place.line, place.path),
        )
        if not self._settings.is_instrumented or stage == "response":
            return [use]
        return [self._instrument(use, made, "begin"), use, self._instrument(use, made, "end")]

    def _instrument(self, use: PluginUse, made: Made, event: str) -> PluginUse:
        if _INSTRUMENT not in self.plugins:
            tyk = self._settings.tyk
            statsd = None
            if tyk.statsd_connection_string:
                host, _, port = tyk.statsd_connection_string.rpartition(":")
                statsd = (host or port, int(port) if host else 8125)
            self.plugins[_INSTRUMENT] = TykInstrument(
                name=_INSTRUMENT, statsd=statsd, prefix=tyk.statsd_prefix
            )
        about = {"middleware": made.middleware_name, "scope": use.scope, "event": event}
        return replace(use, name=_INSTRUMENT, configuration=json.dumps(about).encode())

    def _own_use(self) -> PluginUse:
        """What the API does besides: sessions, paths, its part of the analytics record."""
        api, proxy = self._api, self._api.proxy
        name = f"tyk:{self._id}"
        self.plugins[name] = TykApi(
            name=name,
            listen_path=proxy.listen_path,
            strips=proxy.strip_listen_path,
            target_path=urlsplit(proxy.target_url).path.rstrip("/"),
            is_protected=not api.use_keyless,
            auth_header=api.auth.auth_header_name if api.strip_auth_data and not api.use_keyless else "",
            traffic_logs=self._traffic_logs(),
        )
        return PluginUse(name=name, scope=f"tyk/{self._id}")

    def _traffic_logs(self) -> tuple[PythonFunction, ...]:
        is_pinned = self._settings.tyk.tyk_reload == "strict"
        found = [
            PythonFunction(entry.folder / entry.hook.path, entry.hook.name, is_pinned)
            for entry in self._middleware.entries["traffic_logs"]
        ]
        plugin = self._api.analytics_plugin
        if plugin.enable:
            file = self._settings.folder / plugin.plugin_path
            found.append(PythonFunction(file, plugin.func_name, is_pinned))
        return tuple(found)

    def _upstream(self) -> model.Upstream:
        proxy = self._api.proxy
        url = urlsplit(proxy.target_url)
        is_tls = url.scheme == "https"
        return model.Upstream(
            id=f"tyk/{self._id}",
            nodes=(model.Node(url.hostname or "", url.port or (443 if is_tls else 80)),),
            pass_host="pass" if proxy.preserve_host_header else "node",
            scheme="https" if is_tls else "http",
            tls=model.UpstreamTls(
                not proxy.transport.ssl_insecure_skip_verify, self._settings.trusted if is_tls else None
            ),
        )

    def _properties(self) -> tuple[tuple[tuple[str, ...], bytes], ...]:
        api = self._api
        values = {
            "api_id": self._id,
            "api_name": api.name,
            "org_id": api.org_id,
            "listen_path": api.proxy.listen_path,
            "config_data": self._hooks.config_data,
        }
        return tuple((("tyk", key), value.encode()) for key, value in values.items())
