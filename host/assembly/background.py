"""Plugins that run without traffic: a plugin context each, from the configuration's start to its end.

They tick, take from queues and call out as all plugin contexts do; no chain has them.
"""

from __future__ import annotations

from host.assembly.plugins import Plugins, Unusable
from host.config import Config, WasmPlugin
from host.filters.wasm import WasmFilter


class BackgroundServices:
    """Those of one configuration. One that does not come up is a problem noted, and costs the others nothing."""

    def __init__(self, config: Config, plugins: Plugins) -> None:
        self._held: list[WasmFilter] = []
        for service in config.wasm_services:
            entry = plugins.entries[service.use.name]
            assert isinstance(entry, WasmPlugin)
            try:
                self._held.append(plugins.wasm_filter(entry, service.use))
            except Unusable:
                continue

    def close(self) -> None:
        """Give the contexts back: what a successor has not taken over is done and deleted."""
        held, self._held = self._held, []
        for each in held:
            each.close()
