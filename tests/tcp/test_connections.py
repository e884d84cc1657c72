"""TCP connections through the gateway, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from host.config import StreamListen
from tests.e2e.gateway import run
from tests.tcp.gateway import echo, exchange, gateway, rest, route, until, upstream


def test_bytes_go_both_ways_and_both_ends_close() -> None:
    """A half-closed client still gets its answer, and nothing is left behind."""

    async def check() -> None:
        async with upstream(echo) as port, gateway(route(port)) as gate:
            assert await exchange(*await gate.connect(), b"hello") == b"hello"
            await until(lambda: gate.sessions == 0)

    run(check())


def test_an_upstream_that_speaks_first_is_heard() -> None:
    """As SMTP and MySQL do: nothing waits for the client's first byte."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.read()

    async def check() -> None:
        async with upstream(greet) as port, gateway(route(port)) as gate:
            reader, writer = await gate.connect()
            assert await reader.readline() == b"220 hello\r\n"
            writer.close()
            await until(lambda: gate.sessions == 0)

    run(check())


def test_an_upstream_that_ends_first_leaves_the_clients_way_open() -> None:
    """Half-close from the other side: the client reads the end and may still send."""
    got = asyncio.Queue[bytes]()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        got.put_nowait(await reader.read())

    async def check() -> None:
        async with upstream(half) as port, gateway(route(port)) as gate:
            reader, writer = await gate.connect()
            assert await reader.read() == b"bye"
            writer.write(b"late")
            writer.write_eof()
            assert await got.get() == b"late"
            writer.close()
            await until(lambda: gate.sessions == 0)

    run(check())


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_a_reset_of_one_end_resets_the_other(who: str) -> None:
    """RST, not FIN (as in Envoy): what was broken off must not look whole to the other end."""
    ended = asyncio.Event()

    def reset(writer: asyncio.StreamWriter) -> None:
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x")
        if who == "upstream":
            await reader.read(1)
            reset(writer)
            return
        assert await reader.read(1) == b"y"
        with pytest.raises(ConnectionResetError):
            await reader.read()
        ended.set()

    async def check() -> None:
        async with upstream(serve) as port, gateway(route(port)) as gate:
            reader, writer = await gate.connect()
            assert await reader.read(1) == b"x"
            writer.write(b"y")
            if who == "client":
                await asyncio.sleep(0.1)
                reset(writer)
                await ended.wait()
            else:
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                writer.close()
            await until(lambda: gate.sessions == 0)

    run(check())


def test_an_upstream_that_refuses_closes_the_client() -> None:
    """After as many tries as there are nodes."""

    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        async with gateway(route(port)) as gate:
            reader, writer = await gate.connect()
            assert await reader.read() == b""
            writer.close()
            await until(lambda: gate.sessions == 0)

    run(check())


def test_the_next_node_is_tried() -> None:
    """A node that refuses is passed over."""

    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            dead = taken.getsockname()[1]
        async with upstream(echo) as port:
            nodes = f"{{'127.0.0.1:{dead}': 1000, '127.0.0.1:{port}': 1}}"
            text = f"stream_routes: [{{upstream: {{nodes: {nodes}}}}}]"
            async with gateway(text) as gate:
                for _ in range(3):
                    assert await exchange(*await gate.connect(), b"x") == b"x"

    run(check())


def test_a_connection_without_a_route_is_closed() -> None:
    """There is nobody to tell it to but the log."""

    async def check() -> None:
        async with upstream(echo) as port, gateway(route(port, ", remote_addr: 10.0.0.0/8")) as gate:
            reader, writer = await gate.connect()
            assert await rest(reader) == b""
            writer.close()
            await until(lambda: gate.sessions == 0)

    run(check())


