"""The Redis store when Redis is slow, hangs, is killed, or is started again; and gateways that share it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from abi.types import Status
from host.store import Down, Limits, Refused
from host.store.redis import RedisStore
from host.store.redis_link import Server
from host.testing import ProxyServer, UpstreamServer
from tests.peers.redis_server import BINARY, RedisServer
from tests.plugin.guests import plugin_file, wat

ROOT = Path(__file__).parents[2]
MakeStore = Callable[..., RedisStore]


@pytest.fixture
def server(require_peer: Callable[[Path | str | None, str], Path], tmp_path: Path) -> Iterator[RedisServer]:
    """A server for this test alone."""
    require_peer(BINARY, "Redis")
    running = RedisServer(tmp_path)
    yield running
    with suppress(ProcessLookupError, AssertionError):
        running.signal(signal.SIGCONT)
    running.stop()


@pytest.fixture
def make_store(server: RedisServer) -> Iterator[MakeStore]:
    """Stores of one gateway each, with the same prefix."""
    prefix = uuid.uuid4().hex
    with ExitStack() as stack:

        def make(timeout: float = 1.0, **options: object) -> RedisStore:
            store = RedisStore(Server(port=server.port, timeout=timeout), prefix, **options)  # type: ignore[arg-type]
            stack.callback(store.close)
            return store

        yield make


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


# --- several gateways


def test_a_change_reaches_the_other_gateways(make_store: MakeStore) -> None:
    """Sets, deletes, what expires and what has to go; none of them asks the network to read."""
    one, other = (make_store(limits=lambda _: Limits(max_size=2000)).space("a") for _ in range(2))
    one.set(b"key", b"1")
    wait_until(lambda: other.get(b"key") == one.get(b"key"))
    one.delete(b"key")
    wait_until(lambda: other.get(b"key") is None)
    one.set(b"short", b"1")
    one.expire(b"short", 0.3)
    wait_until(lambda: other.get(b"short") is not None)
    wait_until(lambda: other.get(b"short") is None, 2)
    for number in range(30):
        one.set(b"%d" % number, b"v" * 100)
    wait_until(lambda: sorted(other.keys()) == sorted(one.keys()))
    assert 5 < len(one.keys()) < 12


def test_a_mismatch_brings_what_is_there(make_store: MakeStore) -> None:
    """So that a guest which reads and sets again is not behind a second time."""
    one, other = (make_store().space("a") for _ in range(2))
    one.set(b"key", b"1")
    other.replica.apply = lambda message: True  # type: ignore[method-assign] # it hears of nothing any more
    one.set(b"key", b"2")
    assert other.set(b"key", b"3", 0xFFFFFFFF) is Status.CAS_MISMATCH
    assert other.get(b"key") == one.get(b"key")


def test_an_item_wakes_the_other_gateways(make_store: MakeStore) -> None:
    """And the queue's id is the same everywhere, also where nobody has registered it."""
    woken: list[int] = []
    one, other = make_store(), make_store(wake=woken.append)
    queue = one.space("a").register_queue(b"queue")
    assert other.space("a").register_queue(b"queue") == queue
    assert one.enqueue(queue, b"item") is Status.OK
    wait_until(lambda: woken == [queue])
    third = make_store()
    third.space("a")
    assert third.dequeue(queue) == b"item"


# --- Redis is not there


def test_without_redis_nothing_is_there_and_nothing_waits(make_store: MakeStore, server: RedisServer) -> None:
    """Each call fails at once."""
    server.stop()
    store = make_store()
    space = store.space("a")
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Down):
            space.get(b"key")
        with pytest.raises(Down):
            space.set(b"key", b"1")
    queue = space.register_queue(b"queue")
    with pytest.raises(Down):
        store.enqueue(queue, b"item")
    assert time.monotonic() - began < 0.5
    server.start()
    wait_until(lambda: store.link.is_up and space.replica.is_loaded)
    wait_until(lambda: store.enqueue(queue, b"item") is Status.OK)
    assert store.dequeue(queue) == b"item"


