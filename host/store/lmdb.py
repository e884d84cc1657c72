"""The store of one machine: an LMDB database in shared memory, which workers read without a lock and write in turn.

A change is one transaction. What has been committed is in the shared file, so that a worker which is killed takes
nothing with it; one that is killed in a transaction leaves none of it. The file is not synchronised with a disk: it
survives processes, not a power failure.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import lmdb

from abi.types import Status
from host.store.interface import ENTRY_COST, LOCAL_QUEUES, Limits, Refused
from host.store.lmdb_records import (
    ID,
    NUMBER,
    QUEUE,
    digest_of,
    forget,
    open_environment,
    place_of,
    reading,
    records_from,
    writing,
)
from host.store.lmdb_space import LmdbSpace


class LmdbStore:
    """See `Store`. The database is opened with the first use, as gateways without such plugins need none."""

    is_shared = True

    def __init__(
        self, path: Path, map_size: int, limits: Callable[[str], Limits] = lambda _: Limits()
    ) -> None:
        """`path`: a folder that all who share the store give; `map_size`: bytes that are taken for it, all at once."""
        self._path, self._map_size, self._limits = path, map_size, limits
        self._environment: Any = None
        self._spaces: dict[str, LmdbSpace] = {}
        self._lock = threading.Lock()

    def space(self, vm_id: str) -> LmdbSpace:
        """See `Store.space`."""
        with self._lock:
            space = self._spaces.get(vm_id)
            if space is None:
                space = self._spaces[vm_id] = LmdbSpace(vm_id, self._limits(vm_id), self._open())
            return space

    def _opened(self) -> Any:
        if self._environment is None:
            with self._lock:
                self._open()
        return self._environment

    def _open(self) -> Any:
        if self._environment is None:
            try:
                self._environment = open_environment(self._path, self._map_size)
            except (lmdb.Error, OSError) as error:
                raise Refused(f"the database {self._path} cannot be opened: {error}") from error
        return self._environment

    def resolve_queue(self, vm_id: str, name: bytes) -> int:
        """See `Store.resolve_queue`."""
        with reading(self._opened()) as transaction:
            found = transaction.get(b"n" + digest_of(vm_id) + place_of(name))
            return int(ID.unpack(found)[0]) if found is not None else 0

    def enqueue(self, queue: int, item: bytes) -> Status:
        """See `Store.enqueue`."""
        if not 0 < queue < LOCAL_QUEUES:
            return Status.NOT_FOUND
        key = b"q" + ID.pack(queue)
        with writing(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                return Status.NOT_FOUND
            first, end, size = QUEUE.unpack_from(record)
            vm_id = record[QUEUE.size :]
            most = self._limits(vm_id.decode()).max_queue_size
            size += len(item) + ENTRY_COST
            if size > most:
                raise Refused(f"queue {queue} is full: its items would take {size} bytes, of {most}")
            transaction.put(b"i" + key[1:] + NUMBER.pack(end), item)
            transaction.put(key, QUEUE.pack(first, end + 1, size) + vm_id)
            return Status.OK

    def dequeue(self, queue: int) -> bytes | None:
        """See `Store.dequeue`."""
        if not 0 < queue < LOCAL_QUEUES:
            raise KeyError(queue)
        key = b"q" + ID.pack(queue)
        if self._length(key) == 0:  # seen without the lock of those who write
            return None
        with writing(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                raise KeyError(queue)
            first, end, size = QUEUE.unpack_from(record)
            if first == end:
                return None
            item: bytes = transaction.pop(b"i" + key[1:] + NUMBER.pack(first))
            size -= len(item) + ENTRY_COST
            transaction.put(key, QUEUE.pack(first + 1, end, size) + record[QUEUE.size :])
            return item

    def put_back(self, queue: int, item: bytes) -> None:
        """See `Store.put_back`."""
        key = b"q" + ID.pack(queue)
        with writing(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                return
            first, end, size = QUEUE.unpack_from(record)
            transaction.put(b"i" + key[1:] + NUMBER.pack(first - 1), item)
            size += len(item) + ENTRY_COST
            transaction.put(key, QUEUE.pack(first - 1, end, size) + record[QUEUE.size :])

    def length(self, queue: int) -> int:
        """See `Store.length`."""
        with contextlib.suppress(KeyError):
            if 0 < queue < LOCAL_QUEUES:
                return self._length(b"q" + ID.pack(queue))
        return 0

    def _length(self, key: bytes) -> int:
        with reading(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                raise KeyError(key)
            first, end, _ = QUEUE.unpack_from(record)
            return int(end - first)

    def configure(self, limits: Callable[[str], Limits]) -> None:
        """See `Store.configure`."""
        with self._lock:
            self._limits = limits
            for vm_id, space in self._spaces.items():
                space.limits = limits(vm_id)

    def keep_only(self, vm_ids: Iterable[str]) -> None:
        """See `Store.keep_only`."""
        if self._environment is None:
            return
        kept = {digest_of(vm_id) for vm_id in vm_ids}
        with writing(self._environment) as transaction:
            known = {key[1:] for key, _ in records_from(transaction, b"m")}
            known |= {key[1:9] for key, _ in records_from(transaction, b"n")}
            for space in known - kept:
                forget(transaction, space)

    def close(self) -> None:
        """See `Store.close`. The database stays."""
        with self._lock:
            self._spaces.clear()
            if self._environment is not None:
                self._environment.close()
                self._environment = None
