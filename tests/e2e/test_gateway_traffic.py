"""HTTP through plugins on real sockets: bodies of any size, trailers, upgrades, local responses, and their log lines."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from typing import Any

import pytest

from host.log import Log, Writer
from host.proxy import Proxy
from tests.e2e.embedded import Client, RecordingLog, ask, echo, load, plugin, serve_origin
from tests.e2e.gateway import run

MIB = 1 << 20


def route(port: int, name: str, conf: Any, more: str = "") -> str:
    """One plugin of testdata on one route."""
    return (
        f"wasm: {{plugins: [{{name: p, priority: 1, file: {plugin(name)}, log_level: trace}}]}}\n"
        f"routes: [{{uri: /*, upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}{more}, "
        f"plugins: {{p: {{conf: {json.dumps(json.dumps(conf) if not isinstance(conf, str) else conf)}}}}}}}]\n"
    )


HEADER = {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}


def test_a_rewritten_body_has_the_right_length() -> None:
    """Buffered edits are counted anew, in both directions; chunk-wise ones are counted or chunked."""
    edits = [{"op": "append", "data": " and more"}]

    async def test() -> None:
        async with serve_origin(echo) as port:
            conf = {side: {"mode": "buffered", "edits": edits} for side in ("request", "response")}
            async with Proxy(load(route(port, "body", conf))) as proxy:
                answer = await ask(proxy, "/", "POST", body=b"text")
                assert answer.body == b"text and more and more"
                assert answer.field(b"content-length") == b"22"
                assert answer.field(b"transfer-encoding") is None
                client = await Client.to(proxy.address)  # framing was right: the connection goes on
                assert (await client.ask("/a")).body == b"/a and more"
                assert (
                    await client.ask("/b", "POST", body=b"x" * 500_000)
                ).body == b"x" * 500_000 + b" and more" * 2
                head = await client.ask("/a", "HEAD")
                assert (head.status, head.field(b"content-length"), head.body) == (200, None, b"")
                assert (await client.ask("/c")).body == b"/c and more"
                client.close()

    run(test())


async def halves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An origin that answers with the body it got, in two pieces."""
    head = await reader.readuntil(b"\r\n\r\n")
    chunked = b"transfer-encoding: chunked" in head.lower()
    if chunked:
        body = await reader.readuntil(b"0\r\n\r\n")
        size = body.count(b"x")
    else:
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(size)
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\nx".encode())
    await asyncio.sleep(0.02)
    writer.write(b"x" * (size - 1))


def test_a_body_over_the_plugins_limit() -> None:
    """413 for a request, 502 for a response; each plugin has its own limits, the chain no common one."""

    async def test() -> None:
        async with serve_origin(halves) as port:
            text = (
                "wasm:\n  plugins:\n"
                f"    - {{name: small, priority: 2, file: {plugin('body')}, max_request_body_size: 1000}}\n"
                f"    - {{name: large, priority: 1, file: {plugin('body')}, max_response_body_size: 2000}}\n"
                "routes:\n"
            )
            for path, name, side in (
                ("a", "small", "request"),
                ("b", "large", "request"),
                ("c", "large", "response"),
            ):
                conf = json.dumps({side: {"mode": "buffered", "edits": []}})
                text += (
                    f"  - {{uri: /{path}, upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}, "
                    f"plugins: {{{name}: {{conf: '{conf}'}}}}}}\n"
                )
            async with Proxy(load(text)) as proxy:

                async def status(path: str, size: int) -> int:
                    client = await Client.to(proxy.address)
                    client.writer.write(
                        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode()
                    )
                    client.writer.write(b"x")
                    await asyncio.sleep(
                        0.02
                    )  # the plugin pauses with a part: a body that is whole needs no buffer
                    client.writer.write(b"x" * (size - 1))
                    answer = await client.answer()
                    client.close()
                    return answer.status

                assert [await status("/a", size) for size in (1000, 1001)] == [200, 413]
                assert [await status("/b", size) for size in (1001, 100_000)] == [200, 200]
                assert [await status("/c", size) for size in (2000, 2001)] == [200, 502]

    run(test())


def test_expect_100_continue_passes_a_plugin() -> None:
    """The upstream's 100 reaches the client, which then sends its content."""

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"expect: 100-continue" in head.lower()
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)

    async def test() -> None:
        async with (
            serve_origin(origin) as port,
            Proxy(load(route(port, "custom_response_header", HEADER))) as proxy,
        ):
            client = await Client.to(proxy.address)
            client.writer.write(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            )
            assert (await client.answer()).status == 100
            client.writer.write(b"hello")
            answer = await client.answer()
            assert (answer.status, answer.body, answer.field(b"x-go-wasm")) == (200, b"hello", b"APISIX")
            client.close()

    run(test())


def test_trailers_pass_and_are_made() -> None:
    """The upstream's reach the client with what the plugin adds to them."""

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-a\r\n\r\n2\r\nhi\r\n0\r\nx-a: 1\r\n\r\n"
        )

    async def test() -> None:
        conf = {"response": [{"op": "add", "name": "x-b", "value": "2"}]}
        async with serve_origin(origin) as port, Proxy(load(route(port, "trailers", conf))) as proxy:
            answer = await ask(proxy, fields="TE: trailers\r\n")
            assert (answer.body, answer.trailers) == (b"hi", [(b"x-a", b"1"), (b"x-b", b"2")])

    run(test())


def test_a_plugin_answers_for_the_upstream() -> None:
    """A local response to a request with content: the connection stays in step."""

    async def test() -> None:
        conf = {"responses": [{"phase": "request_headers", "code": 403, "body": "no"}]}
        async with serve_origin(echo) as port, Proxy(load(route(port, "local_response", conf))) as proxy:
            client = await Client.to(proxy.address)
            for _ in range(2):
                answer = await client.ask("/", "POST", body=b"content")
                assert (answer.status, answer.body) == (403, b"no")
            client.close()

    run(test())