def test_a_server_that_hangs_costs_one_budget(make_store: MakeStore, server: RedisServer) -> None:
    """Then the circuit is open: what was read last is read, and nothing waits."""
    store = make_store(timeout=0.05)
    space = store.space("a")
    space.set(b"key", b"1")
    server.signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(Down):
        space.set(b"key", b"2")
    first = time.monotonic() - began
    began = time.monotonic()
    for _ in range(1000):
        assert space.get(b"key") == (b"1", 1)
        with pytest.raises(Down):
            space.set(b"key", b"2")
    assert first < 1
    assert time.monotonic() - began < 1  # 50 s without the circuit
    server.signal(signal.SIGCONT)
    wait_until(lambda: store.link.is_up)
    assert space.set(b"key", b"3") is Status.OK


def test_an_item_whose_answer_was_lost_is_given_again(make_store: MakeStore, server: RedisServer) -> None:
    """The server had taken it out of the queue already."""
    store = make_store(timeout=0.05)
    queue = store.space("a").register_queue(b"queue")
    for item in (b"1", b"2"):
        store.enqueue(queue, item)
    server.signal(signal.SIGSTOP)
    with pytest.raises(Down):  # the server finds it in its socket when it goes on
        store.dequeue(queue)
    server.signal(signal.SIGCONT)
    wait_until(lambda: store.link.is_up)
    assert [store.dequeue(queue) for _ in range(3)] == [b"1", b"2", None]


def test_what_was_acknowledged_is_there_after_restarts_under_load(
    make_store: MakeStore, server: RedisServer
) -> None:
    """Appends by compare and swap, and items, from two gateways, while the server is stopped, killed, and started."""
    stores = [make_store(timeout=0.2) for _ in range(2)]
    acknowledged: list[bytes] = []
    enqueued: list[bytes] = []
    is_over = threading.Event()

    def load(store: RedisStore, name: bytes) -> None:
        space, number = store.space("a"), 0
        queue = space.register_queue(b"queue")
        while not is_over.is_set():
            item, number = b"%s%d" % (name, number), number + 1
            with suppress(Refused):
                value, cas = space.get(b"list") or (b"", 0xFFFFFFFF)
                if space.set(b"list", value + item + b" ", cas) is Status.OK:
                    acknowledged.append(item)
            with suppress(Refused):
                if store.enqueue(queue, item) is Status.OK:
                    enqueued.append(item)
            time.sleep(0.001)

    threads = [
        threading.Thread(target=load, args=(store, name))
        for store, name in zip(stores, (b"a", b"b"), strict=True)
    ]
    for thread in threads:
        thread.start()
    counts = []
    for number in (signal.SIGTERM, signal.SIGKILL):
        behind = len(acknowledged)
        wait_until(lambda behind=behind: len(acknowledged) > behind + 50)  # type: ignore[misc]
        server.signal(number)
        time.sleep(0.2)
        server.stop()
        server.start()
        counts.append(len(acknowledged))
    behind = len(acknowledged)
    wait_until(lambda: len(acknowledged) > behind + 50)
    is_over.set()
    for thread in threads:
        thread.join()
    checker = make_store()
    value, _ = checker.space("a").get(b"list") or (b"", 0)
    there = Counter(value.split())
    assert [item for item in acknowledged if there[item] != 1] == []
    queue = checker.space("a").register_queue(b"queue")
    items = Counter(iter(lambda: checker.dequeue(queue), None))
    assert [item for item in enqueued if items[item] != 1] == []
    assert all(count > 50 for count in counts)


def test_a_server_that_lost_everything_is_taken_as_it_is(make_store: MakeStore, server: RedisServer) -> None:
    """The replica does not keep what is no more."""
    store = make_store()
    space = store.space("a")
    space.set(b"key", b"1")
    server.stop()
    for file in (server.folder / "appendonlydir").iterdir():
        file.unlink()
    assert space.get(b"key") == (b"1", 1)  # while it is down: the last value
    server.start()
    wait_until(lambda: store.link.is_up and space.get(b"key") is None)
    assert space.set(b"key", b"2", 1) is Status.OK


