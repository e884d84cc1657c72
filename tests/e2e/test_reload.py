"""A configuration changes while the gateway serves: what is equal goes on, what is new comes up first, nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import time
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from host.errors import ConfigError
from host.proxy import Proxy
from tests.e2e.embedded import Client, RecordingLog, ask, echo, load, plugin, serve_origin
from tests.e2e.gateway import run


def one_route(port: int, name: str, file: str, conf: str, more: str = "") -> str:
    """One plugin on one route."""
    return (
        f"wasm: {{plugins: [{{name: {name}, priority: 1, file: {file}, log_level: trace}}]}}\n"
        f"routes:\n  - {{id: r, uri: /*, upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}, "
        f"plugins: {{{name}: {{conf: '{conf}'}}}}}}\n{more}"
    )


def header(value: str) -> str:
    """A configuration of custom_response_header."""
    return f'{{"headers":[{{"name":"X-Go-Wasm","value":"{value}"}}]}}'


async def until(condition: object, seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_changed_configuration_gets_a_context_of_its_own() -> None:
    """A request in flight ends on the old one, which is then done and deleted; new requests have the new one."""
    log = RecordingLog()

    async def test() -> None:
        async with (
            serve_origin(echo) as port,
            Proxy(load(one_route(port, "life", plugin("lifecycle"), "a")), log=log) as proxy,
        ):
            slow = asyncio.create_task(ask(proxy, "/slow/0.5", fields="X-Request-Id: slow\r\n"))
            await until(lambda: any(row[2] == "slow" for row in log.rows))
            log.rows.clear()
            await proxy.reload(load(one_route(port, "life", plugin("lifecycle"), "bb")))
            assert "proxy_on_configure(3, 2)" in log.messages  # on the VM that serves: 1 and 2 are taken
            assert not any("proxy_on_done(1)" in message for message in log.messages)
            assert (await ask(proxy, "/new", fields="X-Request-Id: new\r\n")).body == b"/new"
            assert next(row[3] for row in log.rows if row[2] == "new") == "proxy_on_context_create(4, 3)"
            assert (await slow).body == b"/slow/0.5"
            await until(lambda: "proxy_on_delete(1)" in log.messages)
            ends = [
                message
                for message in log.messages
                if message.startswith(("proxy_on_log", "proxy_on_do", "proxy_on_de"))
            ]
            assert ends[-6:] == [
                "proxy_on_log(2)", "proxy_on_done(2)", "proxy_on_delete(2)",
                "proxy_on_done(1)", "proxy_on_log(1)", "proxy_on_delete(1)",
            ]  # fmt: skip

    run(test())


def test_what_has_not_changed_is_left_alone() -> None:
    """No context is made or ended, connections to the upstream are kept, filters in Python go on."""
    log = RecordingLog()

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = one_route(port, "life", plugin("lifecycle"), "a")
            async with Proxy(load(text), log=log) as proxy:
                await ask(proxy)
                assembly = proxy._assembly
                assert assembly is not None
                (own,) = assembly.plugins.values()
                await until(lambda: own.spare is not None)
                log.rows.clear()
                (upstream,) = assembly.upstreams.made.values()
                (idle,) = upstream.nodes[0].idle
                await proxy.reload(load(text))
                assert proxy._assembly is not assembly
                await ask(proxy)
                await until(lambda: len(log.rows) >= 7)
                assert all(row[2] for row in log.rows), log.rows  # of the request, not of the plugin context
                assert idle.requests == 2

    run(test())


def test_a_changed_file_gets_a_vm_of_its_own(tmp_path: Path) -> None:
    """The requests in flight end on the old one."""
    log = RecordingLog()
    file = tmp_path / "plugin.wasm"
    shutil.copy(plugin("lifecycle"), file)

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = one_route(port, "life", str(file), header("a"))
            async with Proxy(load(text), log=log) as proxy:
                slow = asyncio.create_task(ask(proxy, "/slow/0.3", fields="X-Request-Id: slow\r\n"))
                await until(lambda: any(row[2] == "slow" for row in log.rows))
                replaced = tmp_path / "new.wasm"
                shutil.copy(plugin("custom_response_header"), replaced)
                os.replace(replaced, file)
                await proxy.reload(load(text))
                assert (await ask(proxy)).field(b"x-go-wasm") == b"a"
                answer = await slow
                assert (answer.body, answer.field(b"x-go-wasm")) == (b"/slow/0.3", None)
                await until(lambda: "proxy_on_delete(1)" in log.messages)

    run(test())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text, tmp: text.replace(plugin("fail_configure"), f"{tmp}/broken.wasm"), "not a WebAssembly"),
        (lambda text, tmp: text.replace("conf: 'ok'", "conf: 'fail'"), "proxy_on_configure returned false"),
        (lambda text, tmp: text.replace(plugin("fail_configure"), plugin("fail_vm_start")), "proxy_on_vm_start"),
        (lambda text, tmp: text.replace("name: p,", "name: p, vm_config: {configuration: x},")
            .replace(plugin("fail_configure"), f"{tmp}/traps.wasm"), "trap"),
    ],
    ids=["file", "configuration", "vm_start", "start"],
)  # fmt: skip
def test_what_does_not_come_up_changes_nothing(change: object, reason: str, tmp_path: Path) -> None:
    """ConfigError with the place and the reason; the old configuration serves on, and can be changed later."""
    (tmp_path / "broken.wasm").write_bytes(b"\0asm")
    traps = (Path(__file__).parents[2] / "testdata/wat/start_traps.wat").read_text()
    (tmp_path / "traps.wasm").write_bytes(wat2wasm(traps))

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = one_route(port, "p", plugin("fail_configure"), "ok")
            async with Proxy(load(text)) as proxy:
                assert (await ask(proxy)).field(b"x-configuration") == b"ok"
                with pytest.raises(ConfigError, match=reason) as caught:
                    await proxy.reload(load(change(text, tmp_path)))  # type: ignore[operator]
                (problem,) = caught.value.problems
                assert (problem.file, problem.line) == ("<text>", 3 if "[0].plugins" in problem.path else 1)
                assert (await ask(proxy)).field(b"x-configuration") == b"ok"
                await proxy.reload(load(text.replace("conf: 'ok'", "conf: 'good'")))
                assert (await ask(proxy)).field(b"x-configuration") == b"good"

    run(test())


def test_what_others_refuse_is_dropped() -> None:
    """It has come up here and served nobody; nothing of it is left, and the next one is taken."""

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = [
                one_route(port, "h", plugin("custom_response_header"), header(f"v{n}")) for n in range(40)
            ]
            async with Proxy(load(text[0])) as proxy:
                seen = []

                async def agreed(answer: bool) -> bool:
                    seen.append((await ask(proxy)).field(b"x-go-wasm"))
                    return answer

                for each in text[1:]:
                    assert not await proxy.reload(load(each), lambda: agreed(False))
                assert set(seen) == {b"v0"}
                assert proxy._assembly is not None
                (own,) = proxy._assembly.plugins.values()
                vm = own.vm
                assert vm is not None
                await until(lambda: vm.contexts == 1)
                with pytest.raises(OSError, match="lost"):
                    await proxy.reload(load(text[1]), _lost)
                assert (await ask(proxy)).field(b"x-go-wasm") == b"v0"
                await until(lambda: vm.contexts == 1)
                assert await proxy.reload(load(text[1]), lambda: agreed(True))
                assert (await ask(proxy)).field(b"x-go-wasm") == b"v1"

    run(test())


async def _lost() -> bool:
    raise OSError("lost")


def test_what_does_not_work_already_refuses_nothing_if_told_so(tmp_path: Path) -> None:
    """A route that has never come up; one that breaks now does refuse."""

    async def test() -> None:
        async with serve_origin(echo) as port:
            bad = one_route(port, "p", plugin("fail_configure"), "fail")
            good = f"  - {{id: good, uri: /good, upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}}}\n"
            async with Proxy(load(bad)) as proxy:
                assert (await ask(proxy)).status == 503
                with pytest.raises(ConfigError):
                    await proxy.reload(load(bad + good))
                assert await proxy.reload(load(bad + good), tolerant=True)
                assert [(await ask(proxy, path)).status for path in ("/x", "/good")] == [503, 200]
                worse = good.replace("good,", "worse,").replace("/good", "/worse")
                worse = worse.replace("}}}\n", "}}, plugins: {p: {conf: fail}}}\n")
                with pytest.raises(ConfigError) as caught:
                    await proxy.reload(load(bad + good + worse), tolerant=True)
                (problem,) = caught.value.problems
                assert problem.path == "routes[2].plugins.p"
                assert await proxy.reload(load(bad.replace("'fail'", "'ok'")), tolerant=True)
                assert (await ask(proxy)).status == 200

    run(test())


def test_routes_come_and_go() -> None:
    """From the reload's return on, for connections that are open as well."""

    async def test() -> None:
        async with serve_origin(echo) as port:
            node = f"upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}"
            first, second = f"  - {{uri: /a, {node}}}\n", f"  - {{uri: /b, {node}}}\n"
            async with Proxy(load(f"routes:\n{first}")) as proxy:
                client = await Client.to(proxy.address)
                assert [(await client.ask(path)).status for path in ("/a", "/b")] == [200, 404]
                await proxy.reload(load(f"routes:\n{first}{second}"))
                assert [(await client.ask(path)).status for path in ("/a", "/b")] == [200, 200]
                await proxy.reload(load(f"routes:\n{second}"))
                assert [(await client.ask(path)).status for path in ("/a", "/b")] == [404, 200]
                client.close()

    run(test())


