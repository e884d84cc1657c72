"""Plugins and filters in Python on TCP connections of the gateway."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from host import config as configs
from host.errors import ConfigError
from host.proxy import Proxy, check
from testdata import relay
from tests.connection.relays import tick
from tests.e2e.gateway import run
from tests.plugin.guests import host, plugin_file, wat
from tests.tcp.gateway import echo, exchange, gateway, rest, until, upstream

FILTERS = """
from host import Action, ConnectionContext, ConnectionFilter, PythonFilter


class Upper(ConnectionFilter):
    def on_upstream_data(self, context, end_of_stream):
        context.upstream_data = context.upstream_data.upper()


class Refuses(ConnectionFilter):
    def __init__(self, configuration=b""):
        raise ValueError("not like this")


class Http(PythonFilter):
    pass
"""


def text(port: int, file: Any, conf: Any, more: str = "", **entry: Any) -> str:
    """A configuration with one plugin, on the stream route to that port."""
    plugin = json.dumps({"name": "p", "priority": 1, "file": str(file), **entry})
    use = json.dumps({"conf": conf if isinstance(conf, str) else json.dumps(conf)})
    return (
        f"wasm: {{plugins: [{plugin}]}}\n"
        f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}, plugins: {{p: {use}{more}}}}}]"
    )


def script_file(folder: Path, name: str = "relay") -> Path:
    file = folder / f"{name}.wasm"
    file.write_bytes(wat(name))
    return file


def test_the_guest_hears_and_changes_a_connection() -> None:
    """The SDK's network example: the guest in the test kit, to the end."""
    configuration = {"upstream_prefix": "* ", "quit": "bye"}
    with host("connection", configuration) as plugin:
        with plugin.connection() as connection:
            connection.new_connection()
            connection.downstream_data(b"hello")
            connection.upstream_data(b"world")
            assert connection.to_client.data == b"* world"
            connection.downstream_data(b"good bye")
            assert connection.is_closing
            assert connection.to_upstream.data == b"hello"
        assert plugin.logs() == [
            "new connection",
            "downstream: 5 bytes, end of stream: false",
            "upstream: 5 bytes, end of stream: false",
            "downstream: 8 bytes, end of stream: false",
            "downstream closed by 1",
            "upstream closed by 1",
            "done",
        ]


def test_a_plugin_rewrites_and_closes_on_the_wire() -> None:
    """The same guest behind a socket: its prefix comes, and what it let pass before it closes arrives."""
    got, arrived = asyncio.Queue[bytes](), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ready")
        first = await reader.read(1)
        arrived.set()
        got.put_nowait(first + await reader.read())

    async def test() -> None:
        conf = {"upstream_prefix": "* ", "quit": "bye"}
        async with upstream(serve) as port, gateway(text(port, plugin_file("connection"), conf)) as gate:
            reader, writer = await gate.connect()
            assert await reader.readexactly(7) == b"* ready"
            writer.write(b"hello")
            await arrived.wait()
            writer.write(b"good bye")
            assert await reader.read() == b""
            assert await got.get() == b"hello"
            writer.close()
            await until(lambda: gate.sessions == 0)

    run(test())


def test_held_data_waits_for_the_plugins_tick() -> None:
    """PAUSE, then proxy_continue_stream from a tick, with real time."""

    async def test() -> None:
        conf = {"hold": True, "tick_period_milliseconds": 50}
        async with upstream(echo) as port, gateway(text(port, plugin_file("connection"), conf)) as gate:
            for _ in range(2):
                assert await exchange(*await gate.connect(), b"held for a while") == b"held for a while"

    run(test())


def test_a_held_new_connection_connects_nobody_until_it_is_let_go(tmp_path: Path) -> None:
    """No upstream sees a client that the plugin has not let in."""
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await echo(reader, writer)

    steps = [
        ("configure", "proxy_set_tick_period_milliseconds", 300),
        *tick(("proxy_continue_stream", 2))[1:],
        ("new_connection", relay.RETURN, 1),
    ]
    conf = relay.script(*steps).decode("latin-1")

    async def test() -> None:
        file = script_file(tmp_path)
        async with upstream(serve) as port:
            # A script is bytes, and YAML is text: it comes by way of a value made in code.
            config = text(port, file, "x")
            async with gateway_with(config, conf.encode("latin-1")) as gate:
                reader, writer = await gate.connect()
                writer.write(b"early")
                await asyncio.sleep(0.1)
                assert not arrived.is_set()
                assert await exchange(reader, writer, b" late") == b"early late"

    run(test())


def gateway_with(config: str, configuration: bytes) -> Any:
    """A gateway whose only use of a plugin has this configuration."""
    loaded = configs.loads(config)
    (route,) = loaded.stream_routes
    use = dataclasses.replace(route.plugins[0], configuration=configuration)
    route = dataclasses.replace(route, plugins=(use,))
    return gateway(config, stream_routes=(route,))


@pytest.mark.parametrize("policy", ["fail_reload", "fail_closed", "fail_open"])
def test_a_plugin_that_traps_cuts_its_connection_off_and_no_other(tmp_path: Path, policy: str) -> None:
    """The listener goes on; what the next connection gets is the policy's."""

    async def test() -> None:
        file = script_file(tmp_path)
        conf = relay.script(("upstream_data", relay.TRAP))
        async with upstream(echo) as port:
            config = text(port, file, "x", failure_policy=policy)
            async with gateway_with(config, conf) as gate:
                reader, writer = await gate.connect()
                writer.write(b"x")
                assert await rest(reader) == b""
                writer.close()
                await until(lambda: gate.sessions == 0)
                reader, writer = await gate.connect()
                writer.write(b"y")
                if policy == "fail_open":
                    assert await reader.readexactly(1) == b"y"
                else:
                    assert await rest(reader) == b""
                writer.close()

    run(test())


