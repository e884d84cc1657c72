"""The plugins of a configuration: modules loaded, every configuration tried, Python classes imported.

What does not come up is a problem with the place where it is written; asked for its filter, it raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

from abi.types import LogLevel
from host.assembly.code import ModuleLoader, NotFetched
from host.assembly.imports import import_name
from host.config import Config, ExternalPlugin, PluginUse, PythonPlugin, WasmPlugin, all_uses
from host.config import Plugin as ConfiguredPlugin
from host.errors import HostError, PluginLoadError, PluginStartError, Problem
from host.external.kind import Part
from host.external.kinds import ExternalKinds, LoadedKinds
from host.filters.connection import ConnectionFilter
from host.filters.python import PythonFilter
from host.filters.wasm import WasmFilter
from host.plugin.breaker import CircuitBreaker
from host.plugin.plugin import FailurePolicy, Isolation, Key, Plugin, PluginSettings, Refused
from host.plugin.properties import node_properties
from host.plugin.settings import CalloutSettings, RecycleLimits
from host.plugin.supplies import Supplies
from host.services import LoopServices
from host.wasm.module import Module
from host.wasm.vm import VmSettings

AnyFilter = PythonFilter | ConnectionFilter
PythonFilters = dict[tuple[PythonPlugin, PluginUse], AnyFilter]
T = TypeVar("T", bound=AnyFilter)


class Unusable(HostError):
    """A plugin that cannot take part in a route; the problem is noted already."""


class Plugins:
    """The plugins of one configuration, by their entries in it."""

    def __init__(
        self,
        config: Config,
        services: LoopServices,
        loader: ModuleLoader,
        supplies: Supplies,
        kinds: ExternalKinds,
    ) -> None:
        self.problems: list[Problem] = []
        self.awaits_code = False
        self.wasm: dict[WasmPlugin, Plugin] = {}
        self.python_filters: PythonFilters = {}
        self.entries = {entry.name: entry for entry in config.plugins}
        self._config = config
        self._node = node_properties(config.node.id, config.node.cluster, config.node.metadata)
        self._services = services
        self._loader = loader
        self._supplies = supplies
        self._kinds = kinds
        self.external = LoadedKinds({})
        self._failed: set[ExternalPlugin | PluginUse] = set()
        self._refused: dict[str, Refused] = {}
        self._classes: dict[str, type[AnyFilter]] = {}
        self._earlier: PythonFilters = {}

    async def load(self, earlier: dict[WasmPlugin, Plugin]) -> None:
        """Take plugins over from `earlier` where entry and file are the same, load the others, and try them all."""
        keys: dict[str, list[Key]] = {}
        for use in all_uses(self._config):
            keys.setdefault(use.name, []).append(_key(use))
        entries = [entry for entry in self.entries.values() if isinstance(entry, WasmPlugin)]
        known = [earlier[entry].module if entry in earlier else None for entry in entries]
        modules = await self._loader.load_all(list(zip(entries, known, strict=True)))
        for entry, module in zip(entries, modules, strict=True):
            if isinstance(module, Module):
                await self._bring_up(entry, module, earlier.get(entry), keys.get(entry.name, []))
            else:
                self.awaits_code |= isinstance(module, NotFetched)
                self._note(entry, str(module))
        for plugin in self.entries.values():
            if isinstance(plugin, PythonPlugin):
                await self._import(plugin)
        self.external = await self._kinds.load(self._config)
        for failure in self.external.failures:
            self._failed.add(failure.what)
            self._note(failure.what, failure.message)

    async def _bring_up(
        self, entry: WasmPlugin, module: Module, earlier: Plugin | None, keys: list[Key]
    ) -> None:
        plugin = earlier if earlier is not None and module is earlier.module else self._new(entry, module)
        refused = await _try(plugin, keys)
        self.wasm[entry] = plugin
        self._refused[entry.name] = refused
        if plugin.start_failure is not None:
            self._note(entry, str(plugin.start_failure))

    def _new(self, entry: WasmPlugin, module: Module) -> Plugin:
        return Plugin(_settings(entry, self._node), module, self._services, self._supplies)

    async def _import(self, entry: PythonPlugin) -> None:
        try:
            self._classes[entry.name] = await self._services.run(lambda: _python_class(entry))
        except PluginLoadError as error:
            self._note(entry, str(error))

    def forget_unused(self) -> None:
        """End what was tried on VMs that serve, and which no chain has taken."""
        for plugin in self.wasm.values():
            plugin.forget_unused()

    def take_over(self, earlier: PythonFilters) -> None:
        """Have filters in Python go on where their entry and their use are the same."""
        self._earlier = earlier

    def wasm_filter(self, entry: WasmPlugin, use: PluginUse) -> WasmFilter:
        """Return a filter that holds the use's plugin context. Raises Unusable."""
        plugin = self.wasm.get(entry)
        if plugin is None or plugin.start_failure is not None:
            raise Unusable(f"plugin {entry.name} did not come up")
        try:
            if (refused := self._refused[entry.name].get(_key(use))) is not None:
                raise refused
            return WasmFilter(plugin, _key(use))
        except PluginStartError as error:
            self._note(use, str(error))
            raise Unusable(str(error)) from error

    def python_filter(self, entry: PythonPlugin, use: PluginUse, kind: type[T]) -> T:
        """Return the filter of this use, of a class for such routes; routes share one where they share the use.

        Raises Unusable.
        """
        key = (entry, use)
        if (found := self.python_filters.get(key) or self._earlier.get(key)) is None:
            found = self._new_python_filter(entry, use)
        if not isinstance(found, kind):
            self._note(use, f"{entry.target} is no subclass of host.{kind.__name__}, which this route takes")
            raise Unusable(f"plugin {entry.name} is for routes of another kind")
        self.python_filters[key] = found
        return found

    def external_parts(self, entry: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return the filters of this use. Raises Unusable."""
        if entry in self._failed or use in self._failed:
            raise Unusable(f"plugin {entry.name} did not come up")
        return self.external.parts(entry, use)

    def _new_python_filter(self, entry: PythonPlugin, use: PluginUse) -> AnyFilter:
        if (made_from := self._classes.get(entry.name)) is None:
            raise Unusable(f"plugin {entry.name} could not be imported")
        try:
            return made_from(use.configuration)
        except Exception as error:
            reason = str(error) if isinstance(error, ValueError) else repr(error)
            self._note(use, str(PluginStartError(entry.name, f"the configuration was refused: {reason}")))
            raise Unusable(f"plugin {entry.name} refused its configuration") from error

    def _note(self, what: ConfiguredPlugin | PluginUse, message: str) -> None:
        place = what.place
        if place is not None:
            self.problems.append(Problem(place.file, place.line, place.path, message))
        else:
            self.problems.append(Problem("", None, getattr(what, "scope", ""), message))


def _key(use: PluginUse) -> Key:
    return Key(use.configuration, use.scope, use.access_logger)


async def _try(plugin: Plugin, keys: list[Key]) -> Refused:
    """Show a plugin the configurations that it will have, on a VM that serves nobody."""
    done: asyncio.Future[Refused] = asyncio.get_running_loop().create_future()
    plugin.prepare(keys, lambda refused: None if done.done() else done.set_result(refused))
    return await done


def _python_class(entry: PythonPlugin) -> type[AnyFilter]:
    """Import the class of a filter. Raises PluginLoadError, whatever the module does instead."""
    found = import_name(entry.name, entry.target, entry.search_path)
    if not (isinstance(found, type) and issubclass(found, PythonFilter | ConnectionFilter)):
        raise PluginLoadError(
            entry.name, f"{entry.target} is no subclass of host.PythonFilter or host.ConnectionFilter"
        )
    return found


def _settings(entry: WasmPlugin, node: bytes) -> PluginSettings:
    return PluginSettings(
        name=entry.name,
        root_id=entry.root_id,
        policy=FailurePolicy(entry.failure_policy),
        max_request_body_size=entry.max_request_body_size,
        max_response_body_size=entry.max_response_body_size,
        allow_on_headers_stop_iteration=entry.allow_on_headers_stop_iteration,
        decode_bodies=entry.decode_bodies,
        callouts=CalloutSettings(
            allow=entry.callouts.allow,
            timeout=entry.callouts.timeout,
            max_response_size=entry.callouts.max_response_size,
            max_calls=entry.callouts.max_calls,
            ssl_verify=entry.callouts.ssl_verify,
            trusted_ca=str(entry.callouts.trusted_ca or ""),
        ),
        isolation=Isolation(entry.isolation),
        recycle=RecycleLimits(
            entry.recycle.max_memory_size, entry.recycle.max_requests, entry.recycle.max_age
        ),
        circuit_breaker=CircuitBreaker(
            entry.circuit_breaker.max_overruns,
            entry.circuit_breaker.interval,
            entry.circuit_breaker.open_time,
        ),
        vm=VmSettings(
            vm_id=entry.vm_id,
            configuration=entry.vm_configuration,
            environment=dict(entry.environment),
            log_level=LogLevel[entry.log_level.upper()],
            max_metrics=entry.max_metrics,
            properties=node,
            memory_limit=entry.max_memory_size,
            start_deadline=max(1, round(entry.start_timeout * 1000)),
            callback_deadline=max(1, round(entry.callback_timeout * 1000)),
            callback_fuel=entry.callback_fuel,
            allowed_capabilities=entry.allowed_capabilities,
        ),
    )