# --- whole gateways


def configuration(server: RedisServer, upstream: UpstreamServer, file: Path, conf: str) -> dict[str, object]:
    """A gateway with one plugin whose vm_id is kept in Redis."""
    redis = {"port": server.port, "timeout": "500ms"}
    return {
        "wasm": {
            "plugins": [{"name": "shared", "priority": 1, "file": str(file), "vm_config": {"vm_id": "far"}}],
            "stores": {"redis": redis, "vm_ids": [{"vm_id": "far", "store": "redis"}]},
        },
        "routes": [
            {"uri": "/*", "upstream": {"nodes": {upstream.node: 1}}, "plugins": {"shared": {"conf": conf}}}
        ],
    }


def test_two_gateways_count_as_one_and_a_killed_one_takes_nothing_with_it(
    server: RedisServer, tmp_path_factory: pytest.TempPathFactory, upstream: UpstreamServer
) -> None:
    """A limit over machines. While Redis is down, requests are refused by the plugin, not by a trap."""
    conf = json.dumps({"count": 20, "time_window": 600, "key_type": "constant", "key": "k"})
    settings = configuration(server, upstream, plugin_file("rate_limit"), conf)
    with (
        ProxyServer(tmp_path_factory.mktemp("one"), settings) as one,
        ProxyServer(tmp_path_factory.mktemp("other"), settings, workers=2) as other,
    ):
        assert one.request("GET", "/").status == 200
        time.sleep(
            0.5
        )  # a guest that finds no key sets it with cas 0: until the others have it, they would, too
        statuses = [200, *(proxy.request("GET", "/").status for _ in range(7) for proxy in (one, other))]
        assert statuses == [200] * 15
        os.kill(other.gateway.workers()[0], signal.SIGKILL)
        other.gateway.wait_for("is up again")
        statuses = [proxy.request("GET", "/").status for _ in range(5) for proxy in (one, other)]
        assert Counter(statuses) == {200: 5, 429: 5}
        server.stop()
        assert one.request("GET", "/").status in (429, 500)
        one.gateway.wait_for("Redis at .* is down")
        assert not one.gateway.has("the VM has failed")
        server.start()
        one.gateway.wait_for("Redis at .* is up again")
        assert one.request("GET", "/").status == 429


def test_items_reach_one_gateway_each(
    server: RedisServer, tmp_path_factory: pytest.TempPathFactory, upstream: UpstreamServer
) -> None:
    """Both are told of every item."""
    file = tmp_path_factory.mktemp("guest") / "queue.wasm"
    file.write_bytes(wat("shared_queue"))
    settings = configuration(server, upstream, file, "c")
    with (
        ProxyServer(tmp_path_factory.mktemp("one"), settings) as one,
        ProxyServer(tmp_path_factory.mktemp("other"), settings, workers=2) as other,
    ):
        for number in range(100):
            proxy = (one, other)[number % 2]
            assert proxy.request("GET", f"/item-{number}.").status == 200
        wait_until(lambda: sum("/item-" in line for proxy in (one, other) for line in proxy.log) >= 100)
        time.sleep(0.2)
        lines = "\n".join([*one.log, *other.log])
        assert [lines.count(f"/item-{number}.") for number in range(100)] == [1] * 100


def test_without_the_extra_the_configuration_says_what_to_install(tmp_path: Path) -> None:
    """The client is no dependency of those who do not use it."""
    file = tmp_path / "sluiceway.yaml"
    file.write_text("wasm: {stores: {redis: {}}}\nroutes: []\n")
    script = (
        "import sys; sys.modules['redis'] = None\n"
        "import importlib.util as util; find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'redis' else find(name, *rest)\n"
        "from host.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "check", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'sluiceway[redis]'" in done.stderr + done.stdout
