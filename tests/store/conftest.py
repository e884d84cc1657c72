"""The stores that the contract holds for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from host.store import Limits, MemoryStore, Store
from host.store.lmdb import LmdbStore

MakeStore = Callable[..., Store]


MAP_SIZE = 16 << 20


def _memory(limits: Limits, _: ExitStack) -> Store:
    return MemoryStore(lambda _: limits)


def _lmdb(limits: Limits, stack: ExitStack) -> Store:
    folder = stack.enter_context(TemporaryDirectory(dir="/dev/shm"))
    return LmdbStore(Path(folder), MAP_SIZE, lambda _: limits)


KINDS = {"memory": _memory, "lmdb": _lmdb}


@pytest.fixture(params=KINDS)
def make_store(request: pytest.FixtureRequest) -> Iterator[MakeStore]:
    """Make stores of one kind with the same limits for every vm_id: `make_store(max_size=1000)`."""
    with ExitStack() as stack:

        def make(**limits: float) -> Store:
            store = KINDS[request.param](Limits(**limits), stack)  # type: ignore[arg-type]
            stack.callback(store.close)
            return store

        yield make


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """One of them with the default limits."""
    return make_store()
