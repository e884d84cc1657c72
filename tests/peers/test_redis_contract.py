"""The contract of stores, on a real Redis."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from host.store import Limits, Store
from host.store.redis import RedisStore
from host.store.redis_link import Server
from tests.peers import redis_server
from tests.store import test_contract as contract
from tests.store.test_contract import *  # noqa: F403 - all of it


@pytest.fixture(scope="module")
def server(
    require_peer: Callable[[Path | str | None, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[redis_server.RedisServer]:
    """One server for all tests."""
    require_peer(redis_server.BINARY, "Redis")
    running = redis_server.RedisServer(tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@pytest.fixture
def make_store(server: redis_server.RedisServer) -> Iterator[contract.MakeStore]:
    """Make stores under prefixes of their own. The budget is a test's: the machine may be busy."""
    with ExitStack() as stack:

        def make(**limits: float) -> Store:
            given = Limits(**limits)  # type: ignore[arg-type]
            store = RedisStore(Server(port=server.port, timeout=2.0), uuid.uuid4().hex, lambda _: given)
            stack.callback(store.close)
            return store

        yield make


@pytest.fixture
def store(make_store: contract.MakeStore) -> Store:
    """One of them with the default limits."""
    return make_store()


def test_vm_ids_that_no_plugin_has_are_forgotten(store: Store) -> None:
    """Here alone: gateways of other machines may have plugins of them."""
    space = store.space("a")
    space.set(b"key", b"1")
    queue = space.register_queue(b"queue")
    store.enqueue(queue, b"item")
    store.keep_only(["b"])
    assert store.space("a").get(b"key") == (b"1", 1)
    assert store.space("a").register_queue(b"queue") == queue
    assert store.dequeue(queue) == b"item"
