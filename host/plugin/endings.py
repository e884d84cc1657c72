"""Plugin contexts on their way out: each ends when its streams have, and when its guest agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from host.plugin.context import RootContext
from host.plugin.guests import Guest
from host.plugin.services import Services, Timer
from host.wasm.vm import WasmVM

_LONGEST_DEFERRAL = 5.0
"""Seconds that a plugin context may take between proxy_on_done and proxy_done."""


class Endings:
    """The plugin contexts of one supply that take no new streams any more."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: dict[RootContext, Timer | None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[RootContext]:
        return iter(list(self._waiting))

    def add(self, root: RootContext) -> None:
        """Let it end as soon as it can; `proceed` does it."""
        root.retire()
        self._waiting[root] = None

    def hurry(self, plugin: str) -> None:
        """Let the guest of this plugin put off the end of its contexts no longer."""
        for root in self:
            root.is_hurried |= root.key.settings.name == plugin

    def proceed(self, after: Callable[[], None]) -> None:
        """Go as far with each as can be. `after` is called behind what a timer does with a guest later."""
        for root in self:
            if root.end():
                self._forget(root)
            elif root.is_deferred and self._waiting[root] is None:
                self._waiting[root] = self._services.call_later(
                    _LONGEST_DEFERRAL, partial(self._give_up, root, after)
                )

    @staticmethod
    def _give_up(root: RootContext, after: Callable[[], None]) -> None:
        root.is_hurried = True
        after()

    def take_failed(self) -> dict[Guest, WasmVM]:
        """Forget the contexts whose VMs have failed, and return those VMs."""
        failed = [root for root in self if root.vm.is_failed]
        for root in failed:
            self._forget(root)
        return {root.guest: root.vm for root in failed}

    def _forget(self, root: RootContext) -> None:
        root.free()
        timer = self._waiting.pop(root)
        if timer is not None:
            timer.cancel()
