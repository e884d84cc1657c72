"""The HTTP path on real sockets: what transports and kernels do, the tests without sockets cannot show."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource

from host.http.settings import HttpSettings
from tests.e2e.gateway import Gateway, run, serving

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
MIB = 1 << 20


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """The next head."""
    return await reader.readuntil(b"\r\n\r\n")


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An origin that answers each request with its path."""
    while True:
        head = await read_head(reader)
        path = head.split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))


async def get(gateway: Gateway, path: bytes = b"/") -> bytes:
    """A whole answer, on a connection of its own."""
    reader, writer = await gateway.connect()
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


def test_requests_of_many_connections_share_the_upstreams() -> None:
    """Fifty clients, ten requests each; the pool is no larger than what ran at once."""

    async def client(gateway: Gateway, number: int) -> None:
        reader, writer = await gateway.connect()
        for count in range(10):
            path = b"/%d/%d" % (number, count)
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            await read_head(reader)
            assert await reader.readexactly(len(path)) == path
        writer.close()

    async def test() -> None:
        async with serving(hello) as gateway:
            await asyncio.gather(*(client(gateway, number) for number in range(50)))
            assert 1 <= len(gateway.upstream.nodes[0].idle) <= 50

    run(test())


def test_nobody_listens_at_the_upstream() -> None:
    """A refused connection is a 502, and the gateway lives on."""

    async def test() -> None:
        async with serving(hello) as gateway:
            gateway.upstream.nodes[0].node = type(gateway.upstream.nodes[0].node)("127.0.0.1", 1)
            for _ in range(2):
                assert (await get(gateway)).startswith(b"HTTP/1.1 502 ")

    run(test())


def growth_while(total: int) -> int:
    """How far the peak of resident memory may lie over what it was: buffers, not bodies."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + min(64 * MIB, total // 4)


def test_a_large_response_passes_in_constant_memory() -> None:
    """1 GiB through two hops whose reader is the slower one."""
    total = 1024 * MIB
    block = bytes(MIB)

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total // MIB):
            writer.write(block)
            await writer.drain()

    async def test() -> None:
        async with serving(origin) as gateway:
            reader, writer = await gateway.connect(limit=MIB)
            writer.write(GET)
            await read_head(reader)
            bound, received = growth_while(total), 0
            while received < total:
                received += len(await reader.read(MIB))
            assert received == total
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < bound
            writer.close()

    run(test())


def test_a_large_chunked_request_passes_in_constant_memory() -> None:
    """256 MiB the other way, decoded and encoded on the way, to an origin that reads slowly at first."""
    total = 256 * MIB
    chunk = b"%x\r\n%b\r\n" % (MIB, bytes(MIB))
    received = 0

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await read_head(reader)
        await asyncio.sleep(0.3)
        while size := int(await reader.readline(), 16):
            while size:
                data = await reader.read(min(size, MIB))
                size -= len(data)
                received += len(data)
            await reader.readexactly(2)
        await reader.readexactly(2)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def test() -> None:
        async with serving(origin) as gateway:
            reader, writer = await gateway.connect()
            bound = growth_while(total)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(total // MIB):
                writer.write(chunk)
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            assert (await read_head(reader)).startswith(b"HTTP/1.1 200 ")
            assert received == total
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < bound
            writer.close()

    run(test())


def test_a_client_that_does_not_read_stops_the_origin() -> None:
    """The origin cannot send more than what the buffers on the way hold."""
    sent = 0

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (512 * MIB))
        while sent < 512 * MIB:
            writer.write(bytes(MIB))
            await writer.drain()
            sent += MIB

    async def test() -> None:
        async with serving(origin) as gateway:
            reader, writer = await gateway.connect()
            writer.write(GET)
            await read_head(reader)
            await asyncio.sleep(1.0)
            stalled = sent
            await asyncio.sleep(0.3)
            assert sent == stalled < 64 * MIB
            writer.transport.abort()

    run(test())


def test_an_upstream_that_breaks_off_resets_the_client() -> None:
    """In the middle of a counted body; the gateway serves the next client."""

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async def test() -> None:
        async with serving(origin) as gateway:
            for _ in range(2):
                reader, writer = await gateway.connect()
                writer.write(GET)
                await read_head(reader)
                data = b""
                with contextlib.suppress(ConnectionResetError):
                    data = await reader.read()
                assert len(data) <= 3
                writer.close()

    run(test())


def test_a_client_that_leaves_ends_its_request_at_the_origin() -> None:
    """The origin sees its connection close while it works."""
    left = asyncio.Event()

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await reader.read()
        left.set()

    async def test() -> None:
        async with serving(origin) as gateway:
            _, writer = await gateway.connect()
            writer.write(GET)
            await asyncio.sleep(0.1)
            writer.close()
            await asyncio.wait_for(left.wait(), 5)
            await asyncio.sleep(0.05)
            assert not gateway.server.connections

    run(test())


def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    """Not a reset: what the client had sent is read and thrown away."""

    async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await asyncio.sleep(1)

    async def test() -> None:
        async with serving(origin) as gateway:
            reader, writer = await gateway.connect()
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n" + bytes(600_000))
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert answer.endswith(b"\r\n\r\nno")
            writer.close()

    run(test())


def test_a_silent_client_is_let_go_by_the_real_clock() -> None:
    """The sweep runs on the loop's timer."""

    async def test() -> None:
        async with serving(hello, HttpSettings(head_timeout=0.5, linger_timeout=0.5)) as gateway:
            reader, writer = await gateway.connect()
            writer.write(b"GET / HT")
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
            writer.close()

    run(test())


def test_draining_waits_for_the_answer_and_refuses_new_connections() -> None:
    """What a worker does at SIGTERM."""

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        await asyncio.sleep(0.3)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    async def test() -> None:
        async with serving(slow) as gateway:
            reader, writer = await gateway.connect()
            writer.write(GET)
            await asyncio.sleep(0.1)
            drained = asyncio.ensure_future(gateway.server.drain(5))
            assert (await reader.read()).endswith(b"Connection: close\r\n\r\nhi")
            assert await drained
            try:
                await gateway.connect()
            except OSError:
                pass
            else:
                raise AssertionError("a draining gateway took a connection")
            writer.close()

    run(test())


def test_an_upgraded_connection_echoes() -> None:
    """1 MiB through a tunnel and back, and both ends closed."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def test() -> None:
        async with serving(echo) as gateway:
            reader, writer = await gateway.connect()
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            assert (await read_head(reader)).startswith(b"HTTP/1.1 101 ")
            data = os.urandom(MIB)
            writer.write(data)
            assert await reader.readexactly(MIB) == data
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await asyncio.sleep(0.05)
            assert not gateway.server.connections

    run(test())
