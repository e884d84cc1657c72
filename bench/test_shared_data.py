"""What proxy_get_shared_data and proxy_set_shared_data with its cas cost together, seen from a guest.

Each round is a tick in which testdata/wat/shared_data.wat adds one to a number a thousand times: a row's time divided
by a thousand is that of one pair. "contended": a second process does the same with the same key all the time, so that a
set may find that the other was faster, and both calls are made again.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import wasmtime

from host.plugin.guests import guest_of
from host.store import Stores
from host.store.lmdb import LmdbStore
from host.testing import PluginHost

ROOT = Path(__file__).resolve().parents[1]
WAT = ROOT / "testdata/wat/shared_data.wat"
PAIRS = 1000
MAP_SIZE = 16 << 20


def counting(stores: Stores) -> PluginHost:
    """The guest; its ticks are long."""
    return PluginHost(
        bytes(wasmtime.wat2wasm(WAT.read_text())),
        vm_id="bench",
        stores=stores,
        callback_deadline=60_000,
        trace_rows=0,
    )


def tick_of(host: PluginHost) -> Any:
    """The function that ticks."""
    guest = guest_of(host.vm.serial)
    assert guest is not None
    (root,) = guest.roots.values()
    return lambda: host.vm.call("proxy_on_tick", root.pointer, root.id)


def count(stores: Stores) -> int:
    """The number so far."""
    value, _ = stores.space("bench").get(b"count") or (b"", 0)
    return int.from_bytes(value, "little")


def stores_in(place: str) -> Stores:
    """Stores that share a database."""
    stores = Stores()
    stores.use(LmdbStore(Path(place), MAP_SIZE, stores.limits_of))
    return stores


@pytest.fixture
def place() -> Iterator[str]:
    """A folder in shared memory."""
    with TemporaryDirectory(dir="/dev/shm") as folder:
        yield folder


def measure(benchmark: Any, stores: Stores) -> None:
    """Time ticks; each pair has added one."""
    with counting(stores) as host:
        rounds = 0
        tick = tick_of(host)

        def run() -> None:
            nonlocal rounds
            rounds += 1
            tick()

        benchmark.group = "get and CAS set, 1000 pairs"
        benchmark(run)
        assert count(stores) >= rounds * PAIRS
        assert host.failures == 0


def test_memory(benchmark: Any) -> None:
    """In C, without Python."""
    measure(benchmark, Stores())


def test_lmdb(benchmark: Any, place: str) -> None:
    """No other process writes."""
    measure(benchmark, stores_in(place))


def test_lmdb_contended(benchmark: Any, place: str) -> None:
    """Another process adds to the same key all the time."""
    with ExitStack() as stack:
        other = subprocess.Popen([sys.executable, __file__, place], stdout=subprocess.PIPE, cwd=ROOT)
        stack.callback(other.wait, 10)
        stack.callback(other.kill)
        assert other.stdout is not None
        stack.callback(other.stdout.close)
        assert other.stdout.readline() == b"counting\n"
        measure(benchmark, stores_in(place))


def contend(place: str) -> None:
    """Count for ever."""
    with counting(stores_in(place)) as host:
        tick = tick_of(host)
        tick()
        print("counting", flush=True)
        while True:
            tick()


if __name__ == "__main__":
    contend(sys.argv[1])
