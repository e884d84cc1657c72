"""The plugin that a hook names, by its driver, and the configuration that this use of it has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from host.config import model
from host.config.kong_values import KongPlugin
from host.config.runner_values import RunnerPlugin
from host.config.schema.tyk import CoprocessOptions, Tyk
from host.config.schema.tyk_api import ApiDefinition, Hook
from host.config.tyk.middleware import Entry, module_of
from host.config.tyk_values import Dispatcher, PythonFunction, TykGrpcHook, TykPythonHook

_GRPC_LIMIT: Final = 4 * 1024 * 1024
_ELSEWHERE: Final = ("a6", "kong")
"""Drivers whose plugins other sections of the configuration declare."""


@dataclass(frozen=True, slots=True)
class Made:
    """A plugin, what a use of it is configured with, and the name that instrumentation has for it."""

    plugin: model.Plugin
    configuration: bytes
    middleware_name: str


class HookPlugins:
    """Makes the plugins of one API's hooks. Hooks of one file share a plugin, and with it what it keeps."""

    def __init__(
        self,
        api: ApiDefinition,
        api_id: str,
        settings: Tyk,
        folder: Path,
        declared: Mapping[str, model.Plugin],
    ) -> None:
        """`declared`: the plugins that the configuration has besides, by name."""
        self._api, self._id, self._settings, self._folder = api, api_id, settings, folder
        self._declared = declared
        data = {} if api.config_data_disabled else api.config_data
        self.config_data = json.dumps(data, ensure_ascii=False, separators=(",", ":"))

    def refusal(self, list_name: str, entry: Entry) -> str | None:
        """Return why a hook cannot be; None where it can."""
        hook, driver = entry.hook, entry.driver
        if list_name == "traffic_logs":
            if not hook.name or not hook.path.endswith(".py"):
                return "needs 'name', a function, and 'path', a file in Python: no other code sees the record"
            return None
        if not driver:
            return "lacks 'driver', and there is none beside the lists of hooks"
        if driver in _ELSEWHERE:
            return self._refusal_elsewhere(list_name, entry)
        if not hook.path and driver != "grpc":
            return "lacks 'path'"
        if not hook.name and driver != "wasm":
            return "lacks 'name'"
        if driver == "python" and not hook.path.endswith(".py"):
            return f"expected a file in Python as 'path', got {hook.path!r}"
        if driver == "grpc":
            options = self._settings.coprocess_options
            if not options.enable_coprocess or not options.coprocess_grpc_server:
                return "needs tyk.coprocess_options with enable_coprocess: true and coprocess_grpc_server"
        return None

    def _refusal_elsewhere(self, list_name: str, entry: Entry) -> str | None:
        """The same of a plugin that another section of the configuration brings."""
        hook, driver = entry.hook, entry.driver
        if not hook.name:
            return "lacks 'name'"
        if list_name == "auth_check":
            return f"is to set a session, which plugins with driver {driver} do not"
        declared = self._declared.get(_runner_plugin(list_name) if driver == "a6" else hook.name)
        if driver == "a6" and not isinstance(declared, RunnerPlugin):
            return "needs a runner: there is none under ext-plugin"
        if driver == "kong" and not isinstance(declared, KongPlugin):
            return f"no plugin {hook.name!r} is declared under kong.plugins"
        return None

    def _elsewhere(self, stage: str, entry: Entry) -> Made:
        hook = entry.hook
        configuration = _configuration(hook)
        if entry.driver == "kong":
            return Made(self._declared[hook.name], configuration, f"KongMiddleware:{hook.name}")
        conf = {"conf": [{"name": hook.name, "value": configuration.decode()}]}
        plugin = self._declared[_runner_plugin(stage)]
        return Made(plugin, json.dumps(conf).encode(), f"RunnerMiddleware:{hook.name}")

    def make(self, stage: str, entry: Entry) -> Made:
        """Return the plugin of a hook at this stage."""
        hook = entry.hook
        match entry.driver:
            case "a6" | "kong":
                return self._elsewhere(stage, entry)
            case "python":
                return self._python(stage, entry)
            case "grpc":
                return self._grpc(stage, entry)
            case "wasm":
                return Made(self._wasm(entry), _configuration(hook), f"WasmMiddleware:{hook.path}")
        name = f"GoPluginMiddleware:{hook.path}:{hook.name}"
        return Made(self._wasm(entry), self._symbol(stage, hook.name), name)

    def _symbol(self, stage: str, name: str) -> bytes:
        """What a recompiled Go plugin is told: the function of this use, and the API that it asks ctx for."""
        api = self._api
        told = {"name": api.name, "api_id": self._id, "org_id": api.org_id, stage: [name]}
        return f'{json.dumps(told)[:-1]}, "config_data": {self.config_data}}}'.encode()

    def _wasm(self, entry: Entry) -> model.WasmPlugin:
        path = entry.folder / entry.hook.path
        file = module_of(path)
        hint = ""
        if file != path:
            hint = (
                f"{path.name} is a shared object of Go's, which cannot be loaded here: build its source with "
                f"`sluiceway build DIR -o {file}`"
            )
        return model.WasmPlugin(
            name=self._name(file),
            file=file,
            hint=hint,
            is_pinned=self._is_strict,
            # A recompiled plugin holds a head while its function reads the body.
            allow_on_headers_stop_iteration=entry.driver == "goplugin",
            place=_place(entry),
        )

    def _python(self, stage: str, entry: Entry) -> Made:
        hook = entry.hook
        file = entry.folder / hook.path
        plugin = TykPythonHook(
            name=f"{self._name(file)}:{hook.name}:{self._id}:{stage}",
            function=PythonFunction(file, hook.name, self._is_strict),
            **self._told(stage, entry),
        )
        return Made(plugin, _configuration(hook), "CoProcessMiddleware")

    def _grpc(self, stage: str, entry: Entry) -> Made:
        plugin = TykGrpcHook(
            name=f"tyk:{self._id}:{stage}:{entry.hook.name}",
            dispatcher=_dispatcher(self._settings.coprocess_options),
            **self._told(stage, entry),
        )
        return Made(plugin, b"", "CoProcessMiddleware")

    def _told(self, stage: str, entry: Entry) -> dict[str, Any]:
        """The values of a `TykHook`."""
        return {
            "hook": stage,
            "hook_name": entry.hook.name,
            "api_id": self._id,
            "org_id": self._api.org_id,
            "config_data": self.config_data,
            "bundle_hash": entry.bundle_hash,
            "raw_body_only": entry.hook.raw_body_only,
            "place": _place(entry),
        }

    @property
    def _is_strict(self) -> bool:
        return self._settings.tyk_reload == "strict"

    def _name(self, file: Path) -> str:
        """The name of a file's plugin: its path, from the configuration's folder where it lies below that."""
        return f"tyk:{file.relative_to(self._folder) if file.is_relative_to(self._folder) else file}"


def _runner_plugin(stage: str) -> str:
    """The plugin by which routes ask a runner of APISIX's, for requests or for responses."""
    return "ext-plugin-post-resp" if stage == "response" else "ext-plugin-pre-req"


def _dispatcher(options: CoprocessOptions) -> Dispatcher:
    return Dispatcher(
        address=options.coprocess_grpc_server,
        receive_limit=options.grpc_recv_max_size or _GRPC_LIMIT,
        send_limit=options.grpc_send_max_size or _GRPC_LIMIT,
        authority=options.grpc_authority,
        timeout=options.grpc_timeout,
    )


def _configuration(hook: Hook) -> bytes:
    if isinstance(hook.config, str):
        return hook.config.encode()
    return json.dumps(hook.config, ensure_ascii=False, separators=(",", ":")).encode() if hook.config else b""


def _place(entry: Entry) -> model.Place:
    found = entry.document.problem(entry.path, "")
    return model.Place(found.file, found.line, found.path)
