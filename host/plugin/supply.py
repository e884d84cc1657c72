"""A VM that is always there: what serves, and what happens when its guest fails or has become too large.

It knows the plugin contexts that its VM is to have, whichever plugins they belong to, and binds them to the VM that
serves. A VM that traps is replaced at once by the spare, on which all contexts are configured already; the next spare
is built off the loop. Repeated traps are answered with growing, jittered pauses, repeated overruns by an open circuit.
A VM that is merely replaced keeps its streams and ends behind the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin import lines, streams
from host.plugin.build import Built, Tried, build, configure
from host.plugin.context import PluginContext, free_forgotten
from host.plugin.copies import Copies
from host.plugin.endings import Endings
from host.plugin.failures import Failures
from host.plugin.next_vm import NextVm
from host.plugin.recycling import Recycling
from host.plugin.services import Services
from host.plugin.settings import FailurePolicy, PluginSettings, RootKey
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM

_RETRY = 60.0
"""Seconds before a VM that could not be replaced is tried again."""


class VmSupply:
    """The VM of some plugin contexts. Not thread-safe: the thread that owns it calls everything."""

    def __init__(
        self,
        settings: PluginSettings,
        module: Module,
        services: Services,
        failures: Failures | None = None,
    ) -> None:
        """Builds nothing yet: `prepare` or the first `add` does. `settings`: of one of the plugins, as all have them.

        `failures`: where to note them, if several supplies of a plugin do that in one place.
        """
        self.settings = settings
        self.module = module
        self._services = services
        self._copies = Copies(module, services)
        self._contexts: dict[RootKey, PluginContext] = {}
        self._endings = Endings(services)
        self._next = NextVm(settings, services, self._work, self._arrive)
        self._failures = failures if failures is not None else Failures(settings, services)
        self.counts = self._failures.counts
        self._recycling = Recycling(settings.recycle, services)
        self._current: Built | None = None
        self._is_renewing = self._is_closed = False
        self._users = 0

    @property
    def vms(self) -> list[WasmVM]:
        """The VM that new streams go to, if there is one."""
        return [self._current.vm] if self._current is not None else []

    @property
    def spare(self) -> WasmVM | None:
        """The VM that stands by."""
        return self._next.spare.vm if self._next.spare is not None else None

    @property
    def last_failure(self) -> GuestFailed | None:
        """Why the last VM that failed did."""
        return self._failures.last

    @property
    def is_up(self) -> bool:
        """Whether new streams are served."""
        return self._current is not None

    @property
    def is_closed(self) -> bool:
        """Whether the last plugin has left it."""
        return self._is_closed

    # --- plugins

    def join(self) -> None:
        """Have one plugin more that may come with contexts. The supply closes when the last has left."""
        self._users += 1

    def leave(self) -> None:
        """Have one plugin less, which has removed its contexts. They may still be ending."""
        self._users -= 1
        if not self._users:
            self._is_closed = True
            self._next.close()
            self._recycling.watch(None, self.after_guest)
        self.after_guest()

    def hurry(self, plugin: str) -> None:
        """Let the guest put off the end of this plugin's contexts no longer; those with streams still wait for them."""
        self._endings.hurry(plugin)
        self.after_guest()

    # --- contexts

    def prepare(self, new: Sequence[RootKey], done: Callable[[Tried | PluginStartError], None]) -> None:
        """Try contexts in the background, on a VM that serves nobody; `done` hears what came of it.

        That VM becomes the one that serves if there is none, or if a configuration took longer than requests may be
        held up by it; else the spare.
        """

        def tried(result: Built | BaseException) -> None:
            lines.deliver()
            if isinstance(result, BaseException):
                error = result if isinstance(result, PluginStartError) else None
                done(error or PluginStartError(self.settings.name, repr(result)))
                return
            self._failures.count("started")
            refused = {key: error for key, error in result.refused.items() if key in new}
            is_slow = not result.slow.isdisjoint(new) and not self._lacks(result)
            if not self._is_closed and not self._next.is_held and (self._current is None or is_slow):
                self._replace(result)
                self.after_guest()
            else:
                self._next.keep(result)
            done(Tried(refused))

        wanted = list(dict.fromkeys([*self._contexts, *new]))
        self._services.in_background(lambda: self._build(wanted), tried)

    def add(self, key: RootKey, context: PluginContext) -> None:
        """Have the VM that serves hold this context, and every one that comes after it.

        Raises PluginStartError when the guest traps or refuses the configuration; nothing else is harmed then, but
        that a VM which trapped is built anew.
        """
        if self._current is None and self._next.is_held:
            self._contexts[key] = context  # it comes with the VM that closes the circuit
            return
        try:
            built = self._with_root(key)
        finally:
            lines.deliver()
        self._contexts[key] = context
        if built is self._current:  # the others are bound already: thousands must not cost their square
            self._bind(key, context, built)
        else:
            self._failures.count("started")
            self._replace(built)
        if self._next.spare is not None and key not in self._next.spare.roots:
            self._next.keep(None)
        self._prepare_spare()
        self.after_guest()

    def _with_root(self, key: RootKey) -> Built:
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

    def remove(self, key: RootKey) -> None:
        """End a context, or one that was tried and never added: it is done and deleted behind its last stream."""
        context = self._contexts.pop(key, None)
        if context is not None:
            context.bind(None)
        if self._next.spare is not None and (root := self._next.spare.roots.pop(key, None)) is not None:
            root.free()
        if self._current is not None and (root := self._current.roots.pop(key, None)) is not None:
            self._endings.add(root)
        self.after_guest()

    # --- VMs

    def _build(self, keys: Sequence[RootKey]) -> Built:
        return build(self.settings, self.module, self._services, keys, self._copies)

    def _work(self) -> Callable[[], Built]:
        keys = list(self._contexts)
        return lambda: self._build(keys)

    def _lacks(self, built: Built) -> bool:
        """Whether contexts have come since the VM was begun."""
        return bool(set(self._contexts) - set(built.roots) - set(built.refused))

    def _arrive(self, result: Built | BaseException) -> None:
        """A VM that was asked for has been built, or has not come up."""
        if isinstance(result, BaseException):
            self._failures.count("restart_failures")
            self._tell(LogLevel.ERROR, f"a new VM did not come up: {result}")
            if self._current is None:
                self._next.build_after_failure()
            elif self._is_renewing:
                self._give_up_renewal()
            return
        self._failures.count("started")
        if self._lacks(result):
            result.free()
            self._next.build()
        elif self._current is None and not self._next.is_held:
            self._failures.count("restarted")
            self._replace(result)
            self.after_guest()
            self._prepare_spare()
        elif self._is_renewing:
            self._finish_renewal(result)
        else:
            self._next.keep(result)

    def _replace(self, built: Built | None) -> None:
        """Send new streams to this VM. Those of the one before end there, if it has not failed."""
        old, self._current = self._current, built
        for key, context in self._contexts.items():
            self._bind(key, context, built)
        if old is not None and not old.vm.is_failed:
            self._retire(old)
        self._is_renewing = False
        self._recycling.watch(built.vm if built is not None else None, self.after_guest)
        if built is not None:
            built.guest.serve(self._after_delivery)

    def _retire(self, built: Built) -> None:
        for root in built.roots.values():
            self._endings.add(root)
        if not built.roots:
            built.guest.end()
        built.roots.clear()

    def _bind(self, key: RootKey, context: PluginContext, built: Built | None) -> None:
        root = built.roots.get(key) if built is not None else None
        if context.root is not root:
            context.bind(root)
            if root is not None:
                root.follow_ticks(self._services, self._after_delivery)

    def _prepare_spare(self) -> None:
        if self._next.wants_spare and self._current is not None:
            self._next.build()

    # --- recycling

    def _renew_if_due(self) -> None:
        if self._is_renewing or self._is_closed or not self._recycling.is_due:
            return
        self._is_renewing = True
        spare = self._next.take()
        if spare is not None:
            self._finish_renewal(spare)
        else:
            self._next.build()

    def _finish_renewal(self, built: Built) -> None:
        if set(self._contexts) - set(built.roots):  # what it serves now must not be lost
            built.free()
            self._give_up_renewal()
            return
        self._failures.count("recycled")
        current = self._current
        assert current is not None
        size = current.vm.memory_size
        self._tell(LogLevel.INFO, f"the VM is replaced; it has {size} bytes of memory")
        self._replace(built)
        self.after_guest()
        self._prepare_spare()

    def _give_up_renewal(self) -> None:
        self._tell(
            LogLevel.WARN, "the VM is due to be replaced, but a new one does not take its configurations"
        )
        self._services.call_later(_RETRY, self._renew_again)

    def _renew_again(self) -> None:
        self._is_renewing = False
        self._renew_if_due()

    # --- failure

    def recover(self) -> None:
        """Look whether a VM has failed and act on it. Called behind everything that enters a guest."""
        current = self._current
        is_current = current is not None and current.vm.is_failed
        if not (is_current or self._endings):
            return
        failed = self._endings.take_failed()
        if current is not None and is_current:
            failed[current.guest] = current.vm
        if not failed:
            return
        is_reloading = self.settings.policy is FailurePolicy.FAIL_RELOAD and not self._is_closed
        for guest, vm in failed.items():
            is_too_often = self._failures.note(vm, self._plugins(), may_open=is_reloading)
            guest.end()
            if is_too_often:
                self._next.hold(self.settings.circuit_breaker.open_time, self._close_circuit)
        if is_current:
            spare = self._next.take()
            if spare is not None:
                self._failures.count("restarted")
            self._replace(spare)
        for vm in failed.values():
            streams.settle_streams_of(vm)
        self.after_guest()
        if is_current and is_reloading:
            self._next.build_after_failure()

    def _close_circuit(self) -> None:
        if self._current is not None or self._is_closed:
            return
        spare = self._next.take()
        if spare is None:
            self._next.build()
        elif self._lacks(spare):
            spare.free()
            self._next.build()
        else:
            self._failures.count("restarted")
            self._replace(spare)
            self.after_guest()
            self._prepare_spare()

    def _plugins(self) -> list[str]:
        return [key.settings.name for key in self._contexts]

    def _tell(self, level: LogLevel, message: str) -> None:
        self._failures.tell(level, message, self._plugins())

    # --- behind every entry into the guest

    def after_guest(self, _key: RootKey | None = None) -> None:
        """Do what a guest has asked for beside its result: ticks, ends; and see to log lines and failures."""
        current = self._current
        if current is not None and current.vm.take_ticks_changed():
            for context in self._contexts.values():
                if context.root is not None:
                    context.root.follow_ticks(self._services, self._after_delivery)
        if self._endings:
            for root in self._endings:
                root.follow_ticks(self._services, self._after_delivery)
            self._endings.proceed(self.after_guest)
        lines.deliver()
        free_forgotten()
        self.recover()
        self._renew_if_due()
        if self._is_closed and not self._endings and self._current is not None:
            self._current.guest.end()
            self._current = None

    def _after_delivery(self, flags: int) -> None:
        """Behind what entered a guest from no event of a stream: a tick, the response of a call."""
        if flags & streams.WOKEN:
            streams.settle_woken()
        if flags & ~streams.WOKEN or self._endings:
            self.after_guest()