def test_filters_in_python_take_part(tmp_path: Path) -> None:
    """python.plugins on a stream route, behind a wasm plugin of a higher priority."""
    (tmp_path / "my_stream_filters.py").write_text(FILTERS)

    async def test() -> None:
        async with upstream(echo) as port:
            wasm = json.dumps({"name": "p", "priority": 2, "file": str(plugin_file("connection"))})
            config = (
                f"wasm: {{plugins: [{wasm}]}}\n"
                f"python: {{path: ['{tmp_path}'], plugins: "
                "[{name: upper, priority: 1, class: my_stream_filters:Upper}]}\n"
                f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}, "
                "plugins: {upper: {}, p: {conf: {upstream_prefix: 'got '}}}}]"
            )
            async with gateway(config) as gate:
                assert await exchange(*await gate.connect(), b"hello") in (b"GOT HELLO", b"GOT HELLOGOT ")

    run(test())


@pytest.mark.parametrize(
    ("name", "where", "problem"),
    [
        ("Http", "stream_routes", "is no subclass of host.ConnectionFilter, which this route takes"),
        ("Upper", "routes", "is no subclass of host.PythonFilter, which this route takes"),
        ("Refuses", "stream_routes", "not like this"),
    ],
)
def test_a_filter_of_the_wrong_kind_is_a_problem_with_its_place(
    tmp_path: Path, name: str, where: str, problem: str
) -> None:
    """And the connections of that route are closed, not passed by."""
    (tmp_path / "my_stream_filters.py").write_text(FILTERS)
    uri = "uri: /, " if where == "routes" else ""
    config = (
        f"python: {{path: ['{tmp_path}'], plugins: [{{name: f, priority: 1, class: my_stream_filters:{name}}}]}}\n"
        f"{where}: [{{{uri}upstream: {{nodes: {{'127.0.0.1:1': 1}}}}, plugins: {{f: {{}}}}}}]"
    )
    (found,) = check(configs.loads(config, "c.yaml"))
    assert problem in found.message
    assert (found.line, found.path) == (2, f"{where}[0].plugins.f")


def test_a_plugin_that_does_not_come_up_closes_its_connections(tmp_path: Path) -> None:
    """As a route of requests answers 503."""

    async def test() -> None:
        async with upstream(echo) as port:
            config = configs.loads(text(port, plugin_file("fail_configure"), "fail"))
            listen = (configs.StreamListen("127.0.0.1", 0),)
            config = dataclasses.replace(config, listen=(), stream_listen=listen)
            async with Proxy(config) as proxy:
                assert len(proxy.problems) == 1
                reader, writer = await asyncio.open_connection(*proxy.stream_addresses[0])
                assert await rest(reader) == b""
                writer.close()

    run(test())


def test_a_reload_takes_new_connections_elsewhere_and_leaves_old_ones_alone() -> None:
    """A connection ends on the route, and the plugin context, that it began with."""

    async def name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
        while await reader.read(1):
            writer.write(answer)

    async def test() -> None:
        async with (
            upstream(lambda r, w: name(r, w, b"1")) as one,
            upstream(lambda r, w: name(r, w, b"2")) as two,
        ):
            guest = plugin_file("connection")
            async with gateway(text(one, guest, {"upstream_prefix": "old"})) as gate:
                reader, writer = await gate.connect()
                writer.write(b"x")
                assert await reader.readexactly(4) == b"old1"
                new = configs.loads(text(two, guest, {"upstream_prefix": "new"}))
                await gate.proxy.reload(dataclasses.replace(new, listen=()))
                other, other_writer = await gate.connect()
                other_writer.write(b"x")
                assert await other.readexactly(4) == b"new2"
                writer.write(b"x")
                assert await reader.readexactly(4) == b"old1"
                for each in (writer, other_writer):
                    each.close()
                refused = configs.loads(text(two, plugin_file("fail_configure"), "fail"))
                with pytest.raises(ConfigError):
                    await gate.proxy.reload(refused)

    run(test())


def test_a_flood_of_connections_leaves_no_context_behind() -> None:
    """A thousand short ones, fifty at once."""

    async def test() -> None:
        conf = {"upstream_prefix": ""}
        async with upstream(echo) as port, gateway(text(port, plugin_file("connection"), conf)) as gate:
            gates = asyncio.Semaphore(50)

            async def one() -> None:
                async with gates:
                    assert await exchange(*await gate.connect(), b"hello") == b"hello"

            await asyncio.gather(*(one() for _ in range(1000)))
            await until(lambda: gate.sessions == 0)
            assert gate.proxy._assembly is not None
            (plugin,) = gate.proxy._assembly.plugins.values()
            assert plugin.vm is not None
            assert plugin.vm.contexts == 1

    run(test())


def test_the_guest_pauses_in_the_test_kit_as_on_the_wire() -> None:
    """PluginHost.advance is the tick."""
    configuration = {"hold": True, "tick_period_milliseconds": 20}
    with host("connection", configuration) as plugin, plugin.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"held")
        assert connection.downstream_paused
        plugin.advance(0.02)
        assert connection.to_upstream.data == b"held"
