"""Calls of plugins over real sockets: what is sent, what comes back, and callees that misbehave."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from abi.pairs import encode_pairs
from host.config import Config, Listen, Node, PluginUse, Route, Upstream, WasmPlugin
from host.http.deadlines import Deadlines
from host.proxy import Proxy
from testdata.relay import SCRATCH, script
from tests.e2e.callees import Callee, gateway, listening, report, response, told
from tests.e2e.embedded import ask, echo, messages_of, serve_origin
from tests.e2e.gateway import run
from tests.plugin.guests import wat

OK = response(b"yes")


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def reports(
    callee: Any, configuration: dict[str, Any] | None = None, **options: Any
) -> tuple[dict[str, str], bytes]:
    """What the guest says of one call to this callee."""
    result: list[tuple[dict[str, str], bytes]] = []

    async def test() -> None:
        async with listening(callee) as port:
            result.append(await report(configuration or {}, callee=port, **options))

    run(test())
    return result[0]


# --- the request


def test_the_request_is_the_guests_own() -> None:
    """Host is :authority, the length is counted, nothing tells of a client. EH AsyncCall; K 130-26."""
    callee = Callee(OK)
    reports(callee, {"method": "POST", "path": "/check?a=b", "authority": "who.test:81", "body": "hello world",
                     "headers": [["x-own", "1"], ["content-length", "3"], ["connection", "x"], ["host", "other"]]})  # fmt: skip
    assert callee.requests == [
        b"POST /check?a=b HTTP/1.1\r\nHost: who.test:81\r\nx-own: 1\r\nx-original-method: GET\r\nx-original-path: /\r\n"
        b"Content-Length: 11\r\n\r\nhello world"
    ]


def test_a_request_with_trailers_is_chunked() -> None:
    """RFC 9112, 7.1.2: there is no other way to send them."""
    callee = Callee(OK)
    reports(callee, {"method": "PUT", "body": "hello", "trailers": [["x-sum", "1"], ["x-end", "2"]]})
    assert callee.requests[0].endswith(
        b"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\nx-end: 2\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "length"), [("GET", b""), ("POST", b"Content-Length: 0\r\n"), ("DELETE", b"")]
)
def test_a_request_without_body_says_so_where_one_is_expected(method: str, length: bytes) -> None:
    """RFC 9110, 8.6."""
    callee = Callee(OK)
    reports(callee, {"method": method})
    assert callee.requests[0].endswith(b"x-original-path: /\r\n" + length + b"\r\n")


def test_upstreams_are_called_by_id_and_by_name() -> None:
    """Whether or not a route leads there."""
    assert reports(Callee(OK))[0]["status"] == "200"
    assert reports(Callee(OK), {"upstream": "the-auth", "authority": "a"})[0]["status"] == "200"


def test_calls_share_connections() -> None:
    """One after the other on one, as many as there are at once."""

    async def test() -> None:
        callee = Callee(OK, delay=0.02)
        async with (
            listening(callee) as port,
            gateway({"upstream": "auth", "report": True, "calls": 10}, callee=port) as proxy,
        ):
            for _ in range(3):
                assert told(await ask(proxy))[0]["status"] == "200"
        assert (len(callee.requests), callee.connections) == (30, 10)

    run(test())


# --- the response


def test_a_response_reaches_the_guest() -> None:
    """An error status is one like others; a 1xx is none."""
    body = b"not\0text"
    answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(body, b"503 No", b"X-A: b\r\n")
    fields, received = reports(Callee(answer))
    assert received == body
    assert (fields["status"], fields["body"], fields["failure"], fields["message"]) == ("503", "8", "", "0")


def test_a_chunked_response_with_trailers_reaches_the_guest() -> None:
    """Trailers are map 7."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"
    fields, body = reports(Callee(answer))
    assert (body, fields["body"], fields["trailers"]) == (b"abcde", "5", "1 x-sum=5")


def test_a_response_that_ends_with_its_connection_reaches_the_guest() -> None:
    """HTTP/1.0's way."""
    fields, body = reports(Callee(b"HTTP/1.0 200 OK\r\n\r\nall there is", keep=False))
    assert (fields["status"], body) == ("200", b"all there is")


