"""The store of one machine: an LMDB database in shared memory, which workers read without a lock and write in turn.

A change is one transaction. What has been committed is in the shared file, so that a worker which is killed takes
nothing with it; one that is killed in a transaction leaves none of it. The file is not synchronised with a disk: it
survives processes, not a power failure.

The records, by the first byte of their keys (`S` is a digest of the vm_id, `K` a key as `_place` makes it):

    m S        counter of changes, bytes of all entries, vm_id
    d S K      the change it was set by, when it expires, the key where K is a digest, value
    o S N      K, by N, the change it was set by: the order in which entries go
    n S K      id of the queue with the name that K stands for
    q ID       first item, behind the last item, bytes of all items, vm_id
    i ID N     an item
    c          the last queue id
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Any

import lmdb

from abi.types import Status
from host.store.interface import ENTRY_COST, LOCAL_QUEUES, Limits, Refused

_META = Struct("<QQ")
_ENTRY = Struct("<QQ")
_QUEUE = Struct("<QQQ")
_NO_META = _META.pack(0, 0)
_LENGTH = Struct("<I")
_NUMBER = Struct(">Q")  # in the order of their bytes
_ID = Struct(">I")
_unpack_meta, _pack_meta = _META.unpack_from, _META.pack
_unpack_entry, _pack_entry = _ENTRY.unpack_from, _ENTRY.pack

_LONGEST_KEY = 400
"""Bytes of a key that is stored as it is. LMDB takes 511; the digests and letters before it are few."""

_FIRST_ITEM = 1 << 63
"""In the middle: items are put back before the first one."""

_READERS = 1024
"""Threads of all workers that may read at once."""


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
                self._environment = _open(self._path, self._map_size)
            except (lmdb.Error, OSError) as error:
                raise Refused(f"the database {self._path} cannot be opened: {error}") from error
        return self._environment

    def resolve_queue(self, vm_id: str, name: bytes) -> int:
        """See `Store.resolve_queue`."""
        with _reading(self._opened()) as transaction:
            found = transaction.get(b"n" + _digest(vm_id) + _place(name))
            return int(_ID.unpack(found)[0]) if found is not None else 0

    def enqueue(self, queue: int, item: bytes) -> Status:
        """See `Store.enqueue`."""
        if not 0 < queue < LOCAL_QUEUES:
            return Status.NOT_FOUND
        key = b"q" + _ID.pack(queue)
        with _writing(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                return Status.NOT_FOUND
            first, end, size = _QUEUE.unpack_from(record)
            vm_id = record[_QUEUE.size :]
            most = self._limits(vm_id.decode()).max_queue_size
            size += len(item) + ENTRY_COST
            if size > most:
                raise Refused(f"queue {queue} is full: its items would take {size} bytes, of {most}")
            transaction.put(b"i" + key[1:] + _NUMBER.pack(end), item)
            transaction.put(key, _QUEUE.pack(first, end + 1, size) + vm_id)
            return Status.OK

    def dequeue(self, queue: int) -> bytes | None:
        """See `Store.dequeue`."""
        if not 0 < queue < LOCAL_QUEUES:
            raise KeyError(queue)
        key = b"q" + _ID.pack(queue)
        if self._length(key) == 0:  # seen without the lock of those who write
            return None
        with _writing(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                raise KeyError(queue)
            first, end, size = _QUEUE.unpack_from(record)
            if first == end:
                return None
            item: bytes = transaction.pop(b"i" + key[1:] + _NUMBER.pack(first))
            size -= len(item) + ENTRY_COST
            transaction.put(key, _QUEUE.pack(first + 1, end, size) + record[_QUEUE.size :])
            return item

    def put_back(self, queue: int, item: bytes) -> None:
        """See `Store.put_back`."""
        key = b"q" + _ID.pack(queue)
        with _writing(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                return
            first, end, size = _QUEUE.unpack_from(record)
            transaction.put(b"i" + key[1:] + _NUMBER.pack(first - 1), item)
            size += len(item) + ENTRY_COST
            transaction.put(key, _QUEUE.pack(first - 1, end, size) + record[_QUEUE.size :])

    def length(self, queue: int) -> int:
        """See `Store.length`."""
        with contextlib.suppress(KeyError):
            if 0 < queue < LOCAL_QUEUES:
                return self._length(b"q" + _ID.pack(queue))
        return 0

    def _length(self, key: bytes) -> int:
        with _reading(self._opened()) as transaction:
            record = transaction.get(key)
            if record is None:
                raise KeyError(key)
            first, end, _ = _QUEUE.unpack_from(record)
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
        kept = {_digest(vm_id) for vm_id in vm_ids}
        with _writing(self._environment) as transaction:
            known = {key[1:] for key, _ in _range(transaction, b"m")}
            known |= {key[1:9] for key, _ in _range(transaction, b"n")}
            for space in known - kept:
                _forget(transaction, space)

    def close(self) -> None:
        """See `Store.close`. The database stays."""
        with self._lock:
            self._spaces.clear()
            if self._environment is not None:
                self._environment.close()
                self._environment = None


class LmdbSpace:
    """See `Space`."""

    def __init__(self, vm_id: str, limits: Limits, environment: Any) -> None:
        self.vm_id, self.limits = vm_id, limits
        self._environment = environment
        self._begin = environment.begin
        self._name = vm_id.encode()
        own = _digest(vm_id)
        self._meta, self._data, self._order, self._names = (
            letter + own for letter in (b"m", b"d", b"o", b"n")
        )

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """See `Space.get`. Written out, as is `set`: these are what plugins call for every request."""
        place = b"\0" + key if len(key) <= _LONGEST_KEY else _place(key)
        try:
            with self._begin() as transaction:
                record = transaction.get(self._data + place)
        except lmdb.Error as error:
            raise _failure(error) from error
        if record is None:
            return None
        change, expires = _unpack_entry(record)
        if expires and expires <= _now():
            return None
        return record[_ENTRY.size + (_key_size(place, record) if place[0] else 0) :], _cas(change)

    def set(self, key: bytes, value: bytes, cas: int = 0) -> Status:
        """See `Space.set`."""
        cost = len(key) + len(value) + ENTRY_COST
        limits = self.limits
        if cost > limits.max_size:
            raise Refused(f"an entry of {len(key) + len(value)} bytes is over max_size, {limits.max_size}")
        place = b"\0" + key if len(key) <= _LONGEST_KEY else _place(key)
        name = self._data + place
        try:
            with self._begin(write=True) as transaction:
                old = transaction.get(name)
                change, size = _unpack_meta(transaction.get(self._meta) or _NO_META)
                if old is not None:
                    if cas and not _matches(old, cas):
                        return Status.CAS_MISMATCH
                    transaction.delete(self._order + old[7::-1])  # its change, turned round
                    size -= _cost(place, old)
                change += 1
                size += cost
                expires = _now() + int(limits.ttl * 1000) if limits.ttl else 0
                own_key = _LENGTH.pack(len(key)) + key if place[0] else b""
                transaction.put(name, _pack_entry(change, expires) + own_key + value)
                transaction.put(self._order + change.to_bytes(8), place)
                if size > limits.max_size:
                    size = self._make_room(transaction, size, limits.max_size)
                transaction.put(self._meta, _pack_meta(change, size) + self._name)
                return Status.OK
        except lmdb.Error as error:
            raise _failure(error) from error

    def _make_room(self, transaction: Any, size: int, most: int) -> int:
        for order, place in _range(transaction, self._order):
            if size <= most:
                break
            size -= _cost(place, transaction.pop(self._data + place))
            transaction.delete(order)
        return size

    def delete(self, key: bytes, cas: int = 0) -> Status:
        """See `Space.delete`."""
        place = _place(key)
        with _writing(self._environment) as transaction:
            old = transaction.get(self._data + place)
            if old is None:
                return Status.OK
            if cas and not _matches(old, cas):
                return Status.CAS_MISMATCH
            change, size = _unpack_meta(transaction.get(self._meta))
            transaction.delete(self._data + place)
            transaction.delete(self._order + old[7::-1])
            transaction.put(self._meta, _pack_meta(change, size - _cost(place, old)) + self._name)
            return Status.OK

    def expire(self, key: bytes, seconds: float) -> Status:
        """See `Space.expire`."""
        place = _place(key)
        with _writing(self._environment) as transaction:
            old = transaction.get(self._data + place)
            if old is None or _is_over(old):
                return Status.NOT_FOUND
            change, _ = _ENTRY.unpack_from(old)
            expires = _now() + int(seconds * 1000) if seconds else 0
            transaction.put(self._data + place, _ENTRY.pack(change, expires) + old[_ENTRY.size :])
            return Status.OK

    def keys(self) -> list[bytes]:
        """See `Space.keys`."""
        found = []
        with _reading(self._environment) as transaction:
            for name, record in _range(transaction, self._data):
                place = name[len(self._data) :]
                if not _is_over(record):
                    start = _ENTRY.size + _LENGTH.size
                    found.append(
                        record[start : _ENTRY.size + _key_size(place, record)] if place[0] else place[1:]
                    )
        return found

    def register_queue(self, name: bytes) -> int:
        """See `Space.register_queue`."""
        key = self._names + _place(name)
        with _writing(self._environment) as transaction:
            if (known := transaction.get(key)) is not None:
                return int(_ID.unpack(known)[0])
            if sum(1 for _ in _range(transaction, self._names)) >= self.limits.max_queues:
                raise Refused(f"vm_id {self.vm_id!r} has max_queues, {self.limits.max_queues}, already")
            last = transaction.get(b"c")
            queue = 1 + (_ID.unpack(last)[0] if last is not None else 0)
            for record, value in ((b"c", _ID.pack(queue)), (key, _ID.pack(queue))):
                transaction.put(record, value)
            empty = _QUEUE.pack(_FIRST_ITEM, _FIRST_ITEM, 0)
            transaction.put(b"q" + _ID.pack(queue), empty + self.vm_id.encode())
            return int(queue)


# --- the database


def _open(path: Path, map_size: int) -> Any:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = lmdb.open(
        str(path),
        map_size=map_size,
        # Writing through the mapping takes a third of the time. Nothing is synchronised: what processes see of each
        # other does not depend on it.
        writemap=True,
        map_async=True,
        sync=False,
        metasync=False,
        readahead=False,
        meminit=False,
        max_readers=_READERS,
        max_spare_txns=2,
        mode=0o600,
    )
    try:
        # A page for which there is no room, found when it is written, would end the process (SIGBUS).
        with (path / "data.mdb").open("r+b") as file:
            if os.fstat(file.fileno()).st_blocks * 512 < map_size:
                os.posix_fallocate(file.fileno(), 0, map_size)
        environment.reader_check()  # those who were killed while they read would keep old pages from being used again
    except BaseException:
        environment.close()
        raise
    return environment


@contextlib.contextmanager
def _reading(environment: Any) -> Iterator[Any]:
    transaction = environment.begin()
    try:
        yield transaction
    except lmdb.Error as error:
        raise _failure(error) from error
    finally:
        transaction.abort()


@contextlib.contextmanager
def _writing(environment: Any) -> Iterator[Any]:
    """A transaction: committed where the block ends or returns, undone where it raises."""
    try:
        with environment.begin(write=True) as transaction:
            yield transaction
    except lmdb.Error as error:
        raise _failure(error) from error


def _failure(error: lmdb.Error) -> Refused:
    if isinstance(error, lmdb.MapFullError):
        return Refused("the database is full: map_size is too small for all vm_ids together")
    return Refused(f"the database fails: {error}")


def _range(transaction: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records whose keys begin so. They may be deleted meanwhile."""
    with transaction.cursor() as cursor:
        is_there = cursor.set_range(prefix)
        while is_there:
            key: bytes = cursor.key()
            if not key.startswith(prefix):
                return
            yield key, cursor.value()
            is_there = cursor.set_range(key + b"\0")


