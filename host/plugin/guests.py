"""All guests, by the serial number of their VM: what a host call that leaves the C core finds its plugin by.

A host call only notes what the guest wants. What has to be done about it waits until the VM serves (it may be building
on another thread, or stand by as a spare), and its outcome comes back through a plugin context's `deliver`.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from host.plugin.services import Services
from host.plugin.settings import PluginSettings
from host.plugin.streams import ANY
from host.wasm.vm import WasmVM, new_serial

if TYPE_CHECKING:
    from host.plugin.context import RootContext

logger = logging.getLogger("sluiceway.plugin")


class Subject(Protocol):
    """What a subject of host calls keeps for one guest: calls in flight, for instance. See `Guest.subject`."""

    def root_ended(self, root: int) -> None:
        """The plugin context of this id is no more: nothing can be delivered to it."""

    def ended(self) -> None:
        """The VM has failed or is no longer used: nothing can be delivered to any of its contexts."""


S = TypeVar("S", bound=Subject)


class Guest:
    """A VM as host calls know it. Its VM and its plugin contexts keep themselves alive, not this.

    `roots`: the plugin contexts that are there, by their ids.
    """

    def __init__(self, settings: PluginSettings, services: Services) -> None:
        """Make it known under a serial of its own, for the VM that is then given to `hold`."""
        self.serial = new_serial()
        self.settings = settings
        self.services = services
        self.roots: weakref.WeakValueDictionary[int, RootContext] = weakref.WeakValueDictionary()
        self.is_serving = self.has_ended = False
        self._others: dict[int, PluginSettings] = {}
        self._vm: weakref.ref[WasmVM] | None = None
        self._after: Callable[[int], None] = _nothing
        self._waiting: list[Callable[[], None]] = []
        self._subjects: dict[Any, Any] = {}
        _guests[self.serial] = self

    def __repr__(self) -> str:
        state = "ended" if self.has_ended else "serving" if self.is_serving else "starting"
        return f"<Guest {self.settings.name} [{state}, VM {self.serial}, contexts: {len(self.roots)}]>"

    @property
    def vm(self) -> WasmVM | None:
        """The VM; None before it is there and after it is gone."""
        return self._vm() if self._vm is not None else None

    def hold(self, vm: WasmVM) -> None:
        """Stand for this VM, which has this guest's serial."""
        self._vm = weakref.ref(vm)
        weakref.finalize(vm, _gone.append, self.serial).atexit = False

    def root_begins(self, id_: int, root: RootContext) -> None:
        """A plugin context is about to be created."""
        self.roots[id_] = root
        if root.key.settings is not self.settings:
            self._others[id_] = root.key.settings

    def settings_of(self, root: int) -> PluginSettings:
        """Return the settings of the plugin whose context this is, or was: several plugins may share a VM."""
        return self._others.get(root, self.settings)

    # --- work that host calls ask for

    def when_serving(self, work: Callable[[], None]) -> None:
        """Do it at once if the VM serves, else when it first does; never if it ends before that.

        `work` must not enter the guest, which may be waiting for its host call.
        """
        if self.is_serving:
            work()
        elif not self.has_ended:
            self._waiting.append(work)

    def serve(self, after: Callable[[int], None]) -> None:
        """The VM serves from now on, on the calling thread; `after` is called behind each delivery, with flags of what
        there is to be seen to (`host.plugin.streams`)."""
        if self.is_serving or self.has_ended:
            return
        self._after, self.is_serving = after, True
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()

    def after_delivery(self, flags: int = ANY) -> None:
        """See to what the guest asked for in a callback, and to its end if it trapped."""
        self._after(flags)

    # --- ends

    def subject(self, kind: Callable[[Guest], S]) -> S:
        """Return what a subject keeps for this guest; `kind` is a class, called for it at the first use."""
        if (found := self._subjects.get(kind)) is None:
            found = self._subjects[kind] = kind(self)
        return found

    def root_ended(self, root: int) -> None:
        """A plugin context ends: the subjects hear of it. Idempotent."""
        if self.roots.pop(root, None) is not None:
            for subject in list(self._subjects.values()):
                _tell(subject.root_ended, root)

    def end(self) -> None:
        """The VM has failed or is no longer used: the subjects hear of it. Idempotent."""
        if self.has_ended:
            return
        self.has_ended, self.is_serving = True, False
        self._waiting.clear()
        self.roots.clear()
        self._after = _nothing
        subjects, self._subjects = self._subjects, {}
        for subject in subjects.values():
            _tell(subject.ended)


_guests: dict[int, Guest] = {}
_gone: list[int] = []


def guest_of(serial: int) -> Guest | None:
    """Return the guest of the VM with this serial; it is known a little longer than its VM is there."""
    return _guests.get(serial)


def living() -> list[Guest]:
    """Return all guests that are known now."""
    return list(_guests.values())


def gone() -> list[int]:
    """Return the serials of VMs that are gone, to be given to `forget` behind their last log lines."""
    return _gone[:]


def forget(serials: list[int]) -> None:
    """Know these guests no more."""
    for serial in serials:
        _gone.remove(serial)
        guest = _guests.pop(serial, None)
        if guest is not None:
            guest.end()


def _nothing(flags: int) -> None:
    """Nobody is there to see to it."""


def _tell(what: Callable[..., None], *of: int) -> None:
    """One subject's fault must not keep the others from hearing of an end."""
    try:
        what(*of)
    except Exception:
        logger.exception("the end of a plugin context could not be handled")