def test_a_response_to_head_has_no_body() -> None:
    """Whatever its Content-Length says; the connection serves the next call."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"

    async def test() -> None:
        callee = Callee(head)
        async with (
            listening(callee) as port,
            gateway({"upstream": "auth", "report": True, "method": "HEAD"}, callee=port) as proxy,
        ):
            for _ in range(2):
                fields, _ = told(await ask(proxy))
                assert (fields["status"], fields["body"]) == ("200", "0")
        assert callee.connections == 1

    run(test())


# --- what the example is for


def test_a_request_waits_for_its_permission() -> None:
    """The origin sees it with what the callee adds; without permission it sees nothing. X forward-auth 2-7."""
    seen: list[bytes] = []

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(response(b"secret"))

    async def judge(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            if b"authorization: good" in request.lower():
                writer.write(response(fields=b"X-User: mary\r\n"))
            else:
                writer.write(response(b"who are you?\n", b"401 Unauthorized"))

    async def test() -> None:
        configuration = {"upstream": "auth", "forward": ["authorization"], "copy": ["x-user"]}
        async with (
            listening(judge) as port,
            serve_origin(origin) as origin_port,
            gateway(configuration, callee=port, origin=origin_port) as proxy,
        ):
            refused = await ask(proxy, fields="X-User: admin\r\n")
            assert (refused.status, refused.body) == (401, b"who are you?\n")
            assert seen == []
            granted = await ask(proxy, fields="Authorization: good\r\nX-User: admin\r\n")
            assert (granted.status, granted.body) == (200, b"secret")
            assert b"X-User: mary\r\n" in seen[0]
            assert b"admin" not in seen[0]

    run(test())


def test_a_client_that_leaves_takes_nothing_along() -> None:
    """The answer finds the stream gone; the next request is served as ever."""

    async def test() -> None:
        callee = Callee(OK, delay=0.1)
        async with (
            listening(callee) as port,
            serve_origin(echo) as origin,
            gateway({"upstream": "auth"}, callee=port, origin=origin) as proxy,
        ):
            for _ in range(5):
                _, writer = await asyncio.open_connection(*proxy.address)
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                await asyncio.sleep(0.02)
                writer.transport.abort()
            await asyncio.sleep(0.2)
            assert len(callee.requests) == 5
            assert (await ask(proxy, "/on")).body == b"/on"

    run(test())


# --- failures, each with its reason


async def _resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER 0: RST
    writer.transport.abort()


async def _closes_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def _drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.01)


FAILURES = {
    "reset": (_resets, "broken connection", "broken connection"),
    "close without a byte": (Callee(b" ", keep=False), "broken connection", "broken connection"),
    "close in the body": (_closes_in_the_body, "broken connection", "broken connection"),
    "garbage": (Callee(b"\x16\x03\x01\0\xff garbage\r\n\r\n"), "reader failure", "malformed protocol version"),
    "NUL in a field": (Callee(b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n"), "reader failure", "control character"),
    "two lengths": (Callee(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "reader failure", "more than one"),
    "bad chunk": (Callee(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "reader failure", "malformed chunked"),
    "endless head": (Callee(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000), "reader failure", "too"),
    "endless 1xx": (Callee(b"HTTP/1.1 100 Continue\r\n\r\n" * 50), "reader failure", "too many 1xx"),
    "101 unasked": (Callee(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "reader failure", "101"),
    "endless body": (_endless, "response too large", "more than 65536 bytes"),
    "large body": (Callee(response(b"x" * 65537)), "response too large", "65537 bytes"),
    "hang": (Callee(b""), "timeout", "timeout"),
    "drip": (_drips, "timeout", "timeout"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_callee_that_misbehaves_is_a_failure_with_its_reason(name: str) -> None:
    """0, 0, 0, the number of Envoy with a text, and :dispatch_status. K 130-40, 130-43, 131-6; ngx_wasm_module#622."""
    callee, failure, text = FAILURES[name]
    began = time.monotonic()
    fields, body = reports(callee, {"timeout_milliseconds": 300}, callouts={"max_response_size": 65536})
    assert time.monotonic() - began < 5
    assert (fields["failure"], fields["status"], body) == (failure, "0", b"")
    assert (fields["fields"], fields["body"], fields["trailers"][0]) == ("0", "0", "0")
    number, _, message = fields["message"].partition(" ")
    assert number == "11"
    assert message.startswith(failure)
    assert text in message


def test_a_callee_that_is_not_there_is_a_failure() -> None:
    """K 130-12; A 4."""
    result: list[Any] = []

    async def test() -> None:
        result.append(await report({}, callee=free_port()))

    run(test())
    fields, _ = result[0]
    assert fields["failure"] == "connection refused"
    assert "onnection refused" in fields["message"]


def test_a_name_that_nobody_knows_is_a_failure() -> None:
    """RFC 6761: `.invalid` never resolves. K 130-22, 131-5."""
    result: list[Any] = []

    async def test() -> None:
        result.append(
            await report({"upstream": "nobody.invalid:80", "timeout_milliseconds": 8000},
                         callouts={"allow": ["*.invalid:*"]})
        )  # fmt: skip

    run(test())
    assert result[0][0]["failure"] == "resolver failure"


