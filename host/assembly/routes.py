"""The routes of a configuration: chains of filters in their order, upstreams, and what answers without a route."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from abi.pairs import join_path
from host.assembly.chains import HTTP, Chains
from host.assembly.plugins import Plugins
from host.assembly.upstreams import Upstreams
from host.chain import FilterChain
from host.config import Config, LocalAnswer, PluginUse
from host.config import Route as RouteConfig
from host.config import Upstream as UpstreamConfig
from host.exchange import Route
from host.filters.python import NotFound, PythonFilterAdapter, Unavailable
from host.metrics.table import RequestCounters
from host.router import Rule
from host.upstream.upstream import Upstream

_NOWHERE = UpstreamConfig(id="", nodes=())


class Routes:
    """Makes the routes of one configuration."""

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        chains: Chains,
        upstreams: Upstreams,
        requests: RequestCounters,
    ) -> None:
        """`requests`: what exchanges are counted in."""
        self.unavailable: list[str] = []
        self._plugins = plugins
        self._chains = chains
        self._requests = requests
        self._upstreams = upstreams
        self._global_uses = [use for rule in config.global_rules for use in rule.plugins]

    def rule(self, route: RouteConfig) -> Rule[Route]:
        """One route. Where a plugin of it did not come up, it answers 503, or as it says."""
        chain = self._chain(route.plugins, route)
        if chain is None:
            self.unavailable.append(route.id)
            chain = self._unavailable(route.unavailable)
        made = Route(
            route.id,
            chain,
            self._upstream(route),
            route.trust_content_length and not chain.decodes,  # lengths of coded bytes mean nothing any more
            route.enable_websocket,
            self._upstreams,
            route.name,
            route.service_id,
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

    def _unavailable(self, answer: LocalAnswer | None = None) -> FilterChain:
        filter_ = Unavailable() if answer is None else Unavailable(answer.status, answer.body)
        chain = FilterChain([PythonFilterAdapter(filter_)])
        chain.count_in(self._requests)
        return chain

    def _chain(self, uses: tuple[PluginUse, ...], route: RouteConfig | None) -> FilterChain | None:
        """The chain of these uses behind the global ones; None where one is unusable."""
        chain = self._chains.make(
            self._all_uses(uses),
            HTTP,
            last=[PythonFilterAdapter(NotFound())] if route is None else (),
            hold_response_head=route is None or not route.trust_content_length,
            properties=_properties(route),
        )
        if chain is not None:
            chain.count_in(self._requests)
        return chain

    def _all_uses(self, own: tuple[PluginUse, ...]) -> Iterator[tuple[PluginUse, bool]]:
        for use in self._global_uses:
            yield use, True
        for use in own:
            yield use, False

    def _upstream(self, route: RouteConfig | None) -> Upstream:
        config = route.upstream if route is not None and route.upstream is not None else _NOWHERE
        if route is not None and route.timeout is not None:
            config = dataclasses.replace(config, timeout=route.timeout)
        return self._upstreams.of(config)


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
        **{join_path([part.encode() for part in path]): value for path, value in route.properties},
    }