def _forget(transaction: Any, space: bytes) -> None:
    """Remove everything of a vm_id, by its digest."""
    for name, queue in list(_range(transaction, b"n" + space)):
        for item, _ in _range(transaction, b"i" + queue):
            transaction.delete(item)
        transaction.delete(b"q" + queue)
        transaction.delete(name)
    for letter in (b"m", b"d", b"o"):
        for key, _ in _range(transaction, letter + space):
            transaction.delete(key)


# --- records


def _digest(vm_id: str) -> bytes:
    return blake2b(vm_id.encode(), digest_size=8).digest()


def _place(key: bytes) -> bytes:
    """The key as it stands in the database: 0 and itself, or 1 and a digest of one that is too long."""
    return b"\0" + key if len(key) <= _LONGEST_KEY else b"\1" + blake2b(key, digest_size=32).digest()


def _key_size(place: bytes, record: bytes) -> int:
    """The bytes that a record has of its key, before the value."""
    return _LENGTH.size + int(_LENGTH.unpack_from(record, _ENTRY.size)[0]) if place[0] else 0


def _cost(place: bytes, record: bytes) -> int:
    stored_key = -_LENGTH.size if place[0] else len(place) - 1
    return stored_key + len(record) - _ENTRY.size + ENTRY_COST


def _cas(change: int) -> int:
    """A change as guests see it: 32 bits, and never 0."""
    return (change - 1) % 0xFFFFFFFF + 1


def _matches(record: bytes, cas: int) -> bool:
    """Whether a set with this cas may replace the entry; one whose time is over is not there."""
    change, _ = _ENTRY.unpack_from(record)
    return _cas(change) == cas or _is_over(record)


def _is_over(record: bytes) -> bool:
    _, expires = _ENTRY.unpack_from(record)
    return bool(expires) and expires <= _now()


def _now() -> int:
    """Milliseconds of the clock that all processes have, and that goes on while the machine is off."""
    return time.time_ns() // 1_000_000
