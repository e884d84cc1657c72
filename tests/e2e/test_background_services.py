"""Plugins that run without traffic."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from host.errors import ConfigError
from host.proxy import Proxy, check
from tests.e2e.embedded import RecordingLog, ask, load, plugin
from tests.e2e.gateway import run
from tests.e2e.process import running

TICKING = '{"tick_period_milliseconds": 20}'


def services(name: str, *uses: str, more: str = "") -> str:
    """A configuration with this plugin as a service, and no route."""
    return (
        f"wasm:\n  plugins: [{{name: p, priority: 1, file: {plugin(name)}, log_level: trace}}]\n"
        f"  services: {{{', '.join(uses)}}}\n{more}routes: []\n"
    )


async def until(log: RecordingLog, message: str, count: int = 1) -> None:
    """Wait until the line was logged so often."""
    end = time.monotonic() + 10
    while sum(message in line for line in log.messages) < count:
        assert time.monotonic() < end, log.messages
        await asyncio.sleep(0.01)


def callbacks(log: RecordingLog) -> list[str]:
    """What has been called on the VM that serves: all lines of the lifecycle plugin."""
    return [line for line in log.messages if line.startswith("proxy_on_")]


def test_a_service_is_configured_and_ticks_without_traffic() -> None:
    """Envoy's WasmService: there is no route at all."""

    async def test() -> None:
        log = RecordingLog()
        async with Proxy(load(services("ticks", f"p: {{conf: '{TICKING}'}}")), log=log) as proxy:
            assert proxy.problems == []
            await until(log, "tick", 3)
            assert {row[2] for row in log.rows} == {""}
            assert (await ask(proxy, "/")).status == 404

    run(test())


def test_a_service_goes_on_over_a_reload_and_ends_when_it_is_taken_out() -> None:
    """The context stays with its configuration; another configuration is another context."""

    async def test() -> None:
        log = RecordingLog()
        async with Proxy(load(services("lifecycle", "p: {conf: a}")), log=log) as proxy:
            await proxy.reload(load(services("lifecycle", "p: {conf: a}")))
            assert not any("proxy_on_done" in line or "(2, " in line for line in callbacks(log))
            await proxy.reload(load(services("lifecycle", "p: {conf: bb}")))
            assert "proxy_on_configure(2, 2)" in callbacks(log)
            await until(log, "proxy_on_delete(1)")
            await proxy.reload(load(services("lifecycle")))
            await until(log, "proxy_on_delete(2)")

    run(test())


def test_a_plugin_is_a_service_and_a_filter_at_once() -> None:
    """Two contexts on one VM: what the service learns the filter can use."""

    async def test() -> None:
        log = RecordingLog()
        rules = "global_rules: [{id: g, plugins: {p: {conf: filter}}}]\n"
        async with Proxy(load(services("lifecycle", "p: {conf: service}", more=rules)), log=log) as proxy:
            await ask(proxy, "/")
        created = [line for line in callbacks(log) if "context_create" in line and ", 0)" not in line]
        assert created == ["proxy_on_context_create(3, 1)"]

    run(test())


def test_a_service_that_does_not_come_up_is_a_problem_with_its_place() -> None:
    """`check` and a reload refuse it; at the start it is told, and the rest is served."""
    text = services("fail_configure", "p: {conf: fail}")
    (problem,) = check(load(text))
    assert problem.path == "wasm.services.p"
    assert "proxy_on_configure returned false" in problem.message

    async def test() -> None:
        async with Proxy(load("routes: []")) as proxy:
            with pytest.raises(ConfigError, match=r"wasm\.services\.p"):
                await proxy.reload(load(text))

    run(test())


def test_each_worker_has_a_service_and_the_first_alone_a_singleton(tmp_path: Path) -> None:
    """Which comes back with its worker."""
    file = plugin("lifecycle")
    (tmp_path / "c.yaml").write_text(
        "workers: 2\nwasm:\n  plugins:\n"
        f"    - {{name: once, priority: 1, file: {file}, log_level: trace}}\n"
        f"    - {{name: each, priority: 1, file: {file}, log_level: trace}}\n"
        "  services: {once: {conf: abc, singleton: true}, each: {conf: abcd}}\nroutes: []\n"
    )
    with running(tmp_path / "c.yaml", "--listen", "127.0.0.1:0") as gateway:
        gateway.serving()
        assert len(gateway.wait_for(r"plugin=each .*proxy_on_configure\(1, 4\)", 2)) == 2
        assert len(gateway.wait_for(r"plugin=once .*proxy_on_configure\(1, 3\)", 1)) == 1
        first, _ = gateway.workers()
        os.kill(first, signal.SIGKILL)
        gateway.wait_for(r"worker 0 is up again", 1)
        assert len(gateway.wait_for(r"plugin=once .*proxy_on_configure\(1, 3\)", 2)) == 2
