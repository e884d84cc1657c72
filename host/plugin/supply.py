"""A VM that is always there: what serves, a spare that stands by, and what happens when a guest fails.

It knows the plugin contexts that its VM is to have, whichever plugins they belong to, and binds them to the VM that
serves. A VM that traps is replaced at once by the spare, on which all contexts are configured already; the next spare
is built off the loop. Repeated traps are answered with growing, jittered pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin import lines, streams
from host.plugin.backoff import Backoff
from host.plugin.build import Built, build, configure
from host.plugin.context import PluginContext, free_forgotten
from host.plugin.endings import Endings
from host.plugin.metrics import count_failure
from host.plugin.services import Services
from host.plugin.settings import FailurePolicy, PluginSettings, RootKey
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM


class VmSupply:
    """The VM of some plugin contexts. Not thread-safe: the thread that owns it calls everything."""

    def __init__(self, settings: PluginSettings, module: Module, services: Services) -> None:
        """Builds nothing yet: `prepare` or the first `add` does."""
        self.settings = settings
        self.module = module
        self.failures = 0
        self.last_failure: GuestFailed | None = None
        self._services = services
        self._contexts: dict[RootKey, PluginContext] = {}
        self._endings = Endings(services)
        self._backoff = Backoff(settings.reload_pause, settings.longest_reload_pause)
        self._current: Built | None = None
        self._spare: Built | None = None
        self._is_building = self._is_closed = False
        self._users = 0

    def join(self) -> VmSupply:
        """Have one plugin more that may come with contexts. The supply closes when the last has left."""
        self._users += 1
        return self

    def leave(self) -> None:
        """Have one plugin less, which has removed its contexts. They may still be ending."""
        self._users -= 1
        if not self._users:
            self._is_closed = True
            self._stand_by(None)
        self.after_guest()

    def hurry(self, plugin: str) -> None:
        """Let the guest put off the end of this plugin's contexts no longer; those with streams still wait for them."""
        self._endings.hurry(plugin)
        self.after_guest()

    @property
    def vm(self) -> WasmVM | None:
        """The VM that new streams go to; None while there is none."""
        return self._current.vm if self._current is not None else None

    @property
    def spare(self) -> WasmVM | None:
        """The VM that stands by."""
        return self._spare.vm if self._spare is not None else None

    # --- contexts

    def prepare(self, new: Sequence[RootKey], done: Callable[[Built | PluginStartError], None]) -> None:
        """Try contexts in the background, on a VM that serves nobody; `done` gets that VM, or why there is none.

        It becomes the VM that serves if there is none, else the spare.
        """

        def tried(result: Built | BaseException) -> None:
            lines.deliver()
            if isinstance(result, BaseException):
                error = result if isinstance(result, PluginStartError) else None
                done(error or PluginStartError(self.settings.name, repr(result)))
                return
            if self._current is None and not self._is_closed:
                self._adopt(result)
            else:
                self._stand_by(result)
            done(result)

        wanted = list(dict.fromkeys([*self._contexts, *new]))
        self._services.in_background(lambda: self._build(wanted), tried)

    def add(self, key: RootKey, context: PluginContext) -> None:
        """Have the VM that serves hold this context, and every one that comes after it.

        Raises PluginStartError when the guest traps or refuses the configuration; nothing else is harmed then, but
        that a VM which trapped is built anew.
        """
        try:
            built = self._with_root(key)
        finally:
            lines.deliver()
        self._contexts[key] = context
        if built is self._current:  # the others are bound already: thousands must not cost their square
            self._bind(key, context, built)
        else:
            self._adopt(built)
        if self._spare is not None and key not in self._spare.roots:
            self._stand_by(None)
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
        """End a context: it is done and deleted when its last stream has gone."""
        context = self._contexts.pop(key)
        context.bind(None)
        if self._spare is not None:
            self._spare.roots.pop(key, None)
        if self._current is not None and (root := self._current.roots.pop(key, None)) is not None:
            self._endings.add(root)
        self.after_guest()

    # --- VMs

    def _build(self, keys: Sequence[RootKey]) -> Built:
        return build(self.settings, self.module, self._services, keys)

    def _adopt(self, built: Built | None) -> None:
        self._current = built
        for key, context in self._contexts.items():
            self._bind(key, context, built)
        if built is not None:
            built.guest.serve(self._after_delivery)

    def _bind(self, key: RootKey, context: PluginContext, built: Built | None) -> None:
        root = built.roots.get(key) if built is not None else None
        if context.root is root:
            return
        if context.root is not None:
            context.root.stop_ticks()
        context.bind(root)
        if root is not None:
            root.follow_ticks(self._services, self._after_delivery)

    def _prepare_spare(self) -> None:
        if self._wants_spare and self._current is not None:
            self._build_next()

    @property
    def _wants_spare(self) -> bool:
        return (
            self.settings.keep_spare
            and not self._is_closed
            and self.settings.policy is FailurePolicy.FAIL_RELOAD
        )

    def _build_next(self) -> None:
        """Build the spare, or the next VM where there is none."""
        if self._is_building or self._is_closed or self._spare is not None:
            return
        keys = list(self._contexts)
        self._is_building = True
        self._services.in_background(lambda: self._build(keys), self._keep)

    def _keep(self, result: Built | BaseException) -> None:
        self._is_building = False
        lines.deliver()
        if isinstance(result, BaseException):
            if self._is_closed:
                return
            self._tell(f"a new VM did not come up: {result}")
            if self._current is None:
                self._backoff.count(self._services.now())
                self._reload_later()
        elif set(self._contexts) - set(result.roots) - set(result.refused):
            result.free()
            self._build_next()  # configurations came meanwhile
        elif self._current is None and not self._is_closed:
            self._adopt(result)
            self.after_guest()
            self._prepare_spare()
        else:
            self._stand_by(result)

    def _stand_by(self, built: Built | None) -> None:
        """Have this VM as the spare, if one is wanted."""
        replaced, self._spare = self._spare, built if self._wants_spare else None
        for each in (replaced, built):
            if each is not None and each is not self._spare:
                each.free()

    # --- failure

    def recover(self) -> None:
        """Look whether a VM has failed and act on it. Called behind everything that enters a guest."""
        failed = self._endings.take_failed()
        current = self._current
        is_current = current is not None and current.vm.is_failed
        if current is not None and is_current:
            failed[current.guest] = current.vm
        if not failed:
            return
        for guest, vm in failed.items():
            self.failures += 1
            self.last_failure = vm.failure
            self._tell(f"the VM has failed: {self.last_failure}")
            count_failure(self._services.metrics, self.settings.name, self.last_failure)
            guest.end()
        if is_current:
            spare, self._spare = self._spare, None
            self._adopt(spare)
        for vm in failed.values():
            streams.settle_streams_of(vm)
        self.after_guest()
        if is_current and self.settings.policy is FailurePolicy.FAIL_RELOAD and not self._is_closed:
            self._backoff.count(self._services.now())
            self._reload_later()

    def _reload_later(self) -> None:
        """Build the next VM: the first at once, further ones in a row after a growing pause."""
        pause = self._backoff.pause()
        if pause:
            self._services.call_later(pause, self._build_next)
        else:
            self._build_next()

    def _tell(self, message: str) -> None:
        self._services.event(LogLevel.ERROR, message, self.settings.name)

    # --- behind every entry into the guest

    def after_guest(self) -> None:
        """Do what a guest has asked for beside its result: ticks, ends; and see to log lines and failures."""
        current = self._current
        if current is not None and current.vm.take_ticks_changed():
            for root in [*current.roots.values(), *self._endings]:
                root.follow_ticks(self._services, self._after_delivery)
        if self._endings:
            self._endings.proceed(self.after_guest)
        lines.deliver()
        free_forgotten()
        self.recover()
        if self._is_closed and not self._endings and self._current is not None:
            self._current.guest.end()
            self._current = None

    def _after_delivery(self) -> None:
        """Behind what entered a guest from no event of a stream: a tick, the response of a call."""
        streams.settle_woken()
        self.after_guest()
