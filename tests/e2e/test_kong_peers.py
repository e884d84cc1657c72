"""Plugin servers that are not there, hang, lie, break off or are started anew: what the gateway answers, and that it
goes on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest

from abi.protobuf import delimited
from host.config import StreamListen
from host.proxy import Proxy
from tests.e2e.embedded import Client, ask, echo, load, serve_origin
from tests.e2e.gateway import run
from tests.e2e.kong_peer import DUMP, MessagePackConnection, ProtobufConnection, Server, server

BOTH = pytest.mark.parametrize("protocol", ["MsgPack:1", "ProtoBuf:1"])
MIB = 1 << 20


@asynccontextmanager
async def gateway(section: dict[str, Any], *messages: str) -> AsyncIterator[Proxy]:
    """A gateway with a route for each message, under /MESSAGE."""
    async with serve_origin(echo) as port:
        upstream = {"nodes": {f"127.0.0.1:{port}": 1}}
        routes = [
            {"uri": f"/{text}/*", "upstream": upstream, "plugins": {"p": {"config": {"message": text}}}}
            for text in messages or ("a",)
        ]
        async with Proxy(load(json.dumps({"kong": section, "routes": routes}))) as proxy:
            assert proxy.problems == []
            yield proxy


@BOTH
def test_two_routes_have_their_own_configurations(protocol: str, tmp_path: Path) -> None:
    """Whichever comes first; instances are started once, and connections kept."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section(), "a", "b") as proxy:
            for _ in range(3):
                for text in ("a", "b"):
                    answer = await ask(proxy, f"/{text}/x")
                    assert (answer.status, answer.field(b"x-message")) == (200, text.encode())
            assert sorted(each["message"] for each in peer.instances.values()) == ["a", "b"]
            assert peer.connections <= 2

    run(test())


@BOTH
def test_no_server(protocol: str, tmp_path: Path) -> None:
    """503 until it is there, and then no more."""

    async def test() -> None:
        peer = Server(tmp_path / "s.sock", protocol)
        async with gateway(peer.section()) as proxy:
            answer = await ask(proxy, "/a/x")
            assert answer.status == 503
            assert json.loads(answer.body) == {"message": "The plugin server is currently unavailable"}
            await peer.listen()
            assert (await ask(proxy, "/a/x")).field(b"x-message") == b"a"
            await peer.stop()

    run(test())


@BOTH
def test_a_restart_between_requests_costs_none(protocol: str, tmp_path: Path) -> None:
    """Numbers of the last run are used no more: with them, route b would be handled under route a's configuration."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section(), "a", "b") as proxy:
            for order in (("a", "b"), ("b", "a"), ("a", "b")):
                for text in order:
                    answer = await ask(proxy, f"/{text}/x")
                    assert (answer.status, answer.field(b"x-message")) == (200, text.encode())
                await peer.restart()

    run(test())


@BOTH
def test_a_restart_between_start_and_call(protocol: str, tmp_path: Path) -> None:
    """The event that the new run gets is for an instance that the new run has started."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section(), "a", "b") as proxy:
            say = peer.on_event
            assert (await ask(proxy, "/b/x")).field(
                b"x-message"
            ) == b"b"  # so that a's number is not the first

            async def restart(connection: Any, number: int, instance: int) -> None:
                peer.on_event = say
                asyncio.get_running_loop().create_task(peer.restart())
                await asyncio.Event().wait()

            peer.on_event = restart
            answer = await ask(proxy, "/a/x")
            assert (answer.status, answer.field(b"x-message")) == (200, b"a")
            assert (await ask(proxy, "/b/x")).field(b"x-message") == b"b"

    run(test())


