"""Shared data and queues over the workers of a gateway, and over its reloads."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from host.testing import ProxyServer, UpstreamServer
from tests.plugin.guests import plugin_file, wat

Start = Callable[..., ProxyServer]


def settings(
    tmp_path: Path, guest: str, upstream: UpstreamServer, vm_id: str = "shared", **stores: Any
) -> dict[str, Any]:
    """A gateway with one plugin on every path."""
    if not (file := plugin_file(guest)).exists():
        file = tmp_path / f"{guest}.wasm"
        file.write_bytes(wat(guest))
    entry = {"name": "shared", "priority": 1, "file": str(file), "vm_config": {"vm_id": vm_id}}
    return {
        "wasm": {"plugins": [entry], "stores": stores},
        "routes": [
            {
                "uri": "/*",
                "upstream": {"nodes": {upstream.node: 1}},
                "plugins": {
                    "shared": {
                        "conf": json.dumps(
                            {"count": 30, "time_window": 600, "key_type": "constant", "key": "k"}
                        )
                    }
                },
            }
        ],
    }


def answers(proxy: ProxyServer, count: int, path: str = "/{}") -> Counter[int]:
    """Statuses of so many requests: one, which makes the counter, then twenty at a time.

    A guest that finds no key has no cas for it; with 0, "whatever is there", two that make it at once would make two.
    """
    first = proxy.request("GET", path.format(0)).status
    with ThreadPoolExecutor(20) as pool:
        others = pool.map(lambda number: proxy.request("GET", path.format(number)).status, range(1, count))
        return Counter([first, *others])


def taken(proxy: ProxyServer, count: int) -> Counter[str]:
    """The items that the workers' plugins have taken out of the queue, by what they logged."""
    lines = proxy.gateway.wait_for(r"plugin.*/item-\d+|/item-\d+.*plugin", count)
    return Counter(re.findall(r"/item-\d+", "\n".join(lines)))


def test_workers_count_as_one(tmp_path: Path, proxy_server: Start, upstream: UpstreamServer) -> None:
    """A limit of 30 requests lets 30 through, whichever worker they come to and however many come at once."""
    proxy = proxy_server(settings(tmp_path, "rate_limit", upstream), workers=3)
    assert answers(proxy, 90) == {200: 30, 429: 60}


def test_what_a_killed_worker_has_counted_stays(
    tmp_path: Path, proxy_server: Start, upstream: UpstreamServer
) -> None:
    """SIGKILL, while others count."""
    proxy = proxy_server(settings(tmp_path, "rate_limit", upstream), workers=2)
    assert answers(proxy, 20) == {200: 20}
    for _ in range(2):
        victim = proxy.gateway.workers()[0]
        os.kill(victim, signal.SIGKILL)
        proxy.gateway.wait_for(r"worker \d is up again", 1 + _)
    assert answers(proxy, 40) == {200: 10, 429: 30}


def test_items_reach_one_worker_each(tmp_path: Path, proxy_server: Start, upstream: UpstreamServer) -> None:
    """Every worker is told of every item; one gets it."""
    proxy = proxy_server(settings(tmp_path, "shared_queue", upstream), workers=2)
    assert answers(proxy, 200, "/item-{}") == {200: 200}
    assert taken(proxy, 200) == Counter(f"/item-{number}" for number in range(200))
    assert proxy.request("GET", "/item-200").status == 200
    assert taken(proxy, 201)["/item-200"] == 1


def test_items_survive_a_worker_that_is_killed(
    tmp_path: Path, proxy_server: Start, upstream: UpstreamServer
) -> None:
    """What was put into the queue and acknowledged is taken once, whoever has died meanwhile; what the dead one had
    taken and not logged yet is gone with it."""
    proxy = proxy_server(settings(tmp_path, "shared_queue", upstream), workers=2)
    acknowledged: list[int] = []

    def send(number: int) -> None:
        try:
            if proxy.request("GET", f"/item-{number}").status == 200:
                acknowledged.append(number)
        except OSError:
            pass  # its connection died with the worker

    victim = proxy.gateway.workers()[0]
    killer = threading.Timer(0.1, os.kill, (victim, signal.SIGKILL))
    killer.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(300)))
    killer.join()
    found = taken(proxy, len(acknowledged) - 32)  # lines of the dead one that were not written yet
    assert max(found.values()) == 1
    assert len(acknowledged) > 200


def test_shared_data_end_with_the_last_plugin_of_their_vm_id(
    tmp_path: Path, proxy_server: Start, upstream: UpstreamServer
) -> None:
    """A reload that keeps the vm_id keeps them, one that drops it drops them."""
    proxy = proxy_server(settings(tmp_path, "rate_limit", upstream), workers=2)
    assert answers(proxy, 40) == {200: 30, 429: 10}
    changed = settings(tmp_path, "rate_limit", upstream, max_size="1m")
    proxy.reload(changed)
    assert answers(proxy, 10) == {429: 10}
    proxy.reload(settings(tmp_path, "rate_limit", upstream, vm_id="other"))
    assert answers(proxy, 40) == {200: 30, 429: 10}
    proxy.reload(settings(tmp_path, "rate_limit", upstream))
    assert answers(proxy, 40) == {200: 30, 429: 10}


def test_a_database_with_a_path_outlives_the_gateway(
    tmp_path: Path, proxy_server: Start, upstream: UpstreamServer
) -> None:
    """And one without leaves nothing behind."""
    kept = settings(tmp_path, "rate_limit", upstream, lmdb={"path": "state"})
    before = set(Path("/dev/shm").glob("sluiceway-*"))
    with ProxyServer(tmp_path, kept, workers=2) as proxy:
        assert answers(proxy, 40) == {200: 30, 429: 10}
        proxy.gateway.signal(signal.SIGTERM)
        assert proxy.gateway.stopped() == 0
    with ProxyServer(tmp_path, kept, workers=1) as proxy:
        assert answers(proxy, 10) == {429: 10}
    with ProxyServer(tmp_path, settings(tmp_path, "rate_limit", upstream), workers=2) as proxy:
        assert answers(proxy, 40) == {200: 30, 429: 10}
        proxy.gateway.signal(signal.SIGTERM)
        assert proxy.gateway.stopped() == 0
    after = {folder for folder in Path("/dev/shm").glob("sluiceway-*") if folder not in before}
    assert not after