@pytest.mark.parametrize("allowed", [True, False])
def test_an_upgrade_passes_where_the_route_allows_it(allowed: bool) -> None:
    """The plugin sees both heads; elsewhere the upstream gets an ordinary request."""

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"upgrade: websocket" not in head.lower():
            writer.write(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        while data := await reader.read(65536):
            writer.write(data)

    async def test() -> None:
        more = ", enable_websocket: true" if allowed else ""
        async with (
            serve_origin(origin) as port,
            Proxy(load(route(port, "custom_response_header", HEADER, more))) as proxy,
        ):
            client = await Client.to(proxy.address)
            client.writer.write(
                b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
            answer = await client.answer()
            assert (answer.status, answer.field(b"x-go-wasm")) == (101 if allowed else 426, b"APISIX")
            if allowed:
                client.writer.write(b"\x81\x02hi" * 1000)
                assert await client.reader.readexactly(4000) == b"\x81\x02hi" * 1000
            client.close()

    run(test())


SIZE = 256 * MIB


def test_large_bodies_pass_a_plugin_in_constant_memory() -> None:
    """256 MiB up and 256 MiB down through a TinyGo plugin on the route: the process grows by less than 24 MiB."""
    piece = bytes(MIB)

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
        left = SIZE
        while left:
            data = await reader.read(MIB)
            assert data
            left -= len(data)
            writer.write(data)
            await writer.drain()

    async def test() -> None:
        async with (
            serve_origin(origin) as port,
            Proxy(load(route(port, "custom_response_header", HEADER))) as proxy,
        ):
            client = await Client.to(proxy.address)

            async def upload() -> None:
                client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
                for _ in range(SIZE // MIB):
                    client.writer.write(piece)
                    await client.writer.drain()

            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            uploading = asyncio.create_task(upload())
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert b"X-Go-Wasm: APISIX\r\n" in head
            left = SIZE
            while left:
                data = await client.reader.read(MIB)
                assert data
                left -= len(data)
            await uploading
            client.close()
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < 24 * MIB

    run(test())


def test_every_line_of_a_plugin_names_its_request() -> None:
    """X-Request-Id where the client sends one, else process, connection and the request's number on it."""
    log = RecordingLog()

    async def test() -> None:
        async with (
            serve_origin(echo) as port,
            Proxy(load(route(port, "lifecycle", "c")), log=log) as proxy,
        ):
            client = await Client.to(proxy.address)
            await client.ask("/a", fields="X-Request-Id: mine\r\n")
            await client.ask("/b")
            await client.ask("/c")
            client.close()
            names = list(dict.fromkeys(row[2] for row in log.rows if row[2]))
            first, second, third = names
            connection = second.rpartition("-")[0]
            assert (first, second, third) == ("mine", f"{connection}-2", f"{connection}-3")
            assert connection.startswith(f"{os.getpid()}-")
            assert len([row for row in log.rows if row[2] == "mine"]) == 7
            assert {row[0] for row in log.rows} == {"p"}

    run(test())


@pytest.mark.parametrize("form", ["text", "json"])
def test_neither_guest_nor_client_can_forge_a_log_line(form: str) -> None:
    """Line ends, escapes and quotes in a message or a request's id stay inside their line."""
    reader, descriptor = os.pipe()
    log = Log(Writer(descriptor), "json" if form == "json" else "text")

    async def test() -> None:
        async with (
            serve_origin(echo) as port,
            Proxy(load(route(port, "http_headers", {})), log=log) as proxy,
        ):
            hostile = 'X-Request-Id: a b="c": x\\n\xe9\r\nX-Evil: \x1b[31m\u2028 plugin=other: forged\r\n'
            assert (await ask(proxy, fields=hostile)).status in (200, 400)
            assert (await ask(proxy, fields=hostile.replace("\x1b", ""))).status == 200

    run(test())
    assert log.flush()
    os.close(descriptor)
    with open(reader, "rb") as stream:
        lines = stream.read().decode().splitlines()
    assert lines
    for line in lines:
        assert line.isprintable()
        if form == "json":
            row = json.loads(line)
            assert row["plugin"] == "p"
        else:
            assert line.split(" plugin=")[1].startswith("p ")
    assert any("forged" in line for line in lines)


def test_nobody_makes_request_ids_when_nothing_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made for the first line of a request."""
    from host.exchange import Exchange

    made = []
    monkeypatch.setattr(Exchange, "new_request_id", lambda self: made.append(1) or "x")

    async def test() -> None:
        async with (
            serve_origin(echo) as port,
            Proxy(load(route(port, "custom_response_header", HEADER))) as proxy,
        ):
            await ask(proxy)

    run(test())
    assert made == []


def test_global_rules_see_requests_that_no_route_matches() -> None:
    """As in APISIX: the answer is 404, and the rules have had it in hand."""

    async def test() -> None:
        text = (
            f"wasm: {{plugins: [{{name: p, priority: 1, file: {plugin('custom_response_header')}}}]}}\n"
            f"global_rules: [{{id: 1, plugins: {{p: {{conf: '{json.dumps(HEADER)}'}}}}}}]\n"
            "routes: [{uri: /a, upstream: {nodes: {'127.0.0.1:1': 1}}}]\n"
        )
        async with Proxy(load(text)) as proxy:
            answer = await ask(proxy, "/other")
            assert (answer.status, answer.field(b"x-go-wasm")) == (404, b"APISIX")
            assert answer.body == b'{"error_msg":"404 Route Not Found"}\n'

    run(test())
