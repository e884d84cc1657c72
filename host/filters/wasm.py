"""A wasm plugin with one configuration, as a filter of a chain."""

from __future__ import annotations

from typing import Any

from host.plugin.plugin import Plugin


class WasmFilter:
    """Holds a plugin context for as long as a chain uses it."""

    __slots__ = ("context", "native", "plugin")

    def __init__(self, plugin: Plugin, configuration: bytes) -> None:
        """Raises host.errors.PluginStartError when the plugin refuses the configuration."""
        self.plugin = plugin
        self.context = plugin.context(configuration)
        self.native: Any = self.context.filter

    def attend(self) -> None:
        """See to log lines, ticks and failures of the plugin."""
        self.plugin.after_guest()

    def close(self) -> None:
        """Give the plugin context back. Streams in flight end on it first: call this when they have."""
        self.plugin.release(self.context)
