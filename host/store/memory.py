"""The store of one process: shared data in C, from where guests are served without Python; queues here."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from abi.types import Status
from host._core import ffi, lib
from host.store.interface import ENTRY_COST, Limits, Refused


class MemorySpace:
    """See `Space`. `pointer` is the C side, for VMs that are served by it."""

    def __init__(self, vm_id: str, limits: Limits, queues: Queues) -> None:
        self.vm_id = vm_id
        self.limits = limits
        native = lib.sw_shared_data_new(limits.max_size, milliseconds(limits.ttl))
        if native == ffi.NULL:
            raise MemoryError("no memory for shared data")
        self.pointer = ffi.gc(native, lib.sw_shared_data_release)
        self._queues = queues

    def configure(self, limits: Limits) -> None:
        """Hold to these limits from now on."""
        self.limits = limits
        lib.sw_shared_data_limit(self.pointer, limits.max_size, milliseconds(limits.ttl))

    def set_time(self, seconds: float) -> None:
        """Take this for the time, and no clock any more; for tests."""
        lib.sw_shared_data_set_time(self.pointer, milliseconds(seconds))

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """See `Space.get`."""
        value = lib.sw_shared_data_find(self.pointer, key, len(key))
        return _read(value) if value != ffi.NULL else None

    def set(self, key: bytes, value: bytes, cas: int = 0) -> Status:
        """See `Space.set`."""
        status = lib.sw_shared_data_set(self.pointer, key, len(key), value, len(value), cas)
        if status == Status.INTERNAL_FAILURE:
            raise Refused(
                f"an entry of {len(key) + len(value)} bytes is over max_size, {self.limits.max_size}"
            )
        return Status(status)

    def delete(self, key: bytes, cas: int = 0) -> Status:
        """See `Space.delete`."""
        return Status(lib.sw_shared_data_set(self.pointer, key, len(key), ffi.NULL, 0, cas))

    def expire(self, key: bytes, seconds: float) -> Status:
        """See `Space.expire`."""
        found = lib.sw_shared_data_expire(self.pointer, key, len(key), milliseconds(seconds))
        return Status.OK if found else Status.NOT_FOUND

    def keys(self) -> list[bytes]:
        """Return all keys, the one that was used longest ago first."""
        listed = lib.sw_shared_data_keys(self.pointer)
        if listed == ffi.NULL:
            raise MemoryError("no memory for a list of keys")
        data, _ = _read(listed)
        found, at = [], 0
        while at < len(data):
            end = at + 4 + int.from_bytes(data[at : at + 4], "little")
            found.append(data[at + 4 : end])
            at = end
        return found

    @property
    def size(self) -> int:
        """Bytes of all entries, each with its ENTRY_COST."""
        return int(lib.sw_shared_data_size(self.pointer))

    @property
    def evictions(self) -> int:
        """How many entries had to go for others."""
        return int(lib.sw_shared_data_evictions(self.pointer))

    def register_queue(self, name: bytes) -> int:
        """See `Space.register_queue`."""
        return self._queues.register(self.vm_id, name, self.limits)


@dataclass(slots=True)
class Queue:
    """The items that wait in one queue, and their bytes."""

    vm_id: str
    name: bytes
    items: deque[bytes] = field(default_factory=deque)
    size: int = 0


class Queues:
    """The queues of the process. Ids grow from 1 and are not used again."""

    def __init__(self) -> None:
        self.by_id: dict[int, Queue] = {}
        self._ids: dict[tuple[str, bytes], int] = {}
        self._last = 0
        self.lock = threading.Lock()

    def register(self, vm_id: str, name: bytes, limits: Limits) -> int:
        with self.lock:
            if (known := self._ids.get((vm_id, name))) is not None:
                return known
            if sum(queue.vm_id == vm_id for queue in self.by_id.values()) >= limits.max_queues:
                raise Refused(f"vm_id {vm_id!r} has max_queues, {limits.max_queues}, already")
            self._last += 1
            self.by_id[self._last] = Queue(vm_id, name)
            self._ids[vm_id, name] = self._last
            return self._last

    def resolve(self, vm_id: str, name: bytes) -> int:
        with self.lock:
            return self._ids.get((vm_id, name), 0)

    def forget(self, queue: int) -> None:
        gone = self.by_id.pop(queue)
        del self._ids[gone.vm_id, gone.name]


class MemoryStore:
    """See `Store`."""

    is_shared = False

    def __init__(self, limits: Callable[[str], Limits] = lambda _: Limits()) -> None:
        self._limits = limits
        self._spaces: dict[str, MemorySpace] = {}
        self._queues = Queues()
        self._lock = threading.Lock()
        self._time: float | None = None

    def space(self, vm_id: str) -> MemorySpace:
        """See `Store.space`."""
        with self._lock:
            space = self._spaces.get(vm_id)
            if space is None:
                space = self._spaces[vm_id] = MemorySpace(vm_id, self._limits(vm_id), self._queues)
                if self._time is not None:
                    space.set_time(self._time)
            return space

    def set_time(self, seconds: float) -> None:
        """Let this be the time by which entries expire, instead of a clock's; for tests."""
        with self._lock:
            self._time = seconds
            for space in self._spaces.values():
                space.set_time(seconds)

    def resolve_queue(self, vm_id: str, name: bytes) -> int:
        """See `Store.resolve_queue`."""
        return self._queues.resolve(vm_id, name)

    def enqueue(self, queue: int, item: bytes) -> Status:
        """See `Store.enqueue`."""
        with self._queues.lock:
            found = self._queues.by_id.get(queue)
            if found is None:
                return Status.NOT_FOUND
            most = self._limits(found.vm_id).max_queue_size
            size = found.size + len(item) + ENTRY_COST
            if size > most:
                raise Refused(f"queue {found.name!r} is full: its items would take {size} bytes, of {most}")
            found.items.append(item)
            found.size = size
            return Status.OK

    def dequeue(self, queue: int) -> bytes | None:
        """See `Store.dequeue`."""
        with self._queues.lock:
            found = self._queues.by_id[queue]
            if not found.items:
                return None
            item = found.items.popleft()
            found.size -= len(item) + ENTRY_COST
            return item

    def put_back(self, queue: int, item: bytes) -> None:
        """See `Store.put_back`."""
        with self._queues.lock:
            if (found := self._queues.by_id.get(queue)) is not None:
                found.items.appendleft(item)
                found.size += len(item) + ENTRY_COST

    def length(self, queue: int) -> int:
        """See `Store.length`."""
        with self._queues.lock:
            found = self._queues.by_id.get(queue)
            return len(found.items) if found is not None else 0

    def items(self, queue: int) -> list[bytes]:
        """Return the items that wait, the first one first."""
        with self._queues.lock:
            found = self._queues.by_id.get(queue)
            return list(found.items) if found is not None else []

    def configure(self, limits: Callable[[str], Limits]) -> None:
        """See `Store.configure`."""
        with self._lock:
            self._limits = limits
            for vm_id, space in self._spaces.items():
                space.configure(limits(vm_id))

    def keep_only(self, vm_ids: Iterable[str]) -> None:
        """See `Store.keep_only`. VMs that still run keep what they have, out of reach of others, until they end."""
        kept = frozenset(vm_ids)
        with self._lock, self._queues.lock:
            self._spaces = {vm_id: space for vm_id, space in self._spaces.items() if vm_id in kept}
            for queue in [queue for queue, each in self._queues.by_id.items() if each.vm_id not in kept]:
                self._queues.forget(queue)

    def close(self) -> None:
        """See `Store.close`."""
        self.keep_only(())


def milliseconds(seconds: float) -> int:
    """Return a time in whole milliseconds, rounded up: only 0 itself means that there is none."""
    return -int(-seconds * 1000 // 1)


def _read(value: object) -> tuple[bytes, int]:
    """The value's bytes and its cas; it is released."""
    length, cas = ffi.new("size_t *"), ffi.new("uint32_t *")
    data = lib.sw_shared_value_read(value, length, cas)
    read = bytes(ffi.buffer(data, length[0]))
    lib.sw_shared_value_release(value)
    return read, int(cas[0])
