"""The routes of a configuration: chains of filters in their order, upstreams, and what answers without a route."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from abi.pairs import join_path
from host.assembly.plugins import Plugins, Unusable
from host.assembly.upstreams import Upstreams
from host.chain import Filter, FilterChain, PhaseClass, Placed, ordered
from host.config import Config, PluginUse, WasmPlugin
from host.config import Route as RouteConfig
from host.config import Upstream as UpstreamConfig
from host.exchange import Route
from host.filters.python import NotFound, PythonFilterAdapter, Unavailable
from host.filters.wasm import WasmFilter
from host.router import Rule
from host.upstream.upstream import Upstream

if TYPE_CHECKING:
    from host.assembly import Surroundings

_PHASES = {"rewrite": PhaseClass.REWRITE, "access": PhaseClass.ACCESS}
_NOWHERE = UpstreamConfig(id="", nodes=())


class Routes:
    """Makes the routes of one configuration."""

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        around: Surroundings,
        upstreams: Upstreams,
    ) -> None:
        self.unavailable: list[str] = []
        self._config = config
        self._plugins = plugins
        self._around = around
        self._upstreams = upstreams
        self._global_uses = [use for rule in config.global_rules for use in rule.plugins]

    def rule(self, route: RouteConfig) -> Rule[Route]:
        """One route. Where a plugin of it did not come up, it answers 503."""
        chain = self._chain(route.plugins, route)
        if chain is None:
            self.unavailable.append(route.id)
            chain = self._unavailable()
        made = Route(
            route.id,
            chain,
            self._upstream(route),
            route.trust_content_length and not chain.decodes,  # lengths of coded bytes mean nothing any more
            route.enable_websocket,
        )
        return Rule(made, route.uris, route.hosts, route.methods, route.priority)

    def unmatched(self) -> Route | None:
        """What answers requests that no route matches: None (404 at once), or the global rules and then 404."""
        if not self._global_uses:
            return None
        chain = self._chain((), None)
        if chain is None:
            chain = self._unavailable()
        return Route("", chain, self._upstream(None))

    def _unavailable(self) -> FilterChain:
        chain = FilterChain([PythonFilterAdapter(Unavailable())])
        chain.count_in(self._around.requests)
        return chain

    def _chain(self, uses: tuple[PluginUse, ...], route: RouteConfig | None) -> FilterChain | None:
        """The chain of these uses behind the global ones; None where one is unusable."""
        placed: list[Placed] = []
        try:
            for use, is_global in self._all_uses(uses):
                if (found := self._placed(use, is_global)) is not None:
                    placed.append(found)
        except Unusable:
            _close([each.filter for each in placed])
            return None
        filters = ordered(placed)
        if route is None:
            filters.append(PythonFilterAdapter(NotFound()))
        chain = FilterChain(
            filters,
            reverse_response=self._config.response_order == "reverse",
            hold_response_head=route is None or not route.trust_content_length,
            properties=_properties(route),
        )
        chain.count_in(self._around.requests)
        # The last holder may be the garbage collector, on any thread and in the midst of anything: not now, then.
        weakref.finalize(chain, self._around.services.soon, lambda: _close(filters)).atexit = False
        return chain

    def _all_uses(self, own: tuple[PluginUse, ...]) -> Iterator[tuple[PluginUse, bool]]:
        for use in self._global_uses:
            yield use, True
        for use in own:
            yield use, False

    def _placed(self, use: PluginUse, is_global: bool) -> Placed | None:
        """The filter of this use; None where its plugin did not come up, and requests pass it by."""
        entry = self._plugins.entries[use.name]
        if isinstance(entry, WasmPlugin):
            try:
                filter_: Filter = self._plugins.wasm_filter(entry, use)
            except Unusable:
                if entry.failure_policy == "fail_open":
                    return None
                raise
        else:
            filter_ = PythonFilterAdapter(
                self._plugins.python_filter(entry, use), access_logger=use.access_logger
            )
        priority = entry.priority if use.priority is None else use.priority
        return Placed(filter_, priority, _PHASES[entry.http_request_phase], is_global)

    def _upstream(self, route: RouteConfig | None) -> Upstream:
        config = route.upstream if route is not None and route.upstream is not None else _NOWHERE
        if route is not None and route.timeout is not None:
            config = dataclasses.replace(config, timeout=route.timeout)
        return self._upstreams.of(config)


def _close(filters: list[Filter]) -> None:
    for filter_ in filters:
        if isinstance(filter_, WasmFilter):
            filter_.close()


def _properties(route: RouteConfig | None) -> dict[bytes, bytes]:
    """What plugins can read of the route, under Envoy's names, old ones included."""
    if route is None:
        return {}
    name = (route.name or route.id).encode()
    cluster = route.upstream.id.encode() if route.upstream is not None else b""
    return {
        join_path([b"xds", b"route_name"]): name,
        b"route_name": name,
        join_path([b"xds", b"cluster_name"]): cluster,
        b"cluster_name": cluster,
    }
