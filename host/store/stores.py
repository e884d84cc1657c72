"""The stores of one process: which vm_id is where, and who wants to hear of items in queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from abi.types import Status
from host.store.interface import LOCAL_QUEUES, Limits, Refused, Space, Store
from host.store.memory import MemoryStore

Listener = Callable[[], None]
"""Called on any thread when an item has come into a queue; must not raise, nor enter a guest."""


class Stores:
    """Shared data and queues by vm_id, wherever they are kept.

    `announce` is called with the id of a queue that has got an item here and that other processes share.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        """Keep everything in memory, within these limits for each vm_id; `use` and `configure` say otherwise."""
        self._limits: Mapping[str, Limits] = {}
        self._default_limits = limits if limits is not None else Limits()
        self.local: Store = MemoryStore(self.limits_of)
        self.remote: Store | None = None
        self._remote_vm_ids: frozenset[str] = frozenset()
        self.announce: Callable[[int], None] = _nobody
        self._listeners: dict[int, list[Listener]] = {}
        self._lock = threading.Lock()

    def use(self, local: Store, remote: Store | None = None, remote_vm_ids: Iterable[str] = ()) -> None:
        """Keep what belongs to `remote_vm_ids` in `remote`, all else in `local`. Before the first use."""
        self.local, self.remote, self._remote_vm_ids = local, remote, frozenset(remote_vm_ids)

    def configure(self, default: Limits, limits: Mapping[str, Limits]) -> None:
        """Hold vm_ids to these limits from now on, those without their own to the default ones."""
        self._default_limits, self._limits = default, dict(limits)
        self.local.configure(self.limits_of)
        if self.remote is not None:
            self.remote.configure(self.limits_of)

    def limits_of(self, vm_id: str) -> Limits:
        """Return what plugins of this vm_id may keep."""
        return self._limits.get(vm_id, self._default_limits)

    def space(self, vm_id: str) -> Space:
        """Return the shared data and queues of this vm_id. Raises Refused when their store cannot be opened."""
        return self._store_of(vm_id).space(vm_id)

    def _store_of(self, vm_id: str) -> Store:
        return self.remote if self.remote is not None and vm_id in self._remote_vm_ids else self.local

    def store_of(self, queue: int) -> Store:
        """Return the store that a queue's id points to."""
        return self.remote if self.remote is not None and queue >= LOCAL_QUEUES else self.local

    # --- queues

    def resolve_queue(self, vm_id: str, name: bytes) -> int:
        """Return the id of a queue of any vm_id, 0 when nobody has registered it. Raises Refused."""
        return self._store_of(vm_id).resolve_queue(vm_id, name)

    def enqueue(self, queue: int, item: bytes) -> Status:
        """Append an item and wake those who listen, here and elsewhere. See `Store.enqueue`."""
        store = self.store_of(queue)
        status = store.enqueue(queue, item)
        if status is Status.OK:
            self.wake(queue)
            if store.is_shared:
                self.announce(queue)
        return status

    def dequeue(self, queue: int) -> bytes | None:
        """Take the first item. See `Store.dequeue`."""
        return self.store_of(queue).dequeue(queue)

    def put_back(self, queue: int, item: bytes) -> None:
        """Make an item that was taken the first one again. See `Store.put_back`."""
        self.store_of(queue).put_back(queue, item)

    def length(self, queue: int) -> int:
        """Return how many items wait; 0 when the store cannot tell."""
        try:
            return self.store_of(queue).length(queue)
        except Refused:
            return 0

    def wake(self, queue: int) -> None:
        """Tell the listeners of this process that an item has come."""
        with self._lock:
            listeners = list(self._listeners.get(queue, ()))
        for listener in listeners:
            listener()

    def wake_all(self) -> None:
        """Tell the listeners of all queues that are not empty: items may have come unheard."""
        for queue in list(self._listeners):
            if self.length(queue):
                self.wake(queue)

    def listen(self, queue: int, listener: Listener) -> None:
        """Have `listener` called from now on."""
        with self._lock:
            self._listeners.setdefault(queue, []).append(listener)

    def unlisten(self, queue: int, listener: Listener) -> None:
        """End that. Harmless where it was ended already."""
        with self._lock:
            listeners = self._listeners.get(queue, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop(queue, None)

    # --- life

    def keep_only(self, vm_ids: Iterable[str]) -> None:
        """Forget what belongs to none of these vm_ids: they are those of all plugins that are configured."""
        kept = frozenset(vm_ids)
        self.local.keep_only(kept)
        if self.remote is not None:
            self.remote.keep_only(kept)

    def close(self) -> None:
        """Let go of everything that this process holds. Idempotent."""
        self._listeners.clear()
        self.local.close()
        if self.remote is not None:
            self.remote.close()


def _nobody(queue: int) -> None:
    """No other process shares the stores."""
