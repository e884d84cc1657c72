"""The shared data of one vm_id as Redis had them a moment ago: what guests read without asking the network.

Changes are numbered, come in the order of their numbers, and are applied in it. What this process has changed itself is
there at once, ahead of the changes that come.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from struct import Struct

_HEAD = Struct(">QQ")
_CHANGE = Struct(">QI")
_MANY = 1000


class Replica:
    """Any thread reads; the thread that listens to Redis and those that change something write."""

    def __init__(self) -> None:
        self.is_loaded = False
        self._records: dict[bytes, bytes] = {}
        self._change = 0
        self._ahead: dict[
            bytes, int
        ] = {}  # key -> the change that its record is of, though not all before are there
        self._skew = 0
        self._lock = threading.Lock()

    def load(self, change: int, now: int, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Take everything over as it is after this change. `now`: the server's time in milliseconds."""
        new = dict(records)
        with self._lock:
            self._records, self._change, self._ahead = new, change, {}
            self._skew = now - _now()
            self.is_loaded = True

    def apply(self, message: bytes) -> bool:
        """Apply a change as it was published. False: one before it was missed, and everything has to be loaded."""
        change, key_size = _CHANGE.unpack_from(message)
        start = _CHANGE.size + key_size
        key, record = message[_CHANGE.size : start], message[start:]
        with self._lock:
            if change <= self._change:
                return True
            if change != self._change + 1:
                return False
            self._change = change
            if self._ahead.get(key, 0) <= change:
                self._ahead.pop(key, None)
                self._put(key, record)
            if len(self._ahead) > _MANY:
                self._ahead = {key: own for key, own in self._ahead.items() if own > change}
            return True

    def learn(self, key: bytes, change: int, record: bytes) -> None:
        """Take over what a script has answered of a key: its record (none: it is not there) after this change."""
        with self._lock:
            if change > max(self._change, self._ahead.get(key, 0)):
                self._ahead[key] = change
                self._put(key, record)

    def _put(self, key: bytes, record: bytes) -> None:
        if record:
            self._records[key] = record
        else:
            self._records.pop(key, None)

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """Return value and cas."""
        record = self._records.get(key)
        if record is None:
            return None
        change, expires = _HEAD.unpack_from(record)
        if expires and expires <= _now() + self._skew:
            return None
        return record[_HEAD.size :], (change - 1) % 0xFFFFFFFF + 1

    def keys(self) -> list[bytes]:
        """Return all keys."""
        with self._lock:
            known = list(self._records)
        return [key for key in known if self.get(key) is not None]


def _now() -> int:
    return time.time_ns() // 1_000_000