def test_a_connection_that_does_not_come_about_is_a_timeout() -> None:
    """A listener whose queue is full drops what comes. K 131-1."""
    result: list[Any] = []

    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            waiting = [socket.socket() for _ in range(4)]
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(("127.0.0.1", port))
            began = time.monotonic()
            result.append(await report({"timeout_milliseconds": 200}, callee=port))
            assert time.monotonic() - began < 3
            for each in waiting:
                each.close()

    run(test())
    assert result[0][0]["failure"] == "timeout"


def test_the_longest_timeout_is_the_operators() -> None:
    """A guest that waits for ever waits no longer."""
    began = time.monotonic()
    fields, _ = reports(Callee(b""), {"timeout_milliseconds": 0}, callouts={"timeout": "200ms"})
    assert fields["failure"] == "timeout"
    assert time.monotonic() - began < 3


def test_a_node_that_is_down_is_passed_over() -> None:
    """Calls try the next node, as requests of clients do."""

    async def test() -> None:
        async with listening(Callee(OK)) as port:
            nodes = {"nodes": {f"127.0.0.1:{free_port()}": 1, f"127.0.0.1:{port}": 1}}
            async with gateway({"upstream": "auth", "report": True}, upstream=nodes) as proxy:
                for _ in range(4):
                    assert told(await ask(proxy))[0]["status"] == "200"

    run(test())


@pytest.mark.parametrize(("method", "expected"), [("GET", "200"), ("POST", "0")])
def test_an_idle_connection_that_was_closed_is_no_failure_of_an_idempotent_call(
    method: str, expected: str
) -> None:
    """The server closes just as the request goes out: only what may be repeated is."""

    async def closes_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")  # the second request of this connection gets no answer

    async def test() -> None:
        async with (
            listening(closes_second) as port,
            gateway({"upstream": "auth", "report": True, "method": method}, callee=port) as proxy,
        ):
            assert told(await ask(proxy))[0]["status"] == "200"
            assert told(await ask(proxy))[0]["status"] == expected

    run(test())


# --- targets of the plugin's own


def test_an_address_needs_permission(caplog: pytest.LogCaptureFixture) -> None:
    """503 by the guest: its call is a bad argument; the operator reads which."""

    async def test() -> None:
        callee = Callee(OK)
        async with listening(callee) as port:
            target = f"127.0.0.1:{port}"
            async with gateway({"upstream": target}) as proxy:
                assert (await ask(proxy)).status == 503
            assert callee.requests == []
            fields, _ = await report({"upstream": target}, callouts={"allow": [target]})
            assert fields["status"] == "200"

    run(test())
    (line,) = [text for text in messages_of(caplog, "sluiceway.plugin") if "no call to" in text]
    assert "is not in callouts.allow" in line


def test_unix_sockets_are_called(tmp_path: Path) -> None:
    """K 130-18, 130-25."""
    path = tmp_path / "callee.sock"

    async def test() -> None:
        callee = Callee(OK)
        server = await asyncio.start_unix_server(callee, path)
        target = f"unix:{path}"
        configuration = {"upstream": target, "authority": "local"}
        fields, body = await report(configuration, callouts={"allow": [target]})
        assert (fields["status"], body) == ("200", b"yes")
        assert b"Host: local\r\n" in callee.requests[0]
        server.close()
        path.unlink(missing_ok=True)
        fields, _ = await report(configuration, callouts={"allow": [target]})
        assert fields["failure"] == "connection refused"

    run(test())


def test_ipv6_addresses_are_called() -> None:
    """In brackets."""

    async def test() -> None:
        server = await asyncio.start_server(Callee(OK), "::1", 0)
        target = f"[::1]:{server.sockets[0].getsockname()[1]}"
        fields, _ = await report({"upstream": target, "authority": "v6"}, callouts={"allow": [target]})
        assert fields["status"] == "200"
        server.close()

    run(test())


# --- floods


def test_a_flood_of_calls_exhausts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """10,000 calls to a callee that never answers: as many sockets as are allowed, and the gateway goes on."""

    async def test() -> None:
        callee = Callee(b"")
        async with listening(callee, backlog=200) as port:
            configuration = {
                "upstream": "auth",
                "calls": 10_000,
                "timeout_milliseconds": 2000,
                "report": True,
            }
            options = {"max_calls": 50}
            async with gateway(configuration, callee=port, callouts=options) as proxy:
                answer = await ask(proxy)  # the guest stops at the first that is refused
                assert answer.status == 503
                assert b"no call" in answer.body
                await asyncio.sleep(2.5)  # the first ones have connected, and given up
                assert callee.connections == 50
                again = await ask(proxy)
                assert again.status == 503
        assert callee.connections <= 100

    run(test())
    told_of = [text for text in messages_of(caplog, "sluiceway.plugin") if "50 calls are in flight" in text]
    assert len(told_of) == 2


