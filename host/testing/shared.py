"""Shared data and queues under test: to be preset, looked at, and filled as another VM would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping

from abi.types import Status
from host.store import MemorySpace, MemoryStore, Stores


class SharedData(MutableMapping[bytes, bytes]):
    """The shared data of one vm_id, as a mapping of keys to values. Each assignment changes the key's cas."""

    def __init__(self, space: MemorySpace) -> None:
        self._space = space

    def __getitem__(self, key: bytes) -> bytes:
        if (found := self._space.get(key)) is None:
            raise KeyError(key)
        return found[0]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._space.set(key, value)

    def __delitem__(self, key: bytes) -> None:
        self[key]
        self._space.delete(key)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._space.keys())

    def __len__(self) -> int:
        return len(self._space.keys())

    def __repr__(self) -> str:
        return f"<SharedData {dict(self)}>"

    def cas(self, key: bytes) -> int:
        """Return the key's cas, as proxy_get_shared_data gives it. Raises KeyError."""
        if (found := self._space.get(key)) is None:
            raise KeyError(key)
        return found[1]

    def expire(self, key: bytes, seconds: float) -> None:
        """Let the entry live so long from now on, by the host's clock. Raises KeyError."""
        if self._space.expire(key, seconds) is not Status.OK:
            raise KeyError(key)


class SharedQueue:
    """A queue. Looking at it registers it, as a plugin would; `id` is what plugins know it by."""

    def __init__(
        self, stores: Stores, store: MemoryStore, vm_id: str, name: bytes, after: Callable[[], None]
    ) -> None:
        self._stores, self._store, self._after = stores, store, after
        self.id = store.space(vm_id).register_queue(name)

    @property
    def items(self) -> list[bytes]:
        """What waits in it, the first item first."""
        return self._store.items(self.id)

    def enqueue(self, item: bytes) -> None:
        """Append an item as another VM would: plugins that have registered the queue get proxy_on_queue_ready."""
        self._stores.enqueue(self.id, item)
        self._after()

    def dequeue(self) -> bytes | None:
        """Take the first item; None when there is none."""
        return self._store.dequeue(self.id)

    def ready(self) -> None:
        """Call proxy_on_queue_ready of those that have registered it, whether there is an item or not."""
        self._stores.wake(self.id)
        self._after()
