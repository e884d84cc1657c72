"""A plugin that fails on one route while another route is under traffic: the other one never notices."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter

import pytest

from host.proxy import Proxy
from tests.e2e.embedded import Client, ask, echo, load, plugin, serve_origin
from tests.e2e.gateway import run

FAILING = {
    "trap": {"phase": "request_headers", "kind": "index", "header": "x-fail"},
    "endless_loop": {"phase": "request_headers", "header": "x-fail"},
    "memory_bomb": {"phase": "request_headers", "header": "x-fail"},
}


def configuration(port: int, name: str, policy: str) -> str:
    """The failing plugin on /bad, another one on /good."""
    node = f"upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}"
    header = json.dumps({"headers": [{"name": "x-good", "value": "1"}]})
    return (
        "wasm:\n  plugins:\n"
        f"    - {{name: bad, priority: 1, file: {plugin(name)}, failure_policy: {policy}, max_memory_size: 16m}}\n"
        f"    - {{name: good, priority: 1, file: {plugin('custom_response_header')}}}\n"
        "routes:\n"
        f"  - {{uri: /bad, {node}, plugins: {{bad: {{conf: '{json.dumps(FAILING[name])}'}}}}}}\n"
        f"  - {{uri: /good, {node}, plugins: {{good: {{conf: '{header}'}}}}}}\n"
    )


async def traffic(proxy: Proxy, stop: asyncio.Event) -> list[float]:
    """Ask the good route without a pause; returns how long each answer took."""
    client, waits = await Client.to(proxy.address), []
    while not stop.is_set() and len(waits) < 900:
        began = time.monotonic()
        answer = await client.ask("/good")
        assert (answer.status, answer.field(b"x-good")) == (200, b"1")
        waits.append(time.monotonic() - began)
        await asyncio.sleep(0.001)
    client.close()
    return waits


async def spare_ready(proxy: Proxy) -> None:
    """Wait for the failing plugin's spare VM."""
    assert proxy._assembly is not None
    (bad,) = [each for entry, each in proxy._assembly.plugins.items() if entry.name == "bad"]
    for _ in range(1000):
        if bad.spare is not None:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no spare VM")


@pytest.mark.parametrize("name", sorted(FAILING))
def test_a_failing_plugin_costs_its_own_request_and_no_other(name: str) -> None:
    """That request gets 503, the next one is served by the spare VM, the other route answers 200 throughout."""

    async def test() -> None:
        async with (
            serve_origin(echo) as port,
            Proxy(load(configuration(port, name, "fail_reload"))) as proxy,
        ):
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                clients = [group.create_task(traffic(proxy, stop)) for _ in range(4)]
                await spare_ready(proxy)
                for _ in range(2):
                    assert (await ask(proxy, "/bad")).status == 200
                    failed = await ask(proxy, "/bad", fields="x-fail: 1\r\n")
                    assert (failed.status, failed.body) == (503, b"")
                    assert (await ask(proxy, "/bad")).status == 200
                    await spare_ready(proxy)
                await asyncio.sleep(0.05)
                stop.set()
            waits = [wait for each in clients for wait in each.result()]
            assert len(waits) > 20
            # A loop is interrupted after 10 ms of CPU time; all else leaves room for a slow machine.
            assert sorted(waits)[len(waits) // 2] < 0.25

    run(test())


def test_a_trap_on_a_tenth_of_the_requests_costs_no_other_route_one() -> None:
    """1,000 requests on each route, in turn. The pauses between reloads cost the failing route more than its traps."""

    async def test() -> None:
        async with (
            serve_origin(echo) as port,
            Proxy(load(configuration(port, "trap", "fail_reload"))) as proxy,
        ):
            client = await Client.to(proxy.address)
            statuses: dict[str, Counter[int]] = {"/bad": Counter(), "/good": Counter()}
            for number in range(1000):
                fails = "" if number % 10 else "x-fail: 1\r\n"
                statuses["/bad"][(await client.ask("/bad", fields=fails)).status] += 1
                statuses["/good"][(await client.ask("/good")).status] += 1
                if number % 400 == 399:  # a connection serves 1,000 requests
                    client.close()
                    client = await Client.to(proxy.address)
            client.close()
            assert proxy._assembly is not None
            failures = {entry.name: each.failures for entry, each in proxy._assembly.plugins.items()}
            assert statuses["/good"] == {200: 1000}
            assert failures["good"] == 0
            assert statuses["/bad"].keys() == {200, 503}
            assert statuses["/bad"][503] >= 100
            assert failures["bad"] >= 2

    run(test())


@pytest.mark.parametrize(("policy", "status"), [("fail_closed", 503), ("fail_open", 200)])
def test_without_a_reload_the_policy_decides(policy: str, status: int) -> None:
    """The plugin's VM stays dead: 503 from then on, or requests pass it by."""

    async def test() -> None:
        async with serve_origin(echo) as port, Proxy(load(configuration(port, "trap", policy))) as proxy:
            assert (await ask(proxy, "/bad")).status == 200
            assert (await ask(proxy, "/bad", fields="x-fail: 1\r\n")).status == 503
            for _ in range(3):
                assert (await ask(proxy, "/bad")).status == status
            assert (await ask(proxy, "/good")).status == 200

    run(test())


def test_a_reload_brings_a_closed_plugin_back() -> None:
    """And not to life for ever: it fails closed again."""

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = configuration(port, "trap", "fail_closed")
            async with Proxy(load(text)) as proxy:
                for _ in range(2):
                    assert (await ask(proxy, "/bad")).status == 200
                    assert (await ask(proxy, "/bad", fields="x-fail: 1\r\n")).status == 503
                    assert (await ask(proxy, "/bad")).status == 503
                    await proxy.reload(load(text))

    run(test())
