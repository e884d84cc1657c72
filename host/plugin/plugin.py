"""A plugin: one entry of `wasm.plugins` in this worker, with its VM, a warm spare, and its contexts.

A VM that traps is replaced at once by the spare, on which all contexts are configured already; the next spare is built
off the loop. Repeated traps are answered with growing, jittered pauses. New configurations are tried on a VM that
serves nobody before the serving one gets to see them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin import lines, streams
from host.plugin.build import Built, Key, build, configure
from host.plugin.context import PluginContext
from host.plugin.services import Services
from host.plugin.settings import FailurePolicy, PluginSettings
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM

__all__ = ["FailurePolicy", "Key", "Plugin", "PluginSettings"]

_LONGEST_END = 5.0
"""Seconds that a plugin context may take between on_done and proxy_done."""

Refused = dict[Key, PluginStartError]


class Plugin:
    """A plugin in this worker. Not thread-safe: the thread that owns it calls everything."""

    def __init__(self, settings: PluginSettings, module: Module, services: Services) -> None:
        """`prepare` tells in `start_failure` why the plugin did not start, and in `is_slow_to_configure` whether one
        of the new configurations took longer than a callback may.
        """
        self.settings = settings
        self.module = module
        self.failures = 0
        self.last_failure: GuestFailed | None = None
        self.start_failure: PluginStartError | None = None
        self._services = services
        self._contexts: dict[Key, PluginContext] = {}
        self._ending: list[PluginContext] = []  # they have deferred their end
        self._current: Built | None = None
        self._spare: Built | None = None
        self._building = False
        self.is_slow_to_configure = False
        self._closed = self._retired = False
        self._failed_in_a_row = 0
        self._failed_at = 0.0

    def __repr__(self) -> str:
        state = "closed" if self._closed else "up" if self._current is not None else "down"
        spare = ", spare" if self._spare is not None else ""
        counts = f"contexts: {len(self._contexts)}, failures: {self.failures}"
        return f"<Plugin {self.settings.name} [{state}{spare}, {counts}]>"

    @property
    def vm(self) -> WasmVM | None:
        """The VM that new streams go to; None while the plugin is down."""
        return self._current.vm if self._current is not None else None

    @property
    def spare(self) -> WasmVM | None:
        """The VM that stands by."""
        return self._spare.vm if self._spare is not None else None

    # --- contexts

    def prepare(self, keys: Sequence[Key], done: Callable[[Refused], None]) -> None:
        """Try configurations in the background, then call `done` with those that the guest refused.

        The others can be had from `context` at once afterwards.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._contexts]
        if not new and self._current is not None:
            done({})
            return

        def tried(result: Built | BaseException) -> None:
            lines.deliver()
            if isinstance(result, BaseException):
                error = result if isinstance(result, PluginStartError) else None
                self.start_failure = error or PluginStartError(self.settings.name, repr(result))
                done(dict.fromkeys(new, self.start_failure))
                return
            self.start_failure = None
            self.is_slow_to_configure = not result.slow.isdisjoint(new)
            if self._current is None:
                self._adopt(result)
            elif self._wants_spare:
                self._spare = result
            done({key: error for key, error in result.refused.items() if key in new})

        wanted = [*self._contexts, *new]
        self._services.in_background(lambda: self._build(wanted), tried)

    def context(self, key: Key) -> PluginContext:
        """Return the context of this key; the first use of one creates it on the VM.

        Raises PluginStartError when the guest traps or refuses the configuration; nothing else is harmed then, but
        that a VM which trapped is built anew.
        """
        context = self._contexts.get(key)
        if context is None:
            context = self._add_context(key)
        context.users += 1
        return context

    def _add_context(self, key: Key) -> PluginContext:
        try:
            built = self._with_root(key)
        finally:
            lines.deliver()
        context = PluginContext(
            key.configuration,
            fail_open=self.settings.policy is FailurePolicy.FAIL_OPEN,
            writes_bodies=self.module.writes_bodies,
            request_limit=self.settings.max_request_body_size,
            response_limit=self.settings.max_response_body_size,
            stops_head_alone=self.settings.allow_on_headers_stop_iteration,
            access_logger=key.access_logger,
        )
        self._contexts[key] = context
        if (
            built is self._current
        ):  # the others are there already: thousands of them must not cost their square
            context.bind(built.roots[key])
            context.arm(self._services, self._after_delivery)
        else:
            self._adopt(built)
        if self._spare is not None and key not in self._spare.roots:
            self._spare = None
        self._prepare_spare()
        self.after_guest()
        return context

    def _with_root(self, key: Key) -> Built:
        """The current VM, with a root for the key."""
        built = self._current
        if built is None:
            built = self._build([*self._contexts, key])
            error = built.refused.get(key)
        elif key in built.roots:
            error = None
        else:
            built.vm.begin()
            error = configure(built, key)
            if not built.vm.is_failed:
                built.vm.serve()
        if error is not None:
            self.recover()
            raise error
        return built

    def release(self, key: Key) -> None:
        """Give a context back; with its last user it is done and deleted."""
        context = self._contexts.get(key)
        if context is None:
            return
        context.users -= 1
        if context.users > 0:
            return
        del self._contexts[key]
        for built in (self._current, self._spare):
            if built is not None:
                built.roots.pop(key, None)
        self._end(context)
        self._close_if_retired()

    def _end(self, context: PluginContext) -> None:
        """Done and delete; a guest that defers its end has some seconds, and its ticks, to call proxy_done."""
        context.retire()
        root = context.root
        if root is None:
            return
        try:
            is_done = root.done()
        except GuestFailed:
            self.recover()
        else:
            if is_done or self._closed:
                self._delete(context)
            else:
                self._ending.append(context)
                self._services.call_later(_LONGEST_END, lambda: self._delete(context))
        lines.deliver()

    def _delete(self, context: PluginContext) -> None:
        if context in self._ending:
            self._ending.remove(context)
        root = context.root
        context.bind(None)
        if root is None:
            return
        try:
            root.delete()
        except GuestFailed:
            self.recover()
        lines.deliver()
        self._close_if_retired()

    def retire(self) -> None:
        """Close as soon as the last context has been given back and has ended."""
        self._retired = True
        self._close_if_retired()

    def _close_if_retired(self) -> None:
        if self._retired and not self._closed and not self._contexts and not self._ending:
            self.close()

    def close(self) -> None:
        """End all contexts and drop the VMs. Streams in flight keep theirs until they end."""
        self._closed = True
        for key, context in list(self._contexts.items()):
            context.users = 1
            self.release(key)
        for context in list(self._ending):
            self._delete(context)
        for built in (self._current, self._spare):
            if built is not None:
                built.guest.end()
        self._current = self._spare = None

    # --- VMs

    def _build(self, keys: Sequence[Key]) -> Built:
        return build(self.settings, self.module, self._services, keys)

    def _adopt(self, built: Built | None) -> None:
        self._current = built
        for key, context in self._contexts.items():
            root = built.roots.get(key) if built is not None else None
            if context.root is not root:
                context.bind(root)
        if built is not None:
            built.guest.serve(self._after_delivery)

    def _prepare_spare(self) -> None:
        if self._wants_spare and self._current is not None:
            self._build_next()

    @property
    def _wants_spare(self) -> bool:
        return self.settings.keep_spare and self.settings.policy is FailurePolicy.FAIL_RELOAD

    def _build_next(self) -> None:
        """Build the spare, or the next VM of a plugin that is down."""
        if self._building or self._closed or self._spare is not None:
            return
        keys = list(self._contexts)
        self._building = True
        self._services.in_background(lambda: self._build(keys), self._keep)

    def _keep(self, result: Built | BaseException) -> None:
        self._building = False
        lines.deliver()
        if self._closed:
            return
        if isinstance(result, BaseException):
            self._services.event(LogLevel.ERROR, f"a new VM did not come up: {result}", self.settings.name)
            if self._current is None:
                self._failed_in_a_row += 1
                self._reload_later()
        elif set(self._contexts) - set(result.roots) - set(result.refused):
            self._build_next()  # configurations came meanwhile
        elif self._current is None:
            self._adopt(result)
            self.after_guest()
            self._prepare_spare()
        else:
            self._spare = result

    # --- failure

    def recover(self) -> None:
        """Look whether the VM has failed and act on it. Called behind everything that enters the guest."""
        current = self._current
        if current is None or not current.vm.is_failed:
            return
        self.failures += 1
        self.last_failure = current.vm.failure
        self._services.event(LogLevel.ERROR, f"the VM has failed: {self.last_failure}", self.settings.name)
        current.guest.end()
        spare, self._spare = self._spare, None
        self._adopt(spare)
        streams.settle_streams_of(current.vm)
        self.after_guest()
        if self.settings.policy is FailurePolicy.FAIL_RELOAD and not self._closed:
            self._count_failure()
            self._reload_later()

    def _count_failure(self) -> None:
        now = time.monotonic()
        is_repeated = now - self._failed_at < self.settings.longest_reload_pause
        self._failed_in_a_row = self._failed_in_a_row + 1 if is_repeated else 1
        self._failed_at = now

    def _reload_later(self) -> None:
        """Build the next VM: the first at once, further ones in a row after a growing pause with jitter."""
        doublings = min(self._failed_in_a_row - 2, 16)
        if doublings < 0:
            self._build_next()
            return
        pause = min(self.settings.reload_pause * 2.0**doublings, self.settings.longest_reload_pause)
        self._services.call_later(pause * random.uniform(0.5, 1.0), self._build_next)

    # --- behind every entry into the guest

    def after_guest(self) -> None:
        """Do what a guest has asked for beside its result: ticks; and see to log lines and failures."""
        current = self._current
        if current is not None and current.vm.take_ticks_changed():
            for context in list(self._contexts.values()):
                context.arm(self._services, self._after_delivery)
        for context in list(self._ending):
            context.arm(self._services, self._after_delivery)
        for context in [ending for ending in self._ending if ending.is_done]:
            self._delete(context)
        lines.deliver()
        self.recover()

    def _after_delivery(self) -> None:
        """Behind what entered the guest from no event of a stream: a tick, the response of a call."""
        streams.settle_woken()
        self.after_guest()