@BOTH
def test_an_instance_that_is_lost_is_started_again(protocol: str, tmp_path: Path) -> None:
    """Servers drop instances by age; the request is not the one to pay for it."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section()) as proxy:
            for _ in range(3):
                answer = await ask(proxy, "/a/x")
                assert (answer.status, answer.field(b"x-message")) == (200, b"a")
                peer.instances.clear()
            assert len(peer.events) == 5

    run(test())


@BOTH
def test_a_server_that_loses_every_instance_is_not_asked_for_ever(protocol: str, tmp_path: Path) -> None:
    """A few times, then 500. By Protocol Buffers this cannot be told from a server that is being started anew."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section()) as proxy:
            peer.start = lambda configuration, number=None: 77 if number is None else number  # type: ignore[method-assign]
            assert (await ask(proxy, "/a/x")).status == 500
            assert len(peer.events) == (2 if protocol == "MsgPack:1" else 3)

    run(test())


async def _hang(connection: Any, number: int, instance: int) -> None:
    await asyncio.Event().wait()


async def _close(connection: Any, number: int, instance: int) -> None:
    raise EOFError


async def _half(connection: Any, number: int, instance: int) -> None:
    await connection.raw(b"\x94\x01" if isinstance(connection, MessagePackConnection) else b"\x05\0\0\0ab")
    raise EOFError


async def _half_and_hang(connection: Any, number: int, instance: int) -> None:
    await connection.raw(b"\x94\x01" if isinstance(connection, MessagePackConnection) else b"\x05\0\0\0ab")
    await asyncio.Event().wait()


async def _garbage(connection: Any, number: int, instance: int) -> None:
    await connection.raw(b"\xc1HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.Event().wait()


async def _for_another(connection: Any, number: int, instance: int) -> None:
    if isinstance(connection, ProtobufConnection):
        await connection.send(b"")
    await connection.reply(
        number + 1, {"EventId": 1, "Data": "ret"} if isinstance(connection, MessagePackConnection) else None
    )
    await asyncio.Event().wait()


async def _twice(connection: Any, number: int, instance: int) -> None:
    if isinstance(connection, MessagePackConnection):
        message = msgpack.packb([1, number, None, {"EventId": 1, "Data": "ret"}])
        await connection.raw(message * 2)
    else:
        await connection.raw(b"\0\0\0\0" + b"\x02\0\0\0\x08\x03" * 2)
    await asyncio.Event().wait()


async def _too_much(connection: Any, number: int, instance: int) -> None:
    if isinstance(connection, MessagePackConnection):
        await connection.raw(msgpack.packb([1, number, None, {"EventId": 1, "Data": b"x" * (16 * MIB)}]))
    else:
        await connection.raw((16 * MIB).to_bytes(4, "little") + b"x" * (16 * MIB))


async def _nested(connection: Any, number: int, instance: int) -> None:
    if isinstance(connection, MessagePackConnection):
        await connection.raw(b"\x91" * 100_000)
    else:
        value = delimited(b"\x1a", b"x")
        for _ in range(200):
            value = delimited(b"\x32", delimited(b"\x0a", value))
        await connection.ask(
            number, "kong.ctx.shared.set", delimited(b"\x0a", b"k") + delimited(b"\x12", value)
        )
    await asyncio.Event().wait()


async def _no_event(connection: Any, number: int, instance: int) -> None:
    if isinstance(connection, MessagePackConnection):
        await connection.reply(number, ["EventId", "Data"])
    else:
        await connection.raw(
            b"\x03\0\0\0abc" + b"\x01\0\0\0\xff"
        )  # a method's name, and arguments that are no message
    await asyncio.Event().wait()


async def _for_ever(connection: Any, number: int, instance: int) -> None:
    while True:
        if isinstance(connection, MessagePackConnection):
            number, _ = await connection.ask(number, "kong.request.get_method")
        else:
            number, _ = await connection.ask(number, "kong.request.get_method")


BAD = [
    _hang,
    _close,
    _half,
    _half_and_hang,
    _garbage,
    _for_another,
    _twice,
    _too_much,
    _nested,
    _no_event,
    _for_ever,
]


@BOTH
@pytest.mark.parametrize("bad", BAD, ids=lambda function: function.__name__.strip("_"))
def test_a_server_that_answers_badly(bad: Any, protocol: str, tmp_path: Path) -> None:
    """500 for that request alone: what else may come on its connection reaches no other."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer:
            section = peer.section(event_timeout="5s" if bad is _for_ever else "300ms")
            async with gateway(section, "a", "b") as proxy:
                say = peer.on_event
                assert (await ask(proxy, "/a/x")).status == 200
                peer.on_event = bad
                answer = await ask(proxy, "/b/x")
                assert (answer.status, answer.field(b"x-message")) == (500, None)
                assert json.loads(answer.body) == {"message": "An unexpected error occurred"}
                peer.on_event = say
                for text in ("b", "a"):
                    answer = await ask(proxy, f"/{text}/x")
                    assert (answer.status, answer.field(b"x-message")) == (200, text.encode())

    run(test())


@BOTH
def test_an_answer_that_comes_late_is_nobodys(protocol: str, tmp_path: Path) -> None:
    """It comes on a connection that is closed."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section(event_timeout="200ms")) as proxy:
            say, may_answer = peer.on_event, asyncio.Event()

            async def late(connection: Any, number: int, instance: int) -> None:
                await may_answer.wait()
                await connection.say(number, instance)

            peer.on_event = late
            assert (await ask(proxy, "/a/x")).status == 500
            peer.on_event = say
            may_answer.set()
            for _ in range(3):
                answer = await ask(proxy, "/a/x")
                assert (answer.status, answer.field(b"x-message")) == (200, b"a")

    run(test())


@BOTH
def test_the_connection_ends_behind_an_exit(protocol: str, tmp_path: Path) -> None:
    """go-pdk closes it; the answer stands."""

    async def leave(connection: Any, number: int, instance: int) -> None:
        if isinstance(connection, MessagePackConnection):
            await connection.reply(
                number,
                {
                    "EventId": 1,
                    "Data": {"Method": "kong.response.exit", "Args": [418, "tea", {"X-E": [1, 2]}]},
                },
            )
            return
        await connection.send(b"kong.response.exit")
        await connection.send(b"\x08\xa2\x03\x12\x03tea")
        assert await connection.receive() == b""
        raise EOFError

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section()) as proxy:
            peer.on_event = leave
            for _ in range(3):
                answer = await ask(proxy, "/a/x")
                assert (answer.status, answer.body) == (418, b"tea")

    run(test())


