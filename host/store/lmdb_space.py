"""The shared data of one vm_id in the LMDB database."""

from __future__ import annotations

from typing import Any

import lmdb

from abi.types import Status
from host.store.interface import ENTRY_COST, Limits, Refused
from host.store.lmdb_records import (
    ENTRY,
    ID,
    LENGTH,
    LONGEST_KEY,
    NO_META,
    QUEUE,
    cas_of,
    cost_of,
    digest_of,
    failure,
    is_over,
    key_size_of,
    matches,
    now,
    pack_entry,
    pack_meta,
    place_of,
    reading,
    records_from,
    unpack_entry,
    unpack_meta,
    writing,
)

_FIRST_ITEM = 1 << 63
"""In the middle: items are put back before the first one."""


class LmdbSpace:
    """See `Space`."""

    def __init__(self, vm_id: str, limits: Limits, environment: Any) -> None:
        self.vm_id, self.limits = vm_id, limits
        self._environment = environment
        self._begin = environment.begin
        self._name = vm_id.encode()
        own = digest_of(vm_id)
        self._meta, self._data, self._order, self._names = (
            letter + own for letter in (b"m", b"d", b"o", b"n")
        )

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """See `Space.get`. Written out, as is `set`: these are what plugins call for every request."""
        place = b"\0" + key if len(key) <= LONGEST_KEY else place_of(key)
        try:
            with self._begin() as transaction:
                record = transaction.get(self._data + place)
        except lmdb.Error as error:
            raise failure(error) from error
        if record is None:
            return None
        change, expires = unpack_entry(record)
        if expires and expires <= now():
            return None
        return record[ENTRY.size + (key_size_of(place, record) if place[0] else 0) :], cas_of(change)

    def set(self, key: bytes, value: bytes, cas: int = 0) -> Status:
        """See `Space.set`."""
        cost = len(key) + len(value) + ENTRY_COST
        limits = self.limits
        if cost > limits.max_size:
            raise Refused(f"an entry of {len(key) + len(value)} bytes is over max_size, {limits.max_size}")
        place = b"\0" + key if len(key) <= LONGEST_KEY else place_of(key)
        name = self._data + place
        try:
            with self._begin(write=True) as transaction:
                old = transaction.get(name)
                change, size = unpack_meta(transaction.get(self._meta) or NO_META)
                if old is not None:
                    if cas and not matches(old, cas):
                        return Status.CAS_MISMATCH
                    transaction.delete(self._order + old[7::-1])  # its change, turned round
                    size -= cost_of(place, old)
                change += 1
                size += cost
                expires = now() + int(limits.ttl * 1000) if limits.ttl else 0
                own_key = LENGTH.pack(len(key)) + key if place[0] else b""
                transaction.put(name, pack_entry(change, expires) + own_key + value)
                transaction.put(self._order + change.to_bytes(8), place)
                if size > limits.max_size:
                    size = self._make_room(transaction, size, limits.max_size)
                transaction.put(self._meta, pack_meta(change, size) + self._name)
                return Status.OK
        except lmdb.Error as error:
            raise failure(error) from error

    def _make_room(self, transaction: Any, size: int, most: int) -> int:
        for order, place in records_from(transaction, self._order):
            if size <= most:
                break
            size -= cost_of(place, transaction.pop(self._data + place))
            transaction.delete(order)
        return size

    def delete(self, key: bytes, cas: int = 0) -> Status:
        """See `Space.delete`."""
        place = place_of(key)
        with writing(self._environment) as transaction:
            old = transaction.get(self._data + place)
            if old is None:
                return Status.OK
            if cas and not matches(old, cas):
                return Status.CAS_MISMATCH
            change, size = unpack_meta(transaction.get(self._meta))
            transaction.delete(self._data + place)
            transaction.delete(self._order + old[7::-1])
            transaction.put(self._meta, pack_meta(change, size - cost_of(place, old)) + self._name)
            return Status.OK

    def expire(self, key: bytes, seconds: float) -> Status:
        """See `Space.expire`."""
        place = place_of(key)
        with writing(self._environment) as transaction:
            old = transaction.get(self._data + place)
            if old is None or is_over(old):
                return Status.NOT_FOUND
            change, _ = ENTRY.unpack_from(old)
            expires = now() + int(seconds * 1000) if seconds else 0
            transaction.put(self._data + place, ENTRY.pack(change, expires) + old[ENTRY.size :])
            return Status.OK

    def keys(self) -> list[bytes]:
        """See `Space.keys`."""
        found = []
        with reading(self._environment) as transaction:
            for name, record in records_from(transaction, self._data):
                place = name[len(self._data) :]
                if not is_over(record):
                    start = ENTRY.size + LENGTH.size
                    found.append(
                        record[start : ENTRY.size + key_size_of(place, record)] if place[0] else place[1:]
                    )
        return found

    def register_queue(self, name: bytes) -> int:
        """See `Space.register_queue`."""
        key = self._names + place_of(name)
        with writing(self._environment) as transaction:
            if (known := transaction.get(key)) is not None:
                return int(ID.unpack(known)[0])
            if sum(1 for _ in records_from(transaction, self._names)) >= self.limits.max_queues:
                raise Refused(f"vm_id {self.vm_id!r} has max_queues, {self.limits.max_queues}, already")
            last = transaction.get(b"c")
            queue = 1 + (ID.unpack(last)[0] if last is not None else 0)
            for record, value in ((b"c", ID.pack(queue)), (key, ID.pack(queue))):
                transaction.put(record, value)
            empty = QUEUE.pack(_FIRST_ITEM, _FIRST_ITEM, 0)
            transaction.put(b"q" + ID.pack(queue), empty + self.vm_id.encode())
            return int(queue)
