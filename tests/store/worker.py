"""One of several processes that use a store: `worker.py KIND PLACE ACTION COUNT`; prints what it has acknowledged.

append    add its own letters to a value by compare and swap
enqueue   put items into a queue
dequeue   take items out of it until COUNT of all processes have been taken
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from abi.types import Status
from host.store import Refused, Store


def open_store(kind: str, place: str) -> Store:
    """The store that all of them share."""
    if kind == "lmdb":
        from host.store.lmdb import LmdbStore

        return LmdbStore(Path(place), 16 << 20)
    raise ValueError(kind)


def say(what: str) -> None:
    """One line in one write: who is killed leaves no half of it."""
    os.write(1, what.encode() + b"\n")


def append(store: Store, count: int) -> None:
    space = store.space("shared")
    for number in range(count):
        item = f"{os.getpid()}.{number}"
        while True:
            value, cas = space.get(b"list") or (b"", 0xFFFFFFFF)
            try:
                if space.set(b"list", value + item.encode() + b" ", cas) is Status.OK:
                    break
            except Refused:
                time.sleep(0.01)
        say(item)


def enqueue(store: Store, count: int) -> None:
    queue = store.space("shared").register_queue(b"queue")
    for number in range(count):
        item = f"{os.getpid()}.{number}"
        while True:
            try:
                if store.enqueue(queue, item.encode()) is Status.OK:
                    break
            except Refused:
                time.sleep(0.01)
        say(item)


def dequeue(store: Store, seconds: int) -> None:
    """Until nothing has come for so long."""
    queue = store.space("shared").register_queue(b"queue")
    last = time.monotonic()
    while time.monotonic() - last < seconds:
        try:
            item = store.dequeue(queue)
        except Refused:
            item = None
        if item is None:
            time.sleep(0.002)
        else:
            say(item.decode())
            last = time.monotonic()


def main() -> None:
    kind, place, action, count = sys.argv[1:]
    {"append": append, "enqueue": enqueue, "dequeue": dequeue}[action](open_store(kind, place), int(count))


if __name__ == "__main__":
    main()