def test_no_request_fails_while_configurations_change() -> None:
    """Twenty clients without a pause, ten reloads with changed configurations: every answer is a right one."""

    async def client(proxy: Proxy, stop: asyncio.Event) -> int:
        connection, count = await Client.to(proxy.address), 0
        while not stop.is_set():
            answer = await connection.ask(f"/{count}")
            assert (answer.status, answer.body) == (200, f"/{count}".encode())
            assert (answer.field(b"x-go-wasm") or b"").startswith(b"v")
            count += 1
        connection.close()
        return count

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = [
                one_route(port, "h", plugin("custom_response_header"), header(f"v{n}")) for n in range(10)
            ]
            async with Proxy(load(text[0])) as proxy:
                stop = asyncio.Event()
                async with asyncio.TaskGroup() as group:
                    clients = [group.create_task(client(proxy, stop)) for _ in range(20)]
                    for each in text:
                        await proxy.reload(load(each))
                        await asyncio.sleep(0.02)
                    stop.set()
                assert min(each.result() for each in clients) > 5
                assert (await ask(proxy)).field(b"x-go-wasm") == b"v9"

    run(test())


SLOW = """(module
  (func (export "proxy_abi_version_0_2_1"))
  (memory (export "memory") 1)
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (local $left i64)
    (local.set $left (i64.const LOOPS))
    (loop $more
      (local.set $left (i64.sub (local.get $left) (i64.const 1)))
      (br_if $more (i64.ne (local.get $left) (i64.const 0))))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"""