def test_what_a_plugin_is_refused_it_is_told(tmp_path: Path) -> None:
    """By StepError; the event goes on."""
    told: list[Any] = []

    async def refused(connection: MessagePackConnection, number: int, instance: int) -> None:
        for method, arguments in (
            ("kong.nothing.at_all", []),
            ("kong.response.get_status", []),
            ("kong.request.get_header", [5]),
        ):
            number, value = await connection.ask(number, method, *arguments)
            told.append(str(value))
        number, value = await connection.ask(number, "kong.request.get_headers")
        told.append(value)
        await connection.finish(number)

    async def test() -> None:
        async with server(tmp_path, "MsgPack:1") as peer, gateway(peer.section()) as proxy:
            peer.on_event = refused
            assert (await ask(proxy, "/a/x", fields="X-Odd: caf\xe9\r\n")).status == 200
            assert told[:3] == [
                "not supported by this host: kong.nothing.at_all",
                "function cannot be called in access phase (only in: log, response)",
                "header name must be a string",
            ]
            assert told[3]["host"] == ["a"]
            assert told[3]["x-odd"] == ["caf\xe9".encode()] or told[3]["x-odd"] == ["café"]

    run(test())


@BOTH
def test_a_client_that_leaves_takes_its_event_along(protocol: str, tmp_path: Path) -> None:
    """The connection to the server is closed, as its answer would be for nobody."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section(event_timeout="60s")) as proxy:
            has_begun, say = asyncio.Event(), peer.on_event

            async def hang(connection: Any, number: int, instance: int) -> None:
                has_begun.set()
                await connection.reader.read(1)
                raise EOFError

            peer.on_event = hang
            client = await Client.to(proxy.address)
            client.writer.write(b"GET /a/x HTTP/1.1\r\nHost: a\r\n\r\n")
            await has_begun.wait()
            client.close()
            async with asyncio.timeout(5):
                while peer.connections:  # noqa: ASYNC110 - the server's side of it
                    await asyncio.sleep(0.01)
            peer.on_event = say
            assert (await ask(proxy, "/a/x")).status == 200

    run(test())


@BOTH
def test_a_body_that_is_too_long(protocol: str, tmp_path: Path) -> None:
    """413, and nobody waits for it."""

    async def read(connection: Any, number: int, instance: int) -> None:
        number, body = await connection.ask(number, "kong.request.get_raw_body")
        if isinstance(connection, MessagePackConnection):
            number, _ = await connection.ask(number, "kong.service.request.set_raw_body", body.upper())
        else:
            text = body[body.index(b"text") :] if b"text" in body else body
            number, _ = await connection.ask(
                number, "kong.service.request.set_raw_body", delimited(b"\x0a", text.upper())
            )
        await connection.finish(number)

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, gateway(peer.section(max_body_size=1000)) as proxy:
            peer.on_event = read
            assert (await ask(proxy, "/a/x", "POST", body=b"text")).body == b"TEXT"
            assert (await ask(proxy, "/a/x", "POST", body=b"x" * 2000)).status == 413
            assert (await ask(proxy, "/a/x", "POST", body=b"text")).body == b"TEXT"

    run(test())


def test_a_slow_client_is_not_the_servers_fault(tmp_path: Path) -> None:
    """What a plugin waits for here does not count against its server."""

    async def read(connection: MessagePackConnection, number: int, instance: int) -> None:
        number, body = await connection.ask(number, "kong.request.get_raw_body")
        number, _ = await connection.ask(number, "kong.response.set_header", "x-message", body)
        await connection.finish(number)

    async def test() -> None:
        async with (
            server(tmp_path, "MsgPack:1") as peer,
            gateway(peer.section(event_timeout="200ms")) as proxy,
        ):
            peer.on_event = read
            client = await Client.to(proxy.address)
            client.writer.write(b"POST /a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nte")
            await asyncio.sleep(0.5)
            client.writer.write(b"xt")
            answer = await client.answer()
            assert (answer.status, answer.field(b"x-message"), answer.body) == (200, b"text", b"text")
            client.close()

    run(test())


@BOTH
def test_events_run_side_by_side_and_their_number_is_bounded(protocol: str, tmp_path: Path) -> None:
    """With two connections, the third waits for one of them, and gets its answer."""

    async def test() -> None:
        async with (
            server(tmp_path, protocol) as peer,
            gateway(peer.section(connections=2, event_timeout="5s")) as proxy,
        ):
            running, most, may_end, say = 0, 0, asyncio.Event(), peer.on_event

            async def slow(connection: Any, number: int, instance: int) -> None:
                nonlocal running, most
                running += 1
                most = max(most, running)
                if running == 2:
                    may_end.set()
                await may_end.wait()
                running -= 1
                await say(connection, number, instance)

            peer.on_event = slow
            answers = await asyncio.gather(*(ask(proxy, "/a/x") for _ in range(8)))
            assert [answer.status for answer in answers] == [200] * 8
            assert most == 2
            assert len(peer.instances) == 1

    run(test())


@pytest.mark.parametrize(
    ("dump", "command", "expected"),
    [
        ({}, "false", "ended with status 1"),
        ({}, "printf 'no flag\\n  -dum\\n' >&2; exit 2", "ended with status 2: no flag / -dum"),
        ({}, "no-such-command-anywhere", "the command was not found"),
        ({}, "echo '{'", "is no JSON: '{'"),
        ({}, "true", "is empty"),
        ({}, "sleep 60", "took over 0.5 s"),
        ({}, "head -c 5000000 /dev/zero", "is more than 4194304 bytes"),
        (
            {},
            "echo '[{}]'; echo plugin was built with a different version >&2",
            "has a plugin without a Name",
        ),
        ({"Name": ""}, "", "has a plugin with an empty Name: the server could not open it"),
        ({"Name": "q"}, "", "no plugin server has p"),
        ({"Schema": {}}, "", "has no schema of config for plugin 'p'"),
        ({"Phases": ["certificate", "access"]}, "", "has phase certificate, which is not served"),
        ({"Phases": ["init_worker"]}, "", "has phases that are not known: init_worker"),
        ({"Priority": "high"}, "", "has no number as Priority"),
    ],
)
def test_what_fails_at_load(dump: dict[str, Any], command: str, expected: str, tmp_path: Path) -> None:
    """The plugin's line in the configuration is told, with the reason; its routes answer 503."""

    async def test() -> None:
        peer = Server(tmp_path / "s.sock", "MsgPack:1")
        section = peer.section(dump=dump, query_timeout="500ms" if "sleep" in command else "10s")
        if command:
            section["pluginserver_s_query_cmd"] = command
        routes = [{"uri": "/*", "upstream": {"nodes": {"127.0.0.1:1": 1}}, "plugins": {"p": {"config": {}}}}]
        async with Proxy(load(json.dumps({"kong": section, "routes": routes}))) as proxy:
            assert len(proxy.problems) == 1
            assert expected in str(proxy.problems[0])
            assert str(proxy.problems[0]).startswith("<text>:1: kong.plugins: ")
            assert (await ask(proxy, "/")).status == 503

    run(test())


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"message": 5}, "config.message: expected a string, got 5"),
        ({"n": "5"}, "config.n: expected an integer, got '5'"),
        ({"n": True}, "config.n: expected an integer, got true"),
        ({"other": 1}, "config.other: unknown field; the plugin has: message, n"),
    ],
)
def test_what_a_schema_refuses(configuration: Any, expected: str, tmp_path: Path) -> None:
    """Before a server sees it: one in Go would only hang up."""

    async def test() -> None:
        async with server(tmp_path, "ProtoBuf:1") as peer:
            routes = [
                {
                    "uri": "/*",
                    "upstream": {"nodes": {"127.0.0.1:1": 1}},
                    "plugins": {"p": {"config": configuration}},
                }
            ]
            async with Proxy(load(json.dumps({"kong": peer.section(), "routes": routes}))) as proxy:
                assert [each.message for each in proxy.problems] == [f"plugin p: {expected}"]
                assert proxy.problems[0].path == "routes[0].plugins.p"
                assert (await ask(proxy, "/")).status == 503
            assert peer.events == []

    run(test())


