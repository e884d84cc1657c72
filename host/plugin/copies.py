"""Copies of VMs that have started and taken their configurations: what later VMs with the same contexts begin as.

Used by the threads that build VMs; it must not know when or why they do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from abi.types import LogLevel
from host.plugin.services import Services
from host.plugin.settings import RootKey
from host.wasm.module import Module
from host.wasm.snapshot import CannotSnapshot, Snapshot
from host.wasm.vm import WasmVM

if TYPE_CHECKING:
    from host.plugin.context import RootContext

_MOST = 16
"""Copies that are kept, the last used ones: each holds the pages of a memory that are not zero."""


class RootCopy(NamedTuple):
    """A plugin context as the guest knows it: its id, and its tick period in milliseconds."""

    id: int
    tick_period: int


@dataclass(frozen=True, slots=True)
class VmCopy:
    """A copied VM and the contexts on it."""

    snapshot: Snapshot
    roots: dict[RootKey, RootCopy]


class Copies:
    """Those of one module's VMs. Does nothing for a module that was not made for them. For any thread."""

    def __init__(self, module: Module, services: Services) -> None:
        self._is_on = module.globals is not None
        self._services = services
        self._copies: dict[tuple[RootKey, ...], VmCopy] = {}

    def find(self, keys: Iterable[RootKey]) -> VmCopy | None:
        """Return the copy of a VM with just these contexts."""
        if not self._is_on:
            return None
        wanted = tuple(keys)
        found = self._copies.pop(wanted, None)
        if found is not None:
            self._copies[wanted] = found
        return found

    def take(self, plugin: str, vm: WasmVM, roots: dict[RootKey, RootContext]) -> None:
        """Keep a copy of a VM that has started with these contexts and served nobody.

        A VM that cannot be copied is told of once; those after it are then started anew each time.
        """
        if not self._is_on:
            return
        try:
            snapshot = Snapshot(vm)
        except CannotSnapshot as error:
            self._is_on = False
            self._services.event(LogLevel.WARN, f"VMs are not started from a copy: {error}", plugin)
            return
        self._copies[tuple(roots)] = VmCopy(
            snapshot, {key: RootCopy(root.id, root.tick_period) for key, root in roots.items()}
        )
        while len(self._copies) > _MOST:
            self._copies.pop(next(iter(self._copies)), None)
