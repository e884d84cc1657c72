"""A plugin: one entry of `wasm.plugins` in this worker, with its contexts.

Where its VMs come from is supply.py's matter. New configurations are tried on a VM that serves nobody before the
serving one gets to see them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from host.errors import PluginStartError
from host.plugin.build import Tried
from host.plugin.context import PluginContext
from host.plugin.counts import Counts
from host.plugin.lenders import Borrower
from host.plugin.services import Services
from host.plugin.settings import FailurePolicy, Isolation, Key, PluginSettings, RootKey
from host.plugin.stream_vms import StreamVms
from host.plugin.supplies import Supplies
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM

__all__ = ["FailurePolicy", "Isolation", "Key", "Plugin", "PluginSettings"]

Refused = dict[Key, PluginStartError]


class Plugin:
    """A plugin in this worker. Not thread-safe: the thread that owns it calls everything."""

    def __init__(
        self,
        settings: PluginSettings,
        module: Module,
        services: Services,
        supplies: Supplies | None = None,
    ) -> None:
        """`prepare` tells in `start_failure` why the plugin did not start. `supplies`: the worker's, without which the
        plugin shares no VM.
        """
        self.settings = settings
        self.module = module
        self.start_failure: PluginStartError | None = None
        self.supply = (supplies or Supplies()).supply(settings, module, services)
        self.supply.join()
        self._contexts: dict[Key, PluginContext] = {}
        self._root_keys: dict[Key, RootKey] = {}
        self._is_tried = self._is_closed = self._is_retired = False

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "up" if self.supply.is_up else "down"
        spare = ", spare" if self.spare is not None else ""
        counts = f"contexts: {len(self._contexts)}, failures: {self.failures}"
        return f"<Plugin {self.settings.name} [{state}{spare}, {counts}]>"

    @property
    def vm(self) -> WasmVM | None:
        """The VM that new streams go to, the first of several; None while the plugin is down, or streams have none."""
        return next(iter(self.supply.vms), None)

    @property
    def spare(self) -> WasmVM | None:
        """The VM that stands by."""
        return self.supply.spare

    @property
    def failures(self) -> int:
        """How many VMs have failed."""
        return self.supply.counts.failed

    @property
    def counts(self) -> Counts:
        """What has happened to its VMs so far; those of a shared VM are the same for all of its plugins."""
        return self.supply.counts

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
        if not new and self._is_tried and self.supply.is_up:
            done({})
            return

        def tried(result: Tried | PluginStartError) -> None:
            if isinstance(result, PluginStartError):
                self.start_failure = result
                refused = dict.fromkeys(new, result)
            else:
                self.start_failure, self._is_tried = None, True
                refused = {key.key: error for key, error in result.refused.items()}
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
            context = PluginContext(root_key, self.module)
            self.supply.add(root_key, context)
            self._contexts[key] = context
        context.users += 1
        return context

    def _root_key(self, key: Key) -> RootKey:
        """The key's name among the contexts of a VM, for as long as it is tried or used."""
        if (found := self._root_keys.get(key)) is None:
            found = self._root_keys[key] = RootKey(self.settings, key)
        return found

    def borrower(self, context: PluginContext) -> Borrower | None:
        """Return where streams get a VM for this context from, if each gets one of its own."""
        return (self.supply, context.root_key) if isinstance(self.supply, StreamVms) else None

    def forget_unused(self) -> None:
        """End contexts that were tried, and which nobody wants after all."""
        for key in [key for key in self._root_keys if key not in self._contexts]:
            self.supply.remove(self._root_keys.pop(key))

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

    def after_guest(self, key: Key | None = None) -> None:
        """Do what a guest has asked for beside its result; called behind everything that enters it.

        `key`: whose stream it was, if it was one's.
        """
        self.supply.after_guest(self._root_keys.get(key) if key is not None else None)