@BOTH
def test_a_new_configuration_gets_a_new_instance(protocol: str, tmp_path: Path) -> None:
    """And the old one is closed, once the last exchange on it has ended."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer, serve_origin(echo) as port:

            def text(message: str) -> str:
                upstream = {"nodes": {f"127.0.0.1:{port}": 1}}
                routes = [
                    {"uri": "/*", "upstream": upstream, "plugins": {"p": {"config": {"message": message}}}}
                ]
                return json.dumps({"kong": peer.section(), "routes": routes})

            async with Proxy(load(text("a"))) as proxy:
                assert (await ask(proxy, "/")).field(b"x-message") == b"a"
                (old,) = peer.instances
                await proxy.reload(load(text("b")))
                assert (await ask(proxy, "/")).field(b"x-message") == b"b"
                import gc

                gc.collect()
                async with asyncio.timeout(5):
                    while old not in peer.closed:  # noqa: ASYNC110 - the server's side of it
                        await asyncio.sleep(0.01)
                assert peer.closed == [old]

    run(test())


def test_the_phases_of_a_plugin(tmp_path: Path) -> None:
    """rewrite, access, response and log in their order, on one state; a plugin without a phase is not asked for it."""
    seen: list[Any] = []

    async def phases(connection: MessagePackConnection, number: int, instance: int) -> None:
        phase = connection.server.events[-1][0]
        number, before = await connection.ask(number, "kong.ctx.shared.get", "trail")
        number, _ = await connection.ask(number, "kong.ctx.shared.set", "trail", (before or "") + phase[0])
        if phase == "access":
            number, _ = await connection.ask(number, "kong.client.authenticate", {"id": "c"}, {"id": "k"})
        if phase == "response":
            number, consumer = await connection.ask(number, "kong.client.get_consumer")
            assert consumer == {"id": "c"}
            number, body = await connection.ask(number, "kong.service.response.get_raw_body")
            number, _ = await connection.ask(number, "kong.response.set_raw_body", body * 2)
            number, _ = await connection.ask(number, "kong.response.set_status", 201)
            number, trail = await connection.ask(number, "kong.ctx.shared.get", "trail")
            number, _ = await connection.ask(number, "kong.response.set_header", "x-trail", trail)
        if phase == "log":
            number, line = await connection.ask(number, "kong.log.serialize")
            seen.append((before, json.loads(line)))
        await connection.finish(number)

    async def test() -> None:
        phases_of = {"Phases": ["log", "response", "access", "rewrite"]}
        async with server(tmp_path, "MsgPack:1") as peer, gateway(peer.section(dump=phases_of)) as proxy:
            peer.on_event = phases
            answer = await ask(proxy, "/a/x?q=1")
            assert (answer.status, answer.body, answer.field(b"x-trail")) == (201, b"/a/x?q=1" * 2, b"rar")
            async with asyncio.timeout(5):
                while not seen:  # noqa: ASYNC110 - nobody waits for the log phase
                    await asyncio.sleep(0.01)
            trail, line = seen[0]
            assert trail == "rar"
            assert (line["response"]["status"], line["request"]["uri"]) == (201, "/a/x?q=1")
            assert line["consumer"] == {"id": "c"}
            assert line["authenticated_entity"] == {"id": "k", "consumer_id": None}
            assert [phase for phase, _ in peer.events] == ["rewrite", "access", "response", "log"]

    run(test())


def test_dump_is_what_the_double_says() -> None:
    """The double has the fields that the tests above leave as they are."""
    assert DUMP["Phases"] == ["access"]


DECLARATIVE = """
_format_version: "3.0"
services:
  - name: shop
    url: http://127.0.0.1:PORT/api
    routes:
      - {name: goods, paths: [/goods]}
      - {name: whole, paths: [/whole], strip_path: false, preserve_host: true}