def test_nothing_is_left_of_calls_that_are_over() -> None:
    """No connection that nobody watches, when the gateway has closed."""
    watched: list[Deadlines] = []

    async def test() -> None:
        async with listening(Callee(OK, delay=0.3)) as port:
            async with gateway({"upstream": "auth", "report": True, "calls": 20}, callee=port) as proxy:
                assert proxy._around is not None
                watched.append(proxy._around.deadlines)
                request = asyncio.create_task(ask(proxy))
                await asyncio.sleep(0.1)
                request.cancel()
            await asyncio.sleep(0.1)

    run(test())
    assert len(watched[0]) == 0


# --- the plugin's life


def _relay(folder: Path, *steps: Any) -> tuple[WasmPlugin, PluginUse]:
    """A relay with this script, as a plugin and its use."""
    file = folder / "relay.wasm"
    file.write_bytes(wat("relay"))
    return WasmPlugin(name="relay", file=file), PluginUse(name="relay", configuration=script(*steps))


def _call(upstream: bytes) -> tuple[Any, ...]:
    pairs = encode_pairs([(b":method", b"GET"), (b":path", b"/hello"), (b":authority", b"a")])
    return ("proxy_http_call", upstream, pairs, b"", b"", 5000, SCRATCH)


def _config(use: PluginUse, entry: WasmPlugin, port: int, **upstream: Any) -> Config:
    auth = Upstream(id="upstreams/auth", nodes=(Node("127.0.0.1", port),), **upstream)
    listen = (Listen("127.0.0.1", 0),)
    route = Route(id="1", uris=("/*",), plugins=(use,), upstream=auth)
    return Config(listen=listen, plugins=(entry,), routes=(route,), upstreams=(auth,))


def test_a_plugin_calls_while_it_starts(tmp_path: Path) -> None:
    """Once, when its VM serves: not the one that tries the configuration, nor the spare; ticks call too."""

    async def test() -> None:
        steps = [
            ("configure", *_call(b"auth")),
            ("configure", "proxy_set_tick_period_milliseconds", 30),
            ("tick", *_call(b"auth")),
            ("tick", "proxy_set_tick_period_milliseconds", 0),
        ]
        entry, use = _relay(tmp_path, *steps)
        callee = Callee(OK)
        async with listening(callee) as port, Proxy(_config(use, entry, port)) as proxy:
            assert proxy.problems == []
            await asyncio.sleep(0.3)
            assert len(callee.requests) == 2

    run(test())


def test_after_a_reload_calls_go_where_the_new_configuration_says(tmp_path: Path) -> None:
    """The plugin itself has not changed, and is not started again."""

    async def test() -> None:
        entry, use = _relay(tmp_path, ("request_headers", *_call(b"auth")))
        old, new = Callee(OK), Callee(OK)
        async with (
            listening(old) as old_port,
            listening(new) as new_port,
            Proxy(_config(use, entry, old_port)) as proxy,
        ):
            await ask(proxy)
            await proxy.reload(_config(use, entry, new_port))
            await ask(proxy)
            await asyncio.sleep(0.05)
            assert [sum(b"/hello" in each for each in callee.requests) for callee in (old, new)] == [1, 1]

    run(test())


def test_a_plugin_that_is_gone_calls_nobody_any_more(tmp_path: Path) -> None:
    """Its calls in flight end with it."""

    async def test() -> None:
        entry, use = _relay(tmp_path, ("request_headers", *_call(b"auth")))
        callee = Callee(b"")
        async with listening(callee) as port:
            config = _config(use, entry, port)
            async with Proxy(config) as proxy:
                request = asyncio.create_task(ask(proxy))
                await asyncio.sleep(0.1)
                assert callee.connections == 2  # the call, and the request itself
                request.cancel()
                await asyncio.sleep(0.05)
                without = dataclasses.replace(config.routes[0], plugins=())
                await proxy.reload(dataclasses.replace(config, plugins=(), routes=(without,)))
                await asyncio.sleep(0.2)
                assert proxy._around is not None
                idle = len(proxy._around.deadlines)
                assert idle == 0, "a connection of a call is still watched"

    run(test())
