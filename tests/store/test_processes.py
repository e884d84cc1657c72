"""Stores that processes share, under real processes: nothing is lost, nothing comes twice, whoever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from host.store.lmdb import LmdbStore

ROOT = Path(__file__).parents[2]


class Workers:
    """Processes that use one LMDB database."""

    def __init__(self, place: str, stack: ExitStack) -> None:
        self.place, self._stack = place, stack

    def start(self, action: str, count: int) -> subprocess.Popen[str]:
        """Start one; it is killed at the end of the test at the latest."""
        command = [sys.executable, "-m", "tests.store.worker", "lmdb", self.place, action, str(count)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._stack.callback(process.communicate)
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def workers() -> Iterator[Workers]:
    """Workers with an empty database."""
    with TemporaryDirectory(dir="/dev/shm") as place, ExitStack() as stack:
        yield Workers(place, stack)


def said(process: subprocess.Popen[str]) -> list[str]:
    """What it has acknowledged, when it has ended."""
    return process.communicate(timeout=50)[0].split()


def test_concurrent_appends_are_all_there(workers: Workers) -> None:
    """Twenty at once, each by compare and swap."""
    processes = [workers.start("append", 5) for _ in range(20)]
    acknowledged = [item for process in processes for item in said(process)]
    store = LmdbStore(Path(workers.place), 16 << 20)
    value, _ = store.space("shared").get(b"list") or (b"", 0)
    assert len(acknowledged) == 100
    assert sorted(value.decode().split()) == sorted(acknowledged)
    store.close()


def test_items_are_taken_once(workers: Workers) -> None:
    """Two hundred, by four that put and three that take."""
    takers = [workers.start("dequeue", 2) for _ in range(3)]
    putters = [workers.start("enqueue", 50) for _ in range(4)]
    put = [item for process in putters for item in said(process)]
    taken = [item for process in takers for item in said(process)]
    assert len(put) == 200
    assert sorted(taken) == sorted(put)


@pytest.mark.parametrize("action", ["append", "enqueue"])
def test_what_was_acknowledged_outlives_who_is_killed(workers: Workers, action: str) -> None:
    """SIGKILL in the midst of writing, again and again: the others go on, and no acknowledged change is gone."""
    survivor = workers.start(action, 300)
    acknowledged: list[str] = []
    for _ in range(6):
        victim = workers.start(action, 1_000_000)
        assert victim.stdout is not None
        acknowledged.append(victim.stdout.readline().strip())  # it writes now
        time.sleep(0.05)
        os.kill(victim.pid, signal.SIGKILL)
        acknowledged += victim.stdout.read().split()
        victim.wait(10)
    acknowledged += said(survivor)
    store = LmdbStore(Path(workers.place), 16 << 20)
    if action == "append":
        value, _ = store.space("shared").get(b"list") or (b"", 0)
        there = Counter(value.decode().split())
    else:
        queue = store.resolve_queue("shared", b"queue")
        there = Counter(item.decode() for item in iter(lambda: store.dequeue(queue), None))
    store.close()
    assert len(acknowledged) > 300
    assert [item for item in acknowledged if there[item] != 1] == []
    assert len(there) - len(acknowledged) <= 6  # at most one each that was done and not said


def test_those_who_are_killed_while_they_read_hold_nothing(workers: Workers) -> None:
    """A reader that is gone would keep every page that was changed since from being used again."""
    store = LmdbStore(Path(workers.place), 16 << 20)
    space = store.space("shared")
    space.set(b"key", b"v")
    script = (
        "import lmdb, os, signal\n"
        f"transaction = lmdb.open({workers.place!r}).begin()\n"
        "transaction.get(b'x')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    said(workers.start("append", 1))  # a worker that starts looks for them
    for number in range(5000):  # ten times the database, if no page came back
        space.set(b"key", b"%d" % number * 8000)
    store.close()
