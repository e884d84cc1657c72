"""A wasm plugin with one configuration, as a filter of a chain."""

from __future__ import annotations

from typing import Any

from host.plugin.plugin import Key, Plugin


class WasmFilter:
    """Holds a plugin context for as long as a chain uses it."""

    __slots__ = ("_key", "borrower", "native", "plugin")

    reads_variables = False

    def __init__(self, plugin: Plugin, key: Key) -> None:
        """Raises host.errors.PluginStartError when the plugin refuses the configuration."""
        self.plugin = plugin
        context = plugin.context(key)
        self.native: Any = context.filter
        self.borrower = plugin.borrower(context)
        self._key = key

    @property
    def decodes_bodies(self) -> bool:
        """Whether the operator says so of the plugin; an access logger sees no bodies."""
        return self.plugin.settings.decode_bodies and not self._key.access_logger

    def attend(self) -> None:
        """See to log lines, ticks and failures of the plugin."""
        self.plugin.after_guest(self._key)

    def close(self) -> None:
        """Give the plugin context back, when no stream can use it any more."""
        self.plugin.release(self._key)