def test_routes_by_port() -> None:
    """server_port chooses; two listeners of one gateway."""

    async def name(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
        writer.write(answer)

    async def check() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            first = free.getsockname()[1]
        listen = (StreamListen("127.0.0.1", first), StreamListen("127.0.0.1", 0))
        async with (
            upstream(lambda r, w: name(r, w, b"one")) as one,
            upstream(lambda r, w: name(r, w, b"two")) as two,
        ):
            text = (
                f"stream_routes: [{{server_port: {first}, upstream: {{nodes: {{'127.0.0.1:{one}': 1}}}}}},"
                f" {{server_addr: 127.0.0.1, upstream: {{nodes: {{'127.0.0.1:{two}': 1}}}}}}]"
            )
            async with gateway(text, listen=listen) as gate:
                for index, answer in enumerate((b"one", b"two")):
                    reader, writer = await gate.connect(gate.proxy.stream_addresses[index][1])
                    assert await reader.read() == answer
                    writer.close()

    run(check())


def test_an_idle_connection_is_closed() -> None:
    """The upstream's read timeout, as nginx's proxy_timeout."""

    async def check() -> None:
        async with upstream(echo) as port:
            text = (
                f"stream_routes: [{{upstream: {{nodes: {{'127.0.0.1:{port}': 1}}, "
                "timeout: {connect: 1, send: 1, read: 1}}}]"
            )
            async with gateway(text) as gate:
                reader, writer = await gate.connect()
                assert await asyncio.wait_for(reader.read(), 10) == b""
                writer.close()
                await until(lambda: gate.sessions == 0)

    run(check())


def test_a_slow_reader_holds_the_sender_back() -> None:
    """Memory stays bounded: the upstream can send no more than the sockets' and the gateway's buffers take."""
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        piece = b"x" * 65536
        while sent < 256 << 20:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async def check() -> None:
        async with upstream(flood) as port, gateway(route(port)) as gate:
            _reader, writer = await gate.connect(limit=1024)
            last = -1
            while sent != last:
                last = sent
                await asyncio.sleep(0.3)
            assert 0 < sent < 64 << 20
            writer.transport.abort()
            await until(lambda: gate.sessions == 0)

    run(check())


def test_a_long_stream_passes_whole() -> None:
    """64 MiB there and back, compared piece by piece; reading and writing at once."""
    piece = bytes(range(256)) * 1024
    count = 256

    async def check() -> None:
        async with upstream(echo) as port, gateway(route(port)) as gate:
            reader, writer = await gate.connect()

            async def send() -> None:
                for _ in range(count):
                    writer.write(piece)
                    await writer.drain()
                writer.write_eof()

            task = asyncio.create_task(send())
            for _ in range(count):
                assert await reader.readexactly(len(piece)) == piece
            assert await reader.read() == b""
            await task
            writer.close()

    run(check())


def test_too_many_connections_are_closed_at_once() -> None:
    """worker_connections counts for TCP, too."""

    async def check() -> None:
        text = "nginx_config: {event: {worker_connections: 1}}\n"
        async with upstream(echo) as port, gateway(text + route(port)) as gate:
            first = await gate.connect()
            first[0], first[1].write(b"x")
            assert await first[0].read(1) == b"x"
            reader, writer = await gate.connect()
            assert await rest(reader) == b""
            writer.close()
            assert await exchange(*first, b"y") == b"y"

    run(check())


def test_a_drain_waits_for_connections_and_accepts_none() -> None:
    """As with requests: those in flight end, new ones are refused."""

    async def check() -> None:
        async with upstream(echo) as port, gateway(route(port)) as gate:
            reader, writer = await gate.connect()
            writer.write(b"x")
            await reader.readexactly(1)
            port = gate.port
            draining = asyncio.create_task(gate.proxy.drain(20))
            await asyncio.sleep(0.05)
            with pytest.raises(ConnectionError):
                await gate.connect(port)
            assert await exchange(reader, writer, b"y") == b"y"
            assert await draining

    run(check())


def test_a_drain_that_takes_too_long_says_so() -> None:
    """The connections are cut off when the gateway closes then."""

    async def check() -> None:
        async with upstream(echo) as port, gateway(route(port)) as gate:
            reader, writer = await gate.connect()
            writer.write(b"x")
            await reader.readexactly(1)
            assert not await gate.proxy.drain(0.1)
            await gate.proxy.close()
            assert await rest(reader) == b""
            writer.close()

    run(check())
