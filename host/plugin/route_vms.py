"""A VM for each plugin context (`isolation: route`): what one route's guest breaks, no other route has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from host.errors import PluginStartError
from host.plugin.build import Built, Tried, build
from host.plugin.context import PluginContext
from host.plugin.counts import Counts
from host.plugin.failures import Failures
from host.plugin.services import Services
from host.plugin.settings import PluginSettings, RootKey
from host.plugin.supply import VmSupply
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, WasmVM


class RouteVms:
    """A supply of its own for each plugin context. The interface is that of `host.plugin.supplies.Supply`."""

    def __init__(self, settings: PluginSettings, module: Module, services: Services) -> None:
        self._settings = settings
        self._module = module
        self._services = services
        self._supplies: dict[RootKey, VmSupply] = {}
        self._ending: list[VmSupply] = []
        self._failures = Failures(settings, services)

    @property
    def vms(self) -> list[WasmVM]:
        """The VMs that new streams go to."""
        return [vm for supply in self._supplies.values() for vm in supply.vms]

    @property
    def spare(self) -> WasmVM | None:
        """The first VM that stands by."""
        return next((supply.spare for supply in self._supplies.values() if supply.spare is not None), None)

    @property
    def is_up(self) -> bool:
        """Whether new streams of every context are served."""
        return all(supply.is_up for supply in self._supplies.values())

    @property
    def counts(self) -> Counts:
        """Those of all VMs."""
        return self._failures.counts

    @property
    def last_failure(self) -> GuestFailed | None:
        """Why the last VM that failed did."""
        return self._failures.last

    def join(self) -> None:
        """Nobody else can."""

    def leave(self) -> None:
        """Its contexts have been removed, and each supply has closed with its own."""

    def hurry(self, plugin: str) -> None:
        """Let the guest put off the end of its contexts no longer."""
        for supply in list(self._ending):
            supply.hurry(plugin)

    def prepare(self, new: Sequence[RootKey], done: Callable[[Tried | PluginStartError], None]) -> None:
        """Try each context on the VM that will serve it."""
        if not new:
            self._try_start(done)
            return
        tried, left = Tried(), set(new)

        def collect(key: RootKey, result: Tried | PluginStartError) -> None:
            left.discard(key)
            if isinstance(result, PluginStartError):
                tried.refused[key] = result
            else:
                tried.refused.update(result.refused)
            if key in tried.refused:
                self.remove(key)
            if not left:
                done(tried)

        for key in new:
            self._supply(key).prepare([key], lambda result, key=key: collect(key, result))  # type: ignore[misc]

    def _try_start(self, done: Callable[[Tried | PluginStartError], None]) -> None:
        """Nobody uses the plugin yet: see that it starts."""

        def started(result: Built | BaseException) -> None:
            if isinstance(result, BaseException):
                error = result if isinstance(result, PluginStartError) else None
                done(error or PluginStartError(self._settings.name, repr(result)))
                return
            result.free()
            done(Tried())

        self._services.in_background(lambda: build(self._settings, self._module, self._services, ()), started)

    def _supply(self, key: RootKey) -> VmSupply:
        if (found := self._supplies.get(key)) is None:
            found = self._supplies[key] = VmSupply(
                self._settings, self._module, self._services, self._failures
            )
            found.join()
        return found

    def add(self, key: RootKey, context: PluginContext) -> None:
        """Have a VM for this context. Raises PluginStartError when the guest traps or refuses the configuration."""
        try:
            self._supply(key).add(key, context)
        except PluginStartError:
            self.remove(key)
            raise

    def remove(self, key: RootKey) -> None:
        """End a context, and its VM with it."""
        supply = self._supplies.pop(key, None)
        if supply is not None:
            supply.remove(key)
            supply.leave()
            self._ending = [each for each in [*self._ending, supply] if each.is_up]

    def after_guest(self, key: RootKey | None = None) -> None:
        """Do what guests have asked for beside their results: that of one context, or all."""
        supplies = [self._supplies.get(key)] if key is not None else [*self._supplies.values(), *self._ending]
        for supply in supplies:
            if supply is not None:
                supply.after_guest()