plugins:
  - {name: p, config: {message: all}}
consumers:
  - {username: ann, custom_id: a-1}
"""


def test_a_declarative_file_on_the_wire(tmp_path: Path) -> None:
    """Paths lose the route's prefix and get the service's; plugins are told of route, service and consumers."""
    told: list[Any] = []

    async def asks(connection: MessagePackConnection, number: int, instance: int) -> None:
        for method, arguments in (
            ("kong.router.get_route", []),
            ("kong.router.get_service", []),
            ("kong.request.get_path", []),
            ("kong.request.get_forwarded_prefix", []),
            ("kong.client.load_consumer", ["ann", True]),
        ):
            number, value = await connection.ask(number, method, *arguments)
            told.append(value)
        await connection.say(number, instance)

    async def test() -> None:
        async with server(tmp_path, "MsgPack:1") as peer, serve_origin(echo) as port:
            (tmp_path / "kong.yml").write_text(DECLARATIVE.replace("PORT", str(port)))
            section = peer.section(declarative_config=str(tmp_path / "kong.yml"))
            async with Proxy(load(json.dumps({"kong": section, "routes": []}))) as proxy:
                assert proxy.problems == []
                for path, asked in (
                    ("/goods/1?x=2", b"/api/1?x=2"),
                    ("/goods", b"/api"),
                    ("/goods/", b"/api/"),
                    ("/goodsx", b"/api/x"),
                    ("/%67oods/1", b"/api/1"),
                    ("/whole/1", b"/api/whole/1"),
                ):
                    answer = await ask(proxy, path)
                    assert (answer.status, answer.body, answer.field(b"x-message")) == (200, asked, b"all"), (
                        path
                    )
                assert (await ask(proxy, "/other")).status == 404
                peer.on_event = asks
                assert (await ask(proxy, "/goods/1")).status == 200
                route, service, path, prefix, consumer = told
                assert (route["name"], route["paths"], route["strip_path"]) == ("goods", ["/goods"], True)
                assert (service["name"], service["host"], service["port"], service["path"]) == (
                    "shop", "127.0.0.1", port, "/api",
                )  # fmt: skip
                assert route["service"] == {"id": service["id"]}
                assert (path, prefix) == ("/goods/1", "/goods")
                assert (consumer["username"], consumer["custom_id"]) == ("ann", "a-1")

    run(test())


@asynccontextmanager
async def stream_gateway(section: dict[str, Any]) -> AsyncIterator[Proxy]:
    """A gateway with one stream route, to an origin that greets."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        await reader.read(1)

    async with serve_origin(greet) as port:
        routes = [
            {"upstream": {"nodes": {f"127.0.0.1:{port}": 1}}, "plugins": {"p": {"config": {"message": "a"}}}}
        ]
        apisix = {"proxy_mode": "http&stream", "stream_proxy": {"tcp": ["127.0.0.1:1"]}}
        config = load(json.dumps({"kong": section, "apisix": apisix, "routes": [], "stream_routes": routes}))
        config = dataclasses.replace(config, stream_listen=(StreamListen("127.0.0.1", 0),))
        async with Proxy(config) as proxy:
            yield proxy