def test_requests_do_not_wait_for_a_plugin_that_is_slow_to_configure(tmp_path: Path) -> None:
    """It takes its new configuration off the loop, on a VM of its own: no answer waits for as long as that takes."""
    file = tmp_path / "slow.wasm"
    file.write_bytes(wat2wasm(SLOW.replace("LOOPS", "200000000")))

    async def test() -> None:
        async with serve_origin(echo) as port, Proxy(load(one_route(port, "slow", str(file), "a"))) as proxy:
            client = await Client.to(proxy.address)
            began = time.monotonic()
            reload = asyncio.create_task(proxy.reload(load(one_route(port, "slow", str(file), "b"))))
            waits = []
            while not reload.done():
                asked = time.monotonic()
                assert (await client.ask("/x")).status == 200
                waits.append(time.monotonic() - asked)
                await asyncio.sleep(0.01)
            await reload
            took = time.monotonic() - began
            assert took > 0.2, "the guest is not slow enough for this machine"
            assert len(waits) > 5
            assert max(waits) < took / 3
            client.close()

    run(test())


def resident() -> int:
    """Bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_fifty_reloads_leave_nothing_behind() -> None:
    """VMs, plugin contexts, file descriptors and memory stay what they were."""

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = [
                one_route(port, "h", plugin("custom_response_header"), header(f"v{n}")) for n in range(60)
            ]
            async with Proxy(load(text[0])) as proxy:
                for each in text[1:10]:
                    await proxy.reload(load(each))
                    await ask(proxy)
                await asyncio.sleep(0.2)
                before, files = resident(), len(os.listdir("/proc/self/fd"))
                for each in text[10:]:
                    await proxy.reload(load(each))
                    assert (await ask(proxy)).status == 200
                await asyncio.sleep(0.2)
                assert proxy._assembly is not None
                (own,) = proxy._assembly.plugins.values()
                assert own.vm is not None
                assert own.vm.contexts == 1
                assert len(os.listdir("/proc/self/fd")) <= files + 2
                assert resident() - before < 4_000_000

    run(test())


def test_fifty_reloads_with_another_plugin_each_leave_nothing_behind() -> None:
    """The same, where each reload makes a VM: its name changes."""

    async def test() -> None:
        async with serve_origin(echo) as port:
            text = [
                one_route(port, f"h{n}", plugin("custom_response_header"), header("v")) for n in range(60)
            ]
            async with Proxy(load(text[0])) as proxy:
                for each in text[1:10]:
                    await proxy.reload(load(each))
                    await ask(proxy)
                await asyncio.sleep(0.2)
                before, files = resident(), len(os.listdir("/proc/self/fd"))
                for each in text[10:]:
                    await proxy.reload(load(each))
                    assert (await ask(proxy)).status == 200
                await asyncio.sleep(0.2)
                assert len(os.listdir("/proc/self/fd")) <= files + 2
                assert resident() - before < 8_000_000

    run(test())
