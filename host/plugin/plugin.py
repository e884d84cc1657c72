"""A plugin: one entry of `wasm.plugins` in this worker, with its contexts.

Where its VMs come from is supply.py's matter. New configurations are tried on a VM that serves nobody before the
serving one gets to see them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from host.errors import PluginStartError
from host.plugin.build import Built
from host.plugin.context import PluginContext
from host.plugin.services import Services
from host.plugin.settings import FailurePolicy, Key, PluginSettings, RootKey
from host.plugin.supply import VmSupply
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM

__all__ = ["FailurePolicy", "Key", "Plugin", "PluginSettings"]

Refused = dict[Key, PluginStartError]


class Plugin:
    """A plugin in this worker. Not thread-safe: the thread that owns it calls everything."""

    def __init__(self, settings: PluginSettings, module: Module, services: Services) -> None:
        """`prepare` tells in `start_failure` why the plugin did not start, and in `is_slow_to_configure` whether one
        of the new configurations took longer than a callback may.
        """
        self.settings = settings
        self.module = module
        self.start_failure: PluginStartError | None = None
        self.is_slow_to_configure = False
        self.supply = VmSupply(settings, module, services).join()
        self._contexts: dict[Key, PluginContext] = {}
        self._root_keys: dict[Key, RootKey] = {}
        self._is_closed = self._is_retired = False

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "up" if self.vm is not None else "down"
        spare = ", spare" if self.spare is not None else ""
        counts = f"contexts: {len(self._contexts)}, failures: {self.failures}"
        return f"<Plugin {self.settings.name} [{state}{spare}, {counts}]>"

    @property
    def vm(self) -> WasmVM | None:
        """The VM that new streams go to; None while the plugin is down."""
        return self.supply.vm

    @property
    def spare(self) -> WasmVM | None:
        """The VM that stands by."""
        return self.supply.spare

    @property
    def failures(self) -> int:
        """How many VMs have failed."""
        return self.supply.failures

    @property
    def last_failure(self) -> GuestFailed | None:
        """Why the last one failed."""
        return self.supply.last_failure

    # --- contexts

    def prepare(self, keys: Sequence[Key], done: Callable[[Refused], None]) -> None:
        """Try configurations in the background, then call `done` with those that the guest refused.

        The others can be had from `context` at once afterwards.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._contexts]
        if not new and self.vm is not None:
            done({})
            return

        def tried(result: Built | PluginStartError) -> None:
            if isinstance(result, PluginStartError):
                self.start_failure = result
                refused = dict.fromkeys(new, result)
            else:
                self.start_failure = None
                self.is_slow_to_configure = not result.slow.isdisjoint(map(self._root_key, new))
                refused = {key.key: error for key, error in result.refused.items() if key.key in new}
            for key in refused:
                self._root_keys.pop(key, None)
            done(refused)

        self.supply.prepare([self._root_key(key) for key in new], tried)

    def context(self, key: Key) -> PluginContext:
        """Return the context of this key; the first use of one creates it on the VM.

        Raises PluginStartError when the guest traps or refuses the configuration; nothing else is harmed then, but
        that a VM which trapped is built anew.
        """
        context = self._contexts.get(key)
        if context is None:
            root_key = self._root_key(key)
            context = PluginContext(root_key, writes_bodies=self.module.writes_bodies)
            self.supply.add(root_key, context)
            self._contexts[key] = context
        context.users += 1
        return context

    def _root_key(self, key: Key) -> RootKey:
        """The key's name among the contexts of a VM, for as long as it is tried or used."""
        if (found := self._root_keys.get(key)) is None:
            found = self._root_keys[key] = RootKey(self.settings, key)
        return found

    def release(self, key: Key) -> None:
        """Give a context back; with its last user it is done and deleted, once its last stream has gone."""
        context = self._contexts.get(key)
        if context is None:
            return
        context.users -= 1
        if context.users > 0:
            return
        self._remove(key)
        if self._is_retired and not self._contexts:
            self._leave()

    def retire(self) -> None:
        """Close as soon as the last context has been given back and has ended."""
        self._is_retired = True
        if not self._contexts:
            self._leave()

    def close(self) -> None:
        """End all contexts and drop the VMs. Streams in flight keep theirs until they end. Idempotent."""
        for key in list(self._contexts):
            self._remove(key)
        self._leave()
        self.supply.hurry(self.settings.name)

    def _remove(self, key: Key) -> None:
        del self._contexts[key]
        self.supply.remove(self._root_keys.pop(key))

    def _leave(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.supply.leave()

    def after_guest(self) -> None:
        """Do what a guest has asked for beside its result; called behind everything that enters it."""
        self.supply.after_guest()
