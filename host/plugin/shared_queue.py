"""Host calls for shared queues, and proxy_on_queue_ready.

A plugin context that has registered a queue is called when an item has come into it, in whichever process that was:
once for the items that have come meanwhile, and again as long as it takes items and there are more. It is called when
no guest is in a host call, and only on a VM that serves.
"""

from __future__ import annotations

from typing import Any

from abi.types import Status
from host._core import ffi
from host.plugin.delivery import Delivery
from host.plugin.guests import Guest
from host.plugin.shared_data import append, failed, state_of, text
from host.store import Refused


class Registration:
    """A plugin context that wants to hear of a queue's items."""

    def __init__(self, guest: Guest, root: int, queue: int) -> None:
        self.guest, self.root, self.queue = guest, root, queue
        self._is_due = False

    def wake(self) -> None:
        """Have proxy_on_queue_ready called soon. On any thread; a listener of `host.store.Stores`."""
        if not self._is_due:
            self._is_due = True
            self.guest.services.soon(self._arrive)

    def _arrive(self) -> None:
        # A spare hears of it as well, and is told when it takes over; until then another VM sees to the items.
        self.guest.when_serving(lambda: self.guest.services.soon(self._deliver))

    def _deliver(self) -> None:
        self._is_due = False
        root = self.guest.roots.get(self.root)
        if root is None or self.guest.has_ended:
            return
        queues = self.guest.subject(SharedQueues)
        queues.taken.discard(self.queue)
        root.deliver("proxy_on_queue_ready", Delivery(), self.queue)
        if self.queue in queues.taken and self.guest.services.stores.length(self.queue):
            self.wake()  # guests that take one item a call are called for each


class SharedQueues:
    """What a guest has registered; `taken`: the queues that it has taken an item from since it was last told."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.taken: set[int] = set()
        self._registrations: dict[tuple[int, int], Registration] = {}

    def register(self, root: int, queue: int) -> None:
        """Tell this plugin context of items from now on, and of those that wait."""
        if (root, queue) in self._registrations:
            return
        registration = self._registrations[root, queue] = Registration(self.guest, root, queue)
        stores = self.guest.services.stores
        stores.listen(queue, registration.wake)
        if stores.length(queue):
            registration.wake()

    def root_ended(self, root: int) -> None:
        """Tell it of nothing any more."""
        for key in [key for key in self._registrations if key[0] == root]:
            registration = self._registrations.pop(key)
            self.guest.services.stores.unlisten(registration.queue, registration.wake)

    def ended(self) -> None:
        """The same for all plugin contexts of the VM."""
        for root in {root for root, _ in self._registrations}:
            self.root_ended(root)


@ffi.def_extern(name="sw_call_register_shared_queue", error=Status.INTERNAL_FAILURE, onerror=failed)  # type: ignore[untyped-decorator]
def _register(vm: int, root: int, name: Any, length: int, queue: Any) -> int:
    state = state_of(vm)
    try:
        queue[0] = state.space().register_queue(text(name, length))
    except Refused as error:
        state.refused("proxy_register_shared_queue answers INTERNAL_FAILURE", error)
        return int(Status.INTERNAL_FAILURE)
    state.guest.subject(SharedQueues).register(root, queue[0])
    return int(Status.OK)


@ffi.def_extern(name="sw_call_resolve_shared_queue", error=Status.INTERNAL_FAILURE, onerror=failed)  # type: ignore[untyped-decorator]
def _resolve(vm: int, vm_id: Any, vm_id_length: int, name: Any, length: int, queue: Any) -> int:
    state = state_of(vm)
    try:
        # An id that is no UTF-8 is that of no plugin: the configuration has texts.
        owner = text(vm_id, vm_id_length).decode(errors="replace") or state.vm_id
        queue[0] = state.guest.services.stores.resolve_queue(owner, text(name, length))
    except Refused as error:
        state.refused("proxy_resolve_shared_queue answers NOT_FOUND", error)
        return int(Status.NOT_FOUND)
    return int(Status.OK if queue[0] else Status.NOT_FOUND)


@ffi.def_extern(name="sw_call_enqueue_shared_queue", error=Status.INTERNAL_FAILURE, onerror=failed)  # type: ignore[untyped-decorator]
def _enqueue(vm: int, queue: int, item: Any, length: int) -> int:
    state = state_of(vm)
    try:
        return int(state.guest.services.stores.enqueue(queue, text(item, length)))
    except Refused as error:
        state.refused("proxy_enqueue_shared_queue answers NOT_FOUND", error)
        return int(Status.NOT_FOUND)  # SDKs panic at others


@ffi.def_extern(name="sw_call_dequeue_shared_queue", error=Status.INTERNAL_FAILURE, onerror=failed)  # type: ignore[untyped-decorator]
def _dequeue(vm: int, queue: int, item: Any) -> int:
    state = state_of(vm)
    try:
        taken = state.guest.services.stores.dequeue(queue)
    except KeyError:
        return int(Status.NOT_FOUND)
    except Refused as error:
        state.refused("proxy_dequeue_shared_queue answers EMPTY", error)
        return int(Status.EMPTY)
    if taken is None:
        return int(Status.EMPTY)
    state.guest.subject(SharedQueues).taken.add(queue)
    append(item, taken)
    return int(Status.OK)


@ffi.def_extern(name="sw_call_put_back_shared_queue", onerror=failed)  # type: ignore[untyped-decorator]
def _put_back(vm: int, queue: int, item: Any, length: int) -> None:
    state_of(vm).guest.services.stores.put_back(queue, text(item, length))
