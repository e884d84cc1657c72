"""What every store does. The contract is tests/store/test_contract.py, which each of them passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from abi.types import Status

ENTRY_COST: Final = 96
"""Bytes that an entry, and an item of a queue, counts beside its key and value (core/shared_data.h): so are many
small ones bounded as well."""

LOCAL_QUEUES: Final = 1 << 30
"""Queue ids below are those of the process or machine, from 1; ids from here on belong to queues in Redis."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the plugins of one vm_id may keep.

    `max_size`: bytes of all keys and values; beyond it the entries that were used longest ago go. `ttl`: seconds that
    an entry lives from its last `set`; 0: for ever. `max_queues`: queues; `max_queue_size`: bytes of the items that
    wait in one of them; beyond it nothing is taken. Entries and items count `ENTRY_COST` more than their bytes.
    """

    max_size: int = 16 << 20
    ttl: float = 0.0
    max_queues: int = 64
    max_queue_size: int = 4 << 20


class Refused(Exception):
    """The store cannot take it or cannot tell: a limit, or the store is down. The text says why."""


class Down(Refused):
    """The store is not there now. It may be again later."""


class Space(Protocol):
    """The shared data and queues of one vm_id. Keys, values, names and items are any bytes, empty ones too.

    Every change of a key gives it another `cas`, a number from 1 to 2**32 - 1. All methods can be called on any
    thread, and are done when they return: what a method has acknowledged outlives a kill of this process where others
    share the store.
    """

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """Return value and cas, None when the key is not there. Raises Refused when the store cannot tell."""

    def set(self, key: bytes, value: bytes, cas: int = 0) -> Status:
        """Set the value: OK, or CAS_MISMATCH when the key is there with another cas and `cas` is not 0.

        Raises Refused for an entry over `max_size`, and when the store is down.
        """

    def delete(self, key: bytes, cas: int = 0) -> Status:
        """Remove the key: OK, also when it is not there; CAS_MISMATCH as `set` has it. Raises Refused."""

    def expire(self, key: bytes, seconds: float) -> Status:
        """Let the entry live that long from now on, 0: for ever. OK or NOT_FOUND. Raises Refused."""

    def keys(self) -> list[bytes]:
        """Return all keys."""

    def register_queue(self, name: bytes) -> int:
        """Return the id of the queue of this name, which is there from now on, with what is in it.

        Raises Refused beyond `max_queues`.
        """


class Store(Protocol):
    """Spaces by vm_id, and the queues of all of them by id."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes have it too, and have to be told of items by others than the store."""

    def space(self, vm_id: str) -> Space:
        """Return the space of this vm_id. Raises Refused when the store cannot be opened."""

    def resolve_queue(self, vm_id: str, name: bytes) -> int:
        """Return the id of the queue of this name, 0 when nobody has registered it. Raises Refused."""

    def enqueue(self, queue: int, item: bytes) -> Status:
        """Append an item: OK, or NOT_FOUND. Raises Refused when the queue is full or the store is down."""

    def dequeue(self, queue: int) -> bytes | None:
        """Take the first item; no one else gets it. None when the queue is empty.

        Raises KeyError for a queue that is not there, Refused when the store is down.
        """

    def put_back(self, queue: int, item: bytes) -> None:
        """Make an item that was taken the first one again. Nothing happens when the queue is gone."""

    def length(self, queue: int) -> int:
        """Return how many items wait; 0 for a queue that is not there."""

    def configure(self, limits: Callable[[str], Limits]) -> None:
        """Hold to other limits from now on; the function gives them for a vm_id."""

    def keep_only(self, vm_ids: Iterable[str]) -> None:
        """Forget the shared data and queues of all other vm_ids: no plugin is configured with them any more."""

    def close(self) -> None:
        """Let go of what the process holds. Idempotent; other methods must not be called afterwards."""
