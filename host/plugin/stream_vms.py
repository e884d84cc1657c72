"""A fresh VM for each stream (`isolation: stream`, `filter`): nothing that a request leaves in a guest meets another.

A VM comes to a stream when it opens, and ends with it: its plugin contexts are done and deleted then, and their calls
in flight are cancelled. A VM that its stream never entered serves the next one. VMs of modules that start in no time
are built when they are needed, which costs less than handing them from thread to thread; others stand ready, built off
the loop.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Sequence

from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin import lines
from host.plugin.backoff import Backoff
from host.plugin.build import Built, Tried, build
from host.plugin.context import PluginContext, free_forgotten
from host.plugin.copies import Copies
from host.plugin.counts import Counts
from host.plugin.failures import Failures
from host.plugin.lease import Lease
from host.plugin.services import Services
from host.plugin.settings import PluginSettings, RootKey
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM

_READY = 8
"""VMs that stand by for streams of the same contexts, where building one takes a while."""

_WHILE = 0.0005
"""Seconds: what takes longer to build is built ahead."""

Roots = tuple[RootKey, ...]


class StreamVms:
    """Gives VMs to streams. The interface is that of `host.plugin.supplies.Supply`."""

    def __init__(self, settings: PluginSettings, module: Module, services: Services) -> None:
        self._settings = settings
        # On the loop a start may take no longer than a callback: others wait for it.
        self._on_loop = dataclasses.replace(
            settings,
            vm=dataclasses.replace(
                settings.vm, start_deadline=min(settings.vm.start_deadline, settings.vm.callback_deadline)
            ),
        )
        self._module = module
        self._services = services
        self._copies = Copies(module, services)
        self._failures = Failures(settings, services)
        self._backoff = Backoff(settings.reload_pause, settings.longest_reload_pause)
        self._contexts: dict[RootKey, PluginContext] = {}
        self._accepted: set[RootKey] = set()
        self._slow: set[RootKey] = set()
        self._ready: dict[Roots, deque[Lease]] = {}
        self._building: set[Roots] = set()
        self._lent: dict[int, Lease] = {}
        self._took = 0.0
        self._not_before = self._open_until = 0.0  # when VMs are built, and lent, again
        self._is_closed = False

    @property
    def vms(self) -> list[WasmVM]:
        """The VMs that streams have now."""
        return [lease.vm for lease in self._lent.values()]

    @property
    def spare(self) -> WasmVM | None:
        """The first VM that stands ready."""
        return next((ready[0].vm for ready in self._ready.values() if ready), None)

    @property
    def is_up(self) -> bool:
        """Whether new streams get VMs."""
        return not self._is_closed and self._services.now() >= max(self._not_before, self._open_until)

    @property
    def counts(self) -> Counts:
        """Those of all VMs."""
        return self._failures.counts

    @property
    def last_failure(self) -> GuestFailed | None:
        """Why the last VM that failed did."""
        return self._failures.last

    # --- the interface of a supply

    def join(self) -> None:
        """Nobody else can."""

    def leave(self) -> None:
        """Build no more VMs; streams keep theirs."""
        self._is_closed = True
        for roots in list(self._ready):
            self._drop(roots)
        self.after_guest()

    def hurry(self, plugin: str) -> None:
        """The end of a stream's VM cannot be put off anyway."""

    def prepare(self, new: Sequence[RootKey], done: Callable[[Tried | PluginStartError], None]) -> None:
        """Try contexts in the background, all on one VM, which then serves nobody."""

        def tried(result: Built | BaseException) -> None:
            lines.deliver()
            if isinstance(result, BaseException):
                error = result if isinstance(result, PluginStartError) else None
                done(error or PluginStartError(self._settings.name, repr(result)))
                return
            self._accepted.update(key for key in new if key not in result.refused)
            self._slow.update(result.slow)
            result.free()
            done(Tried({key: error for key, error in result.refused.items() if key in new}))

        self._services.in_background(
            lambda: build(self._settings, self._module, self._services, new, self._copies), tried
        )

    def add(self, key: RootKey, context: PluginContext) -> None:
        """Give VMs to streams of this context. Raises PluginStartError when the guest refuses the configuration."""
        if key not in self._accepted:
            try:
                built = build(self._settings, self._module, self._services, [key], self._copies)
            finally:
                lines.deliver()
            if key in built.refused:
                built.free()
                raise built.refused[key]
            self._slow.update(built.slow)
            self._keep((key,), Lease(built, self._services, self._failed))
        self._contexts[key] = context

    def remove(self, key: RootKey) -> None:
        """Forget a context. Streams that have a VM keep it."""
        self._contexts.pop(key, None)
        self._accepted.discard(key)
        self._slow.discard(key)
        for roots in [roots for roots in self._ready if key in roots]:
            self._drop(roots)

    def _drop(self, roots: Roots) -> None:
        for lease in self._ready.pop(roots):
            lease.free()

    def after_guest(self, key: RootKey | None = None) -> None:
        """See to log lines. What a stream's guest asks for is seen to with the stream."""
        lines.deliver()
        free_forgotten()

    # --- VMs for streams

    def lend(self, roots: Roots) -> Lease | None:
        """Return a VM with these contexts for one stream; None while there can be none."""
        if self._services.now() < self._open_until:
            return None
        lease = self._take_ready(roots) or self._build_now(roots)
        if self._took > _WHILE or self._slow:
            self._build_ahead(roots)
        if lease is not None:
            self._lent[lease.serial] = lease
            lease.begin()
        return lease

    def _take_ready(self, roots: Roots) -> Lease | None:
        ready = self._ready.get(roots)
        while ready:
            lease = ready.popleft()
            if lease.is_untouched:
                return lease
            lease.end()  # the answer to a call of its start has come meanwhile
        return None

    def take_back(self, roots: Roots, lease: Lease) -> None:
        """The stream has ended. Its VM is of use to another one only if nothing has been done with it."""
        self._lent.pop(lease.serial, None)
        if lease.is_untouched and all(key in self._contexts for key in roots):
            self._keep(roots, lease)
        else:
            lease.end()
            self.after_guest()

    def _keep(self, roots: Roots, lease: Lease) -> None:
        ready = self._ready.setdefault(roots, deque())
        if len(ready) < _READY and not self._is_closed:
            ready.append(lease)
        else:
            lease.free()

    def _build_now(self, roots: Roots) -> Lease | None:
        if self._is_closed or self._services.now() < self._not_before:
            return None
        if not self._slow.isdisjoint(roots) and self._copies.find(roots) is None:
            return None
        began = time.perf_counter()
        try:
            built = build(self._on_loop, self._module, self._services, roots, self._copies)
        except PluginStartError as error:
            self._refused(error)
            return None
        self._took = time.perf_counter() - began
        return self._checked(built)

    def _build_ahead(self, roots: Roots) -> None:
        if roots in self._building or self._is_closed or self._services.now() < self._not_before:
            return
        wanted = _READY - len(self._ready.get(roots, ()))
        if wanted <= 0:
            return
        self._building.add(roots)

        def keep(result: list[Built] | BaseException) -> None:
            self._building.discard(roots)
            lines.deliver()
            if isinstance(result, BaseException):
                self._refused(result)
                return
            for built in result:
                if (checked := self._checked(built)) is not None:
                    self._keep(roots, checked)

        def work() -> list[Built]:
            return [
                build(self._settings, self._module, self._services, roots, self._copies)
                for _ in range(wanted)
            ]

        self._services.in_background(work, keep)

    def _checked(self, built: Built) -> Lease | None:
        """The VM, unless a configuration was refused this time."""
        self._failures.count("started")
        if not built.refused:
            return Lease(built, self._services, self._failed)
        for error in built.refused.values():
            self._refused(error)
            break
        built.free()
        return None

    # --- failure

    def _refused(self, error: BaseException) -> None:
        """A VM did not come up: try no more for a while."""
        self._failures.count("restart_failures")
        self._failures.tell(LogLevel.ERROR, f"a VM did not come up: {error}", ())
        now = self._services.now()
        self._backoff.count(now)
        self._not_before = max(self._not_before, now + self._backoff.pause())

    def _failed(self, vm: WasmVM) -> None:
        if self._failures.note(vm, ()):
            self._open_until = self._services.now() + self._settings.circuit_breaker.open_time
