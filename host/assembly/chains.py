"""Filter chains from uses of plugins: filters made, put in their order, and given back when the chain is no more."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence

from host.assembly.plugins import Plugins, Unusable
from host.chain import Filter, FilterChain, PhaseClass, Placed, ordered
from host.config import PluginUse, PythonPlugin, WasmPlugin
from host.filters.wasm import WasmFilter
from host.services import LoopServices

_PHASES = {"rewrite": PhaseClass.REWRITE, "access": PhaseClass.ACCESS}

NativeFilter = Callable[[PythonPlugin, PluginUse], Filter]
"""Makes a filter in Python of its use. Raises Unusable."""


class Chains:
    """Makes the chains of one configuration."""

    def __init__(self, plugins: Plugins, services: LoopServices, *, reverse_response: bool) -> None:
        self._plugins = plugins
        self._services = services
        self._reverse = reverse_response

    def make(
        self,
        uses: Iterable[tuple[PluginUse, bool]],
        native: NativeFilter,
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
                if (found := self._placed(use, is_global, native)) is not None:
                    placed.append(found)
        except Unusable:
            _close([each.filter for each in placed])
            return None
        filters = [*ordered(placed), *last]
        chain = FilterChain(
            filters,
            reverse_response=self._reverse,
            hold_response_head=hold_response_head,
            properties=properties,
        )
        # The last holder may be the garbage collector, on any thread and in the midst of anything: not now, then.
        weakref.finalize(chain, self._services.soon, lambda: _close(filters)).atexit = False
        return chain

    def _placed(self, use: PluginUse, is_global: bool, native: NativeFilter) -> Placed | None:
        """The filter of this use; None where its plugin did not come up, and streams pass it by."""
        entry = self._plugins.entries[use.name]
        if isinstance(entry, WasmPlugin):
            try:
                filter_: Filter = self._plugins.wasm_filter(entry, use)
            except Unusable:
                if entry.failure_policy == "fail_open":
                    return None
                raise
        else:
            filter_ = native(entry, use)
        priority = entry.priority if use.priority is None else use.priority
        return Placed(filter_, priority, _PHASES[entry.http_request_phase], is_global)


def _close(filters: list[Filter]) -> None:
    for filter_ in filters:
        if isinstance(filter_, WasmFilter):
            filter_.close()
