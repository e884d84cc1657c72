"""From a configuration to what serves it: plugins loaded and started, filters, chains, upstreams, routes.

A new configuration is assembled beside the one that serves, takes over from it what is equal, and replaces it in one
step. Exchanges in flight end on the chains they began with; a chain lets go of its filters when the last has gone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from host.assembly.background import BackgroundServices
from host.assembly.chains import Chains
from host.assembly.code import ModuleLoader
from host.assembly.imports import load_foreign_functions
from host.assembly.plugins import Plugins, PythonFilters
from host.assembly.routes import Routes
from host.assembly.shadows import Shadows
from host.assembly.streams import StreamRoutes
from host.assembly.upstreams import Upstreams
from host.callouts import Callouts
from host.config import Config, WasmPlugin
from host.errors import Problem
from host.exchange import Route
from host.external.kinds import ExternalKinds, LoadedKinds
from host.http.deadlines import Deadlines
from host.metrics.table import RequestCounters
from host.plugin.plugin import Plugin
from host.plugin.supplies import Supplies
from host.router import Router, Rule
from host.services import LoopServices
from host.tcp.server import Rules
from host.upstream.upstream import Dialer
from host.wasm.cache import ModuleCache

_BATCH = 64  # routes that are made between two looks at the event loop


@dataclass(slots=True)
class Surroundings:
    """What assemblies of one worker share. `rules`: routes that are there beside those of any configuration."""

    services: LoopServices
    deadlines: Deadlines
    dialer: Dialer
    callouts: Callouts
    requests: RequestCounters
    cache: ModuleCache = field(default_factory=ModuleCache)
    supplies: Supplies = field(default_factory=Supplies)
    rules: tuple[Rule[Route], ...] = ()
    kinds: ExternalKinds = field(init=False)
    shadows: Shadows = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = ExternalKinds(self.services)
        self.shadows = Shadows(self.services)


@dataclass(slots=True)
class Assembly:
    """A configuration made real.

    `routes`: all, as they were declared. `unmatched`: what answers 404 where global rules want to see every request,
    else None. `problems`: what of the configuration does not work; `unavailable`: the ids of the routes that answer 503
    for it. `awaits_code`: whether a plugin is missing because its code could not be fetched, which may be otherwise
    later.
    """

    config: Config
    router: Router[Route]
    routes: list[Route]
    unmatched: Route | None
    stream_rules: Rules
    plugins: dict[WasmPlugin, Plugin]
    python_filters: PythonFilters
    external: LoadedKinds
    services: BackgroundServices
    upstreams: Upstreams
    callouts: Callouts
    problems: list[Problem]
    unavailable: list[str]
    awaits_code: bool

    def retire(self, successor: Assembly | None) -> None:
        """Stop what the successor has not taken over. Exchanges in flight still end properly."""
        self.services.close()
        self.external.retire()
        for entry, plugin in self.plugins.items():
            if successor is None or successor.plugins.get(entry) is not plugin:
                plugin.retire()
        self.callouts.directory.remove(self.upstreams)
        if successor is not None:
            successor.upstreams.forget_earlier()
        for key, upstream in self.upstreams.made.items():
            if successor is None or successor.upstreams.made.get(key) is not upstream:
                upstream.close()
        self.upstreams.close_changed()

    def close(self) -> None:
        """End all plugins now, whoever still uses them."""
        self.retire(None)
        for plugin in self.plugins.values():
            plugin.close()


async def assemble(config: Config, around: Surroundings, previous: Assembly | None = None) -> Assembly:
    """Return the configuration made real; what of it does not work is in `problems`.

    Modules are compiled and plugins tried off the loop, and the loop gets its turn between routes.
    """
    upstreams = Upstreams(config, around, previous.upstreams if previous is not None else None)
    around.callouts.directory.add(upstreams)  # plugins may call while they start
    try:
        return await _assemble(config, around, upstreams, previous)
    except BaseException:
        around.callouts.directory.remove(upstreams)
        raise


async def _assemble(
    config: Config, around: Surroundings, upstreams: Upstreams, previous: Assembly | None
) -> Assembly:
    functions = around.services.foreign_functions
    problems = await around.services.run(lambda: load_foreign_functions(config, functions))
    plugins = Plugins(
        config, around.services, ModuleLoader(around.services, around.cache), around.supplies, around.kinds
    )
    await plugins.load(previous.plugins if previous is not None else {})
    plugins.take_over(previous.python_filters if previous is not None else {})
    chains = Chains(
        plugins, around.services, around.shadows, reverse_response=config.response_order == "reverse"
    )
    routes = Routes(config, plugins, chains, upstreams, around.requests)
    rules = []
    for count, route in enumerate(config.routes, 1):
        rules.append(routes.rule(route))
        if not count % _BATCH:
            await asyncio.sleep(0)
    router = await around.services.run(lambda: Router([*around.rules, *rules]))
    streams = StreamRoutes(plugins, chains, upstreams)
    stream_rules, unmatched = streams.rules(config), routes.unmatched()
    services = BackgroundServices(config, plugins)
    plugins.forget_unused()
    return Assembly(
        config,
        router,
        [rule.payload for rule in rules],
        unmatched,
        stream_rules,
        plugins.wasm,
        plugins.python_filters,
        plugins.external,
        services,
        upstreams,
        around.callouts,
        list(dict.fromkeys([*config.problems, *problems, *plugins.problems, *streams.problems])),
        [*routes.unavailable, *streams.unavailable],
        plugins.awaits_code,
    )
