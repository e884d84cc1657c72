"""From a configuration to what serves it: plugins loaded and started, filters, chains, upstreams, routes.

A new configuration is assembled beside the one that serves, takes over from it what is equal, and replaces it in one
step. Exchanges in flight end on the chains they began with; a chain lets go of its filters when the last has gone.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from abi.pairs import join_path
from abi.types import LogLevel
from host.chain import BodyLimits, Filter, FilterChain, PhaseClass, Placed, ordered
from host.config import Config, PluginUse, PythonPlugin, WasmPlugin
from host.config import Route as RouteConfig
from host.config import Upstream as UpstreamConfig
from host.errors import HostError, PluginLoadError, PluginStartError, Problem
from host.exchange import Route
from host.filters.python import PythonFilter, PythonFilterAdapter, Unavailable
from host.filters.wasm import WasmFilter
from host.http.deadlines import Deadlines
from host.plugin.plugin import FailurePolicy, Key, Plugin, PluginSettings, Refused
from host.plugin.services import Services
from host.router import Router, Rule
from host.upstream.balancer import Node
from host.upstream.upstream import Dialer, Upstream
from host.wasm.cache import ModuleCache
from host.wasm.module import Module, ModuleError
from host.wasm.vm import VmSettings

_PHASES = {"rewrite": PhaseClass.REWRITE, "access": PhaseClass.ACCESS}


@dataclass(slots=True)
class Surroundings:
    """What assemblies of one worker share."""

    services: Services
    deadlines: Deadlines
    dialer: Dialer
    cache: ModuleCache = field(default_factory=ModuleCache)


@dataclass(slots=True)
class Assembly:
    """A configuration made real. `problems`: what of it does not work; the routes concerned answer 503."""

    config: Config
    router: Router[Route]
    plugins: dict[WasmPlugin, Plugin]
    upstreams: dict[UpstreamConfig, Upstream]
    problems: list[Problem]

    def retire(self, successor: Assembly | None) -> None:
        """Stop what the successor has not taken over. Exchanges in flight still end properly."""
        for entry, plugin in self.plugins.items():
            if successor is None or successor.plugins.get(entry) is not plugin:
                plugin.retire()
        for key, upstream in self.upstreams.items():
            if successor is None or successor.upstreams.get(key) is not upstream:
                upstream.close()


async def assemble(config: Config, around: Surroundings, previous: Assembly | None = None) -> Assembly:
    """Return the configuration made real. Plugins are compiled and tried off the loop; never raises for them."""
    builder = _Builder(config, around, previous)
    await builder.load_plugins()
    await builder.try_configurations()
    rules = [builder.rule(route) for route in config.routes]
    return Assembly(config, Router(rules), builder.plugins, builder.upstreams, builder.problems)


class _Builder:
    def __init__(self, config: Config, around: Surroundings, previous: Assembly | None) -> None:
        self.config = config
        self.around = around
        self.previous = previous
        self.entries = {entry.name: entry for entry in config.plugins}
        self.plugins: dict[WasmPlugin, Plugin] = {}
        self.upstreams: dict[UpstreamConfig, Upstream] = {}
        self.problems: list[Problem] = []
        self._broken: dict[str, str] = {}
        self._refused: dict[str, Refused] = {}
        self._python: dict[tuple[str, PluginUse], PythonFilter] = {}

    # --- plugins

    def _entries(self) -> Iterator[tuple[int, WasmPlugin]]:
        for index, entry in enumerate(self.config.plugins):
            if isinstance(entry, WasmPlugin):
                yield index, entry

    async def load_plugins(self) -> None:
        """Take plugins over from the previous assembly, or load their modules."""
        for index, entry in self._entries():
            kept = self.previous.plugins.get(entry) if self.previous is not None else None
            try:
                module = await asyncio.to_thread(Module.load, entry.file, self.around.cache)
            except ModuleError as error:
                self._problem(f"wasm.plugins[{index}].file", str(PluginLoadError(entry.name, str(error))))
                self._broken[entry.name] = f"plugin {entry.name} could not be loaded"
                continue
            if kept is not None and kept.module.digest == module.digest:
                self.plugins[entry] = kept
            else:
                self.plugins[entry] = Plugin(_settings(entry), module, self.around.services)

    async def try_configurations(self) -> None:
        """Show every plugin the configurations that it will have, on a VM that serves nobody."""
        keys: dict[str, list[Key]] = {}
        for use in self._uses():
            keys.setdefault(use.name, []).append(Key(use.configuration, use.scope))
        for entry, plugin in self.plugins.items():
            done: asyncio.Future[Refused] = asyncio.get_running_loop().create_future()
            plugin.prepare(keys.get(entry.name, []), done.set_result)
            self._refused[entry.name] = await done

    def _uses(self) -> Iterator[PluginUse]:
        for rule in self.config.global_rules:
            yield from rule.plugins
        for route in self.config.routes:
            yield from route.plugins

    # --- routes

    def rule(self, route: RouteConfig) -> Rule[Route]:
        """One route. What is wrong with it is noted, and it then answers 503."""
        filters: list[Filter] = []
        try:
            placed = [*self._global_filters(), *(self._placed(use, filters) for use in route.plugins)]
            chain = self._chain(ordered(placed), route)
        except (HostError, _PythonPluginError) as error:
            self._problem(f"routes/{route.id}", str(error))
            _close(filters)
            chain = FilterChain([PythonFilterAdapter(Unavailable())])
        upstream = self._upstream(route)
        made = Route(route.id, chain, upstream, route.trust_content_length)
        return Rule(made, route.uris, route.hosts, route.methods, route.priority)

    def _global_filters(self) -> Iterator[Placed]:
        for rule in self.config.global_rules:
            for use in rule.plugins:
                yield self._placed(use, [], is_global=True)

    def _placed(self, use: PluginUse, made: list[Filter], *, is_global: bool = False) -> Placed:
        entry = self.entries[use.name]
        if isinstance(entry, WasmPlugin):
            filter_: Filter = self._wasm_filter(entry, use)
        else:
            filter_ = PythonFilterAdapter(self._python_filter(entry, use))
        made.append(filter_)
        priority = entry.priority if use.priority is None else use.priority
        return Placed(filter_, priority, _PHASES[entry.http_request_phase], is_global)

    def _wasm_filter(self, entry: WasmPlugin, use: PluginUse) -> WasmFilter:
        if reason := self._broken.get(entry.name):
            raise PluginLoadError(entry.name, reason)
        refused: PluginStartError | None = self._refused[entry.name].get(Key(use.configuration, use.scope))
        if refused is not None:
            raise refused
        return WasmFilter(self.plugins[entry], use.configuration, use.scope)

    def _python_filter(self, entry: PythonPlugin, use: PluginUse) -> PythonFilter:
        key = (entry.name, use)
        if key not in self._python:
            self._python[key] = _load_python(entry)(use.configuration)
        return self._python[key]

    def _chain(self, filters: list[Filter], route: RouteConfig) -> FilterChain:
        names = {use.name for use in route.plugins} | {use.name for use in self._uses()}
        plugins = [entry for _, entry in self._entries() if entry.name in names]
        chain = FilterChain(
            filters,
            reverse_response=self.config.response_order == "reverse",
            hold_response_head=not route.trust_content_length,
            limits=BodyLimits(
                request=min((entry.max_request_body_size for entry in plugins), default=BodyLimits().request),
                response=min(
                    (entry.max_response_body_size for entry in plugins), default=BodyLimits().response
                ),
            ),
            properties=_properties(route),
        )
        weakref.finalize(chain, _close, filters).atexit = False
        return chain

    def _upstream(self, route: RouteConfig) -> Upstream:
        config = route.upstream or UpstreamConfig(id="", nodes=())
        timeout = route.timeout or config.timeout
        key = UpstreamConfig(
            id=config.id,
            nodes=config.nodes,
            timeout=timeout,
            retries=config.retries,
            pass_host=config.pass_host,
            upstream_host=config.upstream_host,
            scheme=config.scheme,
            keepalive_pool=config.keepalive_pool,
        )
        if key not in self.upstreams:
            kept = self.previous.upstreams.get(key) if self.previous is not None else None
            self.upstreams[key] = kept or _new_upstream(key, self.around)
        return self.upstreams[key]

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(Problem("", None, path, message))


class _PythonPluginError(Exception):
    pass


def _load_python(entry: PythonPlugin) -> type[PythonFilter]:
    module_name, _, class_name = entry.target.partition(":")
    added = [str(path) for path in entry.search_path if str(path) not in sys.path]
    sys.path[:0] = added
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except Exception as error:
        raise _PythonPluginError(
            f"plugin {entry.name}: {entry.target} cannot be imported: {error!r}"
        ) from error
    finally:
        for path in added:
            sys.path.remove(path)
    if not (isinstance(found, type) and issubclass(found, PythonFilter)):
        raise _PythonPluginError(f"plugin {entry.name}: {entry.target} is no subclass of host.PythonFilter")
    return found


def _close(filters: Iterable[Filter]) -> None:
    for filter_ in filters:
        if isinstance(filter_, WasmFilter):
            filter_.close()


def _settings(entry: WasmPlugin) -> PluginSettings:
    return PluginSettings(
        name=entry.name,
        root_id=entry.root_id,
        policy=FailurePolicy(entry.failure_policy),
        vm=VmSettings(
            vm_id=entry.vm_id,
            configuration=entry.vm_configuration,
            environment=dict(entry.environment),
            log_level=LogLevel[entry.log_level.upper()],
            memory_limit=entry.max_memory_size,
            start_deadline=round(entry.start_timeout * 1000),
            callback_deadline=max(1, round(entry.callback_timeout * 1000)),
        ),
    )


def _properties(route: RouteConfig) -> dict[bytes, bytes]:
    """What plugins can read of the route, under Envoy's names, old ones included."""
    name = (route.name or route.id).encode()
    cluster = route.upstream.id.encode() if route.upstream is not None else b""
    return {
        join_path([b"xds", b"route_name"]): name,
        b"route_name": name,
        join_path([b"xds", b"cluster_name"]): cluster,
        b"cluster_name": cluster,
    }


def _new_upstream(config: UpstreamConfig, around: Surroundings) -> Upstream:
    return Upstream(
        config.id,
        [Node(node.host, node.port, node.weight) for node in config.nodes],
        around.deadlines,
        around.dialer,
        connect_timeout=config.timeout.connect,
        send_timeout=config.timeout.send,
        read_timeout=config.timeout.read,
        keepalive_idle=config.keepalive_pool.idle_timeout,
        keepalive_pool_size=config.keepalive_pool.size,
        keepalive_requests=config.keepalive_pool.requests,
        retries=config.retries,
        pass_host=config.pass_host,
        upstream_host=config.upstream_host,
    )