async def _connect(proxy: Proxy) -> bytes:
    """What a client of the stream route reads."""
    reader, writer = await asyncio.open_connection(*proxy.stream_addresses[0])
    try:
        return await reader.readline()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@BOTH
def test_preread_on_a_stream_route(protocol: str, tmp_path: Path) -> None:
    """The connection waits for the plugin, which may end it; a server that hangs ends it too."""

    async def test() -> None:
        async with server(tmp_path, protocol) as peer:
            section = peer.section(dump={"Phases": ["preread"]}, event_timeout="300ms")
            async with stream_gateway(section) as proxy:
                assert proxy.problems == []

                async def ask_where(connection: Any, number: int, instance: int) -> None:
                    number, value = await connection.ask(number, "kong.client.get_ip")
                    assert value in ("127.0.0.1", delimited(b"\x0a", b"127.0.0.1"))
                    await connection.finish(number)

                async def leave(connection: Any, number: int, instance: int) -> None:
                    if isinstance(connection, MessagePackConnection):
                        asked = {"Method": "kong.response.exit", "Args": [403]}
                        await connection.reply(number, {"EventId": 1, "Data": asked})
                    else:
                        await connection.send(b"kong.response.exit")
                        await connection.send(b"\x08\x93\x03")

                peer.on_event = ask_where
                assert await _connect(proxy) == b"hello\n"
                peer.on_event = leave
                assert await _connect(proxy) == b""
                peer.on_event = _hang
                assert await _connect(proxy) == b""
                peer.on_event = ask_where
                assert await _connect(proxy) == b"hello\n"
                assert {phase for phase, _ in peer.events} - {"sluiceway_probe"} == {"preread"}

    run(test())


def test_phases_where_they_do_not_belong(tmp_path: Path) -> None:
    """A plugin without preread on a stream route, and one with nothing else on a route of HTTP."""

    async def test() -> None:
        async with server(tmp_path, "MsgPack:1") as peer:
            async with stream_gateway(peer.section()) as proxy:
                (problem,) = proxy.problems
                assert problem.message == "plugin p has nothing to do here: stream_routes take phase preread"
            routes = [
                {"uri": "/", "upstream": {"nodes": {"127.0.0.1:1": 1}}, "plugins": {"p": {"config": {}}}}
            ]
            section = peer.section(dump={"Phases": ["preread"]})
            async with Proxy(load(json.dumps({"kong": section, "routes": routes}))) as proxy:
                (problem,) = proxy.problems
                assert problem.message == "plugin p has nothing to do here: preread is for stream_routes"

    run(test())
