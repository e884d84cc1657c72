"""Filter chains from uses of plugins: filters made, put in their order, and given back when the chain is no more."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from host.assembly.plugins import AnyFilter, Plugins, Unusable
from host.assembly.shadows import Shadows
from host.chain import Filter, FilterChain, PhaseClass, Placed, ordered
from host.config import ExternalPlugin, PluginUse, Shadow, WasmPlugin
from host.filters.connection import ConnectionFilter, ConnectionFilterAdapter
from host.filters.python import PythonFilter, PythonFilterAdapter
from host.filters.wasm import WasmFilter
from host.services import LoopServices


@dataclass(frozen=True, slots=True)
class Native:
    """Which filters in Python chains of a kind take, and how."""

    base: type[AnyFilter]
    adapter: Callable[..., Filter]


HTTP: Final = Native(PythonFilter, PythonFilterAdapter)
CONNECTIONS: Final = Native(ConnectionFilter, ConnectionFilterAdapter)


class Chains:
    """Makes the chains of one configuration."""

    def __init__(
        self, plugins: Plugins, services: LoopServices, shadows: Shadows, *, reverse_response: bool
    ) -> None:
        self._plugins = plugins
        self._shadows = shadows
        self._services = services
        self._reverse = reverse_response

    def make(
        self,
        uses: Iterable[tuple[PluginUse, bool]],
        native: Native,
        *,
        last: Sequence[Filter] = (),
        hold_response_head: bool = True,
        properties: Mapping[bytes, bytes] | None = None,
    ) -> FilterChain | None:
        """Return the chain of these uses, each with whether it is of a global rule; None where one is unusable.

        `last`: filters behind all others.
        """
        placed: list[Placed] = []
        try:
            for use, is_global in uses:
                own = list(self._placed(use, is_global, native))
                placed.extend(own if use.shadow is None else self._shadowed(own, use, use.shadow))
        except Unusable:
            _close([each.filter for each in placed])
            return None
        inner = ordered(placed, reverse_response=self._reverse)
        filters = [*(each.filter for each in inner), *last]
        chain = FilterChain(
            filters,
            reverse_response=self._reverse,
            hold_response_head=hold_response_head,
            properties=properties,
        )
        chain.order = tuple(inner)
        # The last holder may be the garbage collector, on any thread and in the midst of anything: not now, then.
        weakref.finalize(chain, self._services.soon, lambda: _close(filters)).atexit = False
        return chain

    def _shadowed(self, placed: list[Placed], use: PluginUse, shadow: Shadow) -> list[Placed]:
        """The filters of a use, and what compares them with its shadow; the shadow alone costs no route anything."""
        chain = self.make([(shadow.use, False)], HTTP) if placed else None
        return self._shadows.around(placed, use, shadow, chain) if chain is not None else placed

    def _placed(self, use: PluginUse, is_global: bool, native: Native) -> Iterator[Placed]:
        """The filters of this use; none where its plugin did not come up, and streams pass it by. Raises Unusable."""
        entry = self._plugins.entries[use.name]
        own = entry.priority if use.priority is None else use.priority
        if isinstance(entry, ExternalPlugin):
            for part in self._plugins.external_parts(entry, use):
                if isinstance(part.filter, native.base):
                    filter_ = native.adapter(part.filter, access_logger=use.access_logger)
                    priority = own if part.priority is None or use.priority is not None else part.priority
                    phase = part.phase if use.stage is None else PhaseClass[use.stage.upper()]
                    yield Placed(filter_, priority, phase, is_global, part.response_first, use.name)
            return
        if isinstance(entry, WasmPlugin):
            try:
                filter_ = self._plugins.wasm_filter(entry, use)
            except Unusable:
                if entry.failure_policy == "fail_open":
                    return
                raise
        else:
            found = self._plugins.python_filter(entry, use, native.base)
            filter_ = native.adapter(found, access_logger=use.access_logger)
        stage = use.stage or entry.stage or entry.http_request_phase
        yield Placed(filter_, own, PhaseClass[stage.upper()], is_global, name=use.name)


def _close(filters: list[Filter]) -> None:
    for filter_ in filters:
        if isinstance(filter_, WasmFilter):
            filter_.close()
