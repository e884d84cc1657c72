"""The records of the LMDB database of shared data and queues, and the transactions that read and change them.

The records, by the first byte of their keys (`S` is a digest of the vm_id, `K` a key as `place_of` makes it):

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
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Any

import lmdb

from host.store.interface import ENTRY_COST, Refused

META = Struct("<QQ")
ENTRY = Struct("<QQ")
QUEUE = Struct("<QQQ")
NO_META = META.pack(0, 0)
LENGTH = Struct("<I")
NUMBER = Struct(">Q")  # in the order of their bytes
ID = Struct(">I")
unpack_meta, pack_meta = META.unpack_from, META.pack
unpack_entry, pack_entry = ENTRY.unpack_from, ENTRY.pack

LONGEST_KEY = 400
"""Bytes of a key that is stored as it is. LMDB takes 511; the digests and letters before it are few."""

_READERS = 1024
"""Threads of all workers that may read at once."""


# --- the database


def open_environment(path: Path, map_size: int) -> Any:
    """Return the database in this folder, which is made if it is not there. Raises OSError and lmdb.Error."""
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
def reading(environment: Any) -> Iterator[Any]:
    """A transaction that sees the database as it is now. Raises Refused."""
    transaction = environment.begin()
    try:
        yield transaction
    except lmdb.Error as error:
        raise failure(error) from error
    finally:
        transaction.abort()


@contextlib.contextmanager
def writing(environment: Any) -> Iterator[Any]:
    """A transaction: committed where the block ends or returns, undone where it raises. Raises Refused."""
    try:
        with environment.begin(write=True) as transaction:
            yield transaction
    except lmdb.Error as error:
        raise failure(error) from error


def failure(error: lmdb.Error) -> Refused:
    """Return what is told of an error of the database."""
    if isinstance(error, lmdb.MapFullError):
        return Refused("the database is full: map_size is too small for all vm_ids together")
    return Refused(f"the database fails: {error}")


def records_from(transaction: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records whose keys begin so. They may be deleted meanwhile."""
    with transaction.cursor() as cursor:
        is_there = cursor.set_range(prefix)
        while is_there:
            key: bytes = cursor.key()
            if not key.startswith(prefix):
                return
            yield key, cursor.value()
            is_there = cursor.set_range(key + b"\0")


def forget(transaction: Any, space: bytes) -> None:
    """Remove everything of a vm_id, by its digest."""
    for name, queue in list(records_from(transaction, b"n" + space)):
        for item, _ in records_from(transaction, b"i" + queue):
            transaction.delete(item)
        transaction.delete(b"q" + queue)
        transaction.delete(name)
    for letter in (b"m", b"d", b"o"):
        for key, _ in records_from(transaction, letter + space):
            transaction.delete(key)


# --- records


def digest_of(vm_id: str) -> bytes:
    """Return 8 bytes that stand for the vm_id in keys."""
    return blake2b(vm_id.encode(), digest_size=8).digest()


def place_of(key: bytes) -> bytes:
    """Return the key as it stands in the database: 0 and itself, or 1 and a digest of one that is too long."""
    return b"\0" + key if len(key) <= LONGEST_KEY else b"\1" + blake2b(key, digest_size=32).digest()


def key_size_of(place: bytes, record: bytes) -> int:
    """Return how many bytes a record has of its key, before the value."""
    return LENGTH.size + int(LENGTH.unpack_from(record, ENTRY.size)[0]) if place[0] else 0


def cost_of(place: bytes, record: bytes) -> int:
    """Return the bytes that an entry counts."""
    stored_key = -LENGTH.size if place[0] else len(place) - 1
    return stored_key + len(record) - ENTRY.size + ENTRY_COST


def cas_of(change: int) -> int:
    """Return a change as guests see it: 32 bits, and never 0."""
    return (change - 1) % 0xFFFFFFFF + 1


def matches(record: bytes, cas: int) -> bool:
    """Return whether a set with this cas may replace the entry; one whose time is over is not there."""
    change, _ = ENTRY.unpack_from(record)
    return cas_of(change) == cas or is_over(record)


def is_over(record: bytes) -> bool:
    """Return whether the entry has expired."""
    _, expires = ENTRY.unpack_from(record)
    return bool(expires) and expires <= now()


def now() -> int:
    """Return milliseconds of the clock that all processes have, and that goes on while the machine is off."""
    return time.time_ns() // 1_000_000
