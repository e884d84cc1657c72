"""What is LMDB's own: its room, and the folder that a supervisor makes for it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from abi.types import Status
from host.store import Refused
from host.store.folder import SharedFolder
from host.store.lmdb import LmdbStore


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder in shared memory."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_its_room_is_taken_at_once(place: Path) -> None:
    """A page that is not there when it is written would end the process."""
    store = LmdbStore(place, 8 << 20)
    assert not any(place.iterdir())  # nothing before it is used
    store.space("a")
    assert (place / "data.mdb").stat().st_blocks * 512 >= 8 << 20
    store.close()


def test_without_room_it_is_refused(place: Path) -> None:
    """With the reason, at the first use; nobody is ended by it."""
    store = LmdbStore(place, 1 << 44)
    for _ in range(2):
        with pytest.raises(Refused, match="cannot be opened"):
            store.space("a")
    store.close()


def test_a_full_database_refuses_and_serves_on(place: Path) -> None:
    """Limits of several vm_ids may add up to more than there is."""
    store = LmdbStore(place, 1 << 20)
    spaces = [store.space(vm_id) for vm_id in "abc"]
    queue = spaces[0].register_queue(b"queue")

    def fill_spaces() -> None:
        for number in range(1000):
            spaces[number % 3].set(b"%d" % number, b"v" * 10_000)

    def fill_queue() -> None:
        for _ in range(1000):
            store.enqueue(queue, b"v" * 10_000)

    for fill in (fill_spaces, fill_queue):
        with pytest.raises(Refused, match="map_size"):
            fill()
    assert spaces[0].get(b"0") == (b"v" * 10_000, 1)
    assert spaces[0].delete(b"0") is Status.OK
    store.keep_only(["a", "b"])
    spaces[0].delete(b"none of the keys")
    spaces[0].delete(b"3")  # pages come back two changes later
    assert spaces[0].set(b"0", b"v" * 10_000) is Status.OK
    store.close()


def test_after_its_end_it_refuses(place: Path) -> None:
    """A VM that runs on behind a gateway's end must not bring it down."""
    store = LmdbStore(place, 1 << 20)
    space = store.space("a")
    space.set(b"key", b"1")
    store.close()
    store.close()
    with pytest.raises(Refused):
        space.get(b"key")
    with pytest.raises(Refused):
        space.set(b"key", b"2")


def test_the_folder_of_a_killed_supervisor_is_removed_by_the_next() -> None:
    """And that of one that lives is left alone."""
    script = (
        "import os, signal; from host.store.folder import SharedFolder\n"
        "print(SharedFolder().path, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    orphan = Path(done.stdout.strip())
    assert orphan.is_dir()
    mine = SharedFolder()
    assert not orphan.exists()
    other = SharedFolder()
    assert mine.path.is_dir()
    assert mine.path != other.path
    for folder in (mine, other):
        folder.remove()
        folder.remove()
        assert not folder.path.exists()
