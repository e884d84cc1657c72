"""The stores that the contract holds for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from host.store import Limits, MemoryStore, Store

MakeStore = Callable[..., Store]


def _memory(limits: Limits, _: ExitStack) -> Store:
    return MemoryStore(lambda _: limits)


KINDS = {"memory": _memory}


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
