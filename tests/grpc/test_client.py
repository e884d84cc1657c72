"""The gRPC client against a real server, and against peers that are none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from abi.grpc_status import GrpcStatus
from host.headers import HeaderMap
from host.http.deadlines import Deadlines
from host.upstream.balancer import Node
from host.upstream.dial import TcpDialer
from host.upstream.grpc import GrpcRequest, GrpcStream
from host.upstream.http2_pool import Http2Pool
from host.upstream.upstream import Upstream
from tests.grpc.servers import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    OK_HEAD,
    PING,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    grpc_server,
    literal,
    no_one,
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a real gRPC server."""
    with grpc_server() as port:
        yield port


@dataclass
class Heard:
    """A receiver that writes down what it hears."""

    initial: list[dict[bytes, bytes]] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    trailing: list[dict[bytes, bytes]] = field(default_factory=list)
    ends: list[tuple[int, str]] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    order: list[str] = field(default_factory=list)

    def initial_metadata(self, fields: HeaderMap) -> None:
        self.order.append("initial")
        self.initial.append(dict(fields))

    def message(self, data: bytes) -> None:
        self.order.append("message")
        self.messages.append(data)

    def trailing_metadata(self, fields: HeaderMap) -> None:
        self.order.append("trailing")
        self.trailing.append(dict(fields))

    def closed(self, status: int, message: str) -> None:
        self.order.append("closed")
        self.ends.append((status, message))
        self.done.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 (what is waited for has no event of its own)
                await asyncio.sleep(0.005)

    async def end(self) -> tuple[int, str]:
        """Wait for the end, and see that there is but one."""
        async with asyncio.timeout(10):
            await self.done.wait()
        await asyncio.sleep(0.05)
        assert len(self.ends) == 1
        return self.ends[0]


T = TypeVar("T")


def play(scene: Coroutine[None, None, T]) -> T:
    """Run it, and let sockets close behind it."""

    async def to_the_end() -> T:
        try:
            return await scene
        finally:
            await asyncio.sleep(0.05)

    return asyncio.run(to_the_end())


def pool_of(*ports: int) -> Http2Pool:
    """A pool over these ports of loopback."""
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop.time)
    nodes = [Node("127.0.0.1", port) for port in ports]
    return Upstream("echo", nodes, deadlines, TcpDialer(), connect_timeout=5).http2


def call(pool: Http2Pool, method: str, *messages: bytes, **options: object) -> tuple[GrpcStream, Heard]:
    """Call with these messages, the last of which ends the request."""
    heard = Heard()
    request = GrpcRequest("test.Echo", method, **{"timeout": 10.0, **options})  # type: ignore[arg-type]
    stream = GrpcStream(pool, request, heard)
    for number, message in enumerate(messages, 1):
        stream.send(message, end=number == len(messages))
    return stream, heard


def test_unary_call(port: int) -> None:
    """Metadata, message, trailing metadata, status: in this order and once."""

    async def run() -> None:
        pool = pool_of(port)
        _, heard = call(pool, "Unary", b"hello", metadata=((b"x-test", b"abc"),))
        assert await heard.end() == (GrpcStatus.OK, "")
        assert heard.order == ["initial", "message", "trailing", "closed"]
        assert heard.messages == [b"echo:hello"]
        assert heard.initial[0][b"x-initial"] == b"abc"
        assert heard.initial[0][b":status"] == b"200"
        assert heard.trailing[0][b"x-trailing"] == b"True"  # the server has got our grpc-timeout
        pool.close()

    play(run())


def test_error_status_and_its_message(port: int) -> None:
    """A Trailers-Only response; the message is percent-encoded on the wire (PROTOCOL-HTTP2, Status-Message)."""

    async def run() -> None:
        pool = pool_of(port)
        _, heard = call(pool, "Refuse", b"")
        assert await heard.end() == (GrpcStatus.FAILED_PRECONDITION, "not now: 100% sure, ä")
        assert heard.messages == []
        _, heard = call(pool, "Missing", b"")
        assert (await heard.end())[0] == GrpcStatus.UNIMPLEMENTED
        pool.close()

    play(run())


def test_server_stream(port: int) -> None:
    """Each message by itself, however they share frames."""

    async def run() -> None:
        pool = pool_of(port)
        _, heard = call(pool, "Count", b"2000")
        assert await heard.end() == (GrpcStatus.OK, "")
        assert heard.messages == [b"%d" % number for number in range(2000)]
        pool.close()

    play(run())


def test_both_directions_at_once(port: int) -> None:
    """Messages go out after others have come in."""

    async def run() -> None:
        pool = pool_of(port)
        stream, heard = call(pool, "Chat")
        for number in range(3):
            stream.send(b"%d" % number)
            await heard.until(lambda number=number: len(heard.messages) > number)
        stream.half_close()
        assert await heard.end() == (GrpcStatus.OK, "")
        assert heard.messages == [b"re:0", b"re:1", b"re:2", b"bye"]
        assert not stream.send(b"late")
        pool.close()

    play(run())


def test_all_calls_share_one_connection(port: int) -> None:
    """Also more of them than a server allows at a time (grpcio: 100 and more) and those made before it is there."""

    async def run() -> None:
        pool = pool_of(port)
        calls = [call(pool, "Unary", b"%d" % number) for number in range(300)]
        for number, (_, heard) in enumerate(calls):
            assert await heard.end() == (GrpcStatus.OK, "")
            assert heard.messages == [b"echo:%d" % number]
        assert len(pool._connections) == 1
        pool.close()

    play(run())


def test_large_messages_pass_the_windows(port: int) -> None:
    """Both ways, over many of the initial 64 KiB windows."""

    async def run() -> None:
        pool = pool_of(port)
        _, heard = call(pool, "Huge", b"3000000")
        stream, sunk = call(pool, "Sink")
        for _ in range(3):
            stream.send(b"y" * 1_000_000)
        stream.half_close()
        assert await heard.end() == (GrpcStatus.OK, "")
        assert [len(message) for message in heard.messages] == [3_000_000]
        assert await sunk.end() == (GrpcStatus.OK, "")
        assert sunk.messages == [b"3000000"]
        pool.close()

    play(run())


def test_message_over_the_limit_ends_the_call(port: int) -> None:
    """At its prefix: it is not read."""

    async def run() -> None:
        pool = pool_of(port)
        _, heard = call(pool, "Huge", b"5000000")
        status, message = await heard.end()
        assert (status, message) == (
            GrpcStatus.RESOURCE_EXHAUSTED,
            "a message of 5000000 bytes, over the limit of 4194304",
        )
        pool.close()

    play(run())


def test_deadline_and_cancel(port: int) -> None:
    """A call that hangs ends by its timeout; one that is cancelled says nothing any more; others go on."""

    async def run() -> None:
        pool = pool_of(port)
        cancelled, silent = call(pool, "Hang", b"")
        _, late = call(pool, "Hang", b"", timeout=0.2)
        assert (await late.end())[0] == GrpcStatus.DEADLINE_EXCEEDED
        cancelled.cancel()
        assert not cancelled.send(b"")
        _, heard = call(pool, "Unary", b"a")
        await heard.end()
        assert silent.order == []
        pool.close()

    play(run())


def test_unsent_messages_have_a_ceiling() -> None:
    """A peer that takes nothing must not make us hold all."""

    async def run() -> None:
        with no_one() as port:
            pool = pool_of(port)
            stream, _ = call(pool, "Sink", max_unsent_bytes=1000)
            assert stream.send(b"x" * 900)
            assert not stream.send(b"x" * 100)
            assert stream.unsent == 905
            stream.cancel()
            pool.close()

    play(run())


def test_nobody_there() -> None:
    """UNAVAILABLE with the reason, after the other node was tried."""

    async def run() -> None:
        with no_one() as port:
            pool = pool_of(port)
            _, heard = call(pool, "Unary", b"")
            status, message = await heard.end()
            assert status == GrpcStatus.UNAVAILABLE
            assert f"127.0.0.1:{port}" in message
            pool.close()

    play(run())


def test_a_node_that_is_down_is_passed_over(port: int) -> None:
    """The call goes to the next one."""

    async def run() -> None:
        with no_one() as closed:
            pool = pool_of(closed, port)
            ends = [call(pool, "Unary", b"a")[1] for _ in range(4)]
            for heard in ends:
                assert await heard.end() == (GrpcStatus.OK, "")
            pool.close()

    play(run())


# --- peers that are no gRPC servers

Answer = bytes | list[bytes]
GREETING = frame(SETTINGS, 0, 0)


async def request_head(reader: asyncio.StreamReader) -> None:
    """Read up to the head of the first request."""
    await reader.readexactly(24)  # the preface (RFC 9113 section 3.4)
    kind = -1
    while kind != HEADERS:
        prefix = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(prefix[:3], "big"))
        kind = prefix[3]


async def against(answer: bytes, *, then_close: bool = False, seconds: float = 5.0) -> Heard:
    """Call a peer that reads the request and says this."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_head(reader)
        writer.write(answer)
        with suppress(ConnectionError):
            while not then_close and await reader.read(65536):
                pass
        writer.close()

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    pool = pool_of(server.sockets[0].getsockname()[1])
    _, heard = call(pool, "Unary", b"a", timeout=seconds)
    await heard.end()
    pool.close()
    server.close()
    return heard


def head(*fields: tuple[bytes, bytes], flags: int = END_HEADERS) -> bytes:
    """A HEADERS frame of stream 1."""
    return frame(HEADERS, flags, 1, b"".join(literal(*each) for each in fields))


OK = frame(HEADERS, END_HEADERS, 1, OK_HEAD)
MESSAGE = frame(DATA, 0, 1, b"\0\0\0\0\2ab")
PUSH = frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + OK_HEAD)
TRAILERS = head((b"grpc-status", b"0"), flags=END_HEADERS | END_STREAM)

CASES: dict[str, tuple[bytes, GrpcStatus]] = {
    "a good answer": (OK + MESSAGE + TRAILERS, GrpcStatus.OK),
    "interim heads first": (head((b":status", b"103")) * 3 + OK + MESSAGE + TRAILERS, GrpcStatus.OK),
    "endless interim heads": (head((b":status", b"103")) * 1000, GrpcStatus.INTERNAL),
    "no HTTP/2 at all": (b"HTTP/1.1 400 Bad Request\r\n\r\n", GrpcStatus.UNAVAILABLE),
    "random bytes": (bytes(range(256)) * 40, GrpcStatus.UNAVAILABLE),
    "HTTP status without gRPC": (head((b":status", b"503"), flags=5), GrpcStatus.UNAVAILABLE),
    "HTTP status 404": (head((b":status", b"404"), flags=5), GrpcStatus.UNIMPLEMENTED),
    "HTTP status 401": (head((b":status", b"401")), GrpcStatus.UNAUTHENTICATED),
    "another content-type": (head((b":status", b"200"), (b"content-type", b"text/html")), GrpcStatus.UNKNOWN),
    "no status at the end": (OK + frame(DATA, END_STREAM, 1, b"\0\0\0\0\0"), GrpcStatus.UNKNOWN),
    "trailers without a status": (OK + head((b"x-a", b"b"), flags=5), GrpcStatus.UNKNOWN),
    "a status that is none": (OK + head((b"grpc-status", b"99"), flags=5), GrpcStatus.UNKNOWN),
    "end within a message": (OK + frame(DATA, 0, 1, b"\0\0\0\0\5ab") + TRAILERS, GrpcStatus.INTERNAL),
    "a compressed message": (OK + frame(DATA, 0, 1, b"\1\0\0\0\1a"), GrpcStatus.INTERNAL),
    "a message of 4 GiB": (OK + frame(DATA, 0, 1, b"\0\xff\xff\xff\xff"), GrpcStatus.RESOURCE_EXHAUSTED),
    "reset: no error": (frame(RST_STREAM, 0, 1, b"\0\0\0\0"), GrpcStatus.INTERNAL),
    "reset: refused": (frame(RST_STREAM, 0, 1, b"\0\0\0\7"), GrpcStatus.UNAVAILABLE),
    "reset: cancel": (OK + frame(RST_STREAM, 0, 1, b"\0\0\0\x08"), GrpcStatus.CANCELLED),
    "reset: calm": (frame(RST_STREAM, 0, 1, b"\0\0\0\x0b"), GrpcStatus.RESOURCE_EXHAUSTED),
    "reset: security": (frame(RST_STREAM, 0, 1, b"\0\0\0\x0c"), GrpcStatus.PERMISSION_DENIED),
    "reset: unknown code": (frame(RST_STREAM, 0, 1, b"\1\0\0\x0c"), GrpcStatus.UNKNOWN),
    "goaway that has not seen it": (frame(GOAWAY, 0, 0, bytes(8)), GrpcStatus.UNAVAILABLE),
    "goaway, then the answer": (
        frame(GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0") + OK + MESSAGE + TRAILERS,
        GrpcStatus.OK,
    ),
    "push before our settings are acknowledged": (PUSH + OK + MESSAGE + TRAILERS, GrpcStatus.OK),
    "push although we want none": (frame(SETTINGS, 1, 0) + PUSH, GrpcStatus.UNAVAILABLE),
    "content before the head": (MESSAGE, GrpcStatus.UNAVAILABLE),
    "no :status": (head((b"content-type", b"application/grpc")), GrpcStatus.INTERNAL),
    "a field with a line end": (
        head((b":status", b"200"), (b"x-a", b"b\r\nc: d")) + MESSAGE + TRAILERS,
        GrpcStatus.INTERNAL,
    ),
    "a name in capitals": (head((b":status", b"200"), (b"X-A", b"b")), GrpcStatus.INTERNAL),
    "connection-specific field": (head((b":status", b"200"), (b"connection", b"close")), GrpcStatus.INTERNAL),
    "broken compression": (frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff"), GrpcStatus.UNAVAILABLE),
    "a frame of 16 MiB": (b"\xff\xff\xff\0\0\0\0\0\1", GrpcStatus.UNAVAILABLE),
    "window overflow": (frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), GrpcStatus.UNAVAILABLE),
    "window update of zero": (frame(WINDOW_UPDATE, 0, 1, bytes(4)), GrpcStatus.UNAVAILABLE),
    "endless CONTINUATION": (
        frame(HEADERS, 0, 1, OK_HEAD) + frame(CONTINUATION, 0, 1, literal(b"a", b"b" * 100)) * 10_000,
        GrpcStatus.UNAVAILABLE,
    ),
    "HPACK bomb": (
        frame(HEADERS, END_HEADERS, 1, b"\x88\x40\x01b\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 10_000),
        GrpcStatus.INTERNAL,
    ),
    "PING flood": (frame(PING, 0, 0, b"12345678") * 20_000, GrpcStatus.UNAVAILABLE),
    "SETTINGS flood": (frame(SETTINGS, 0, 0) * 20_000, GrpcStatus.UNAVAILABLE),
    "empty DATA flood": (OK + frame(DATA, 0, 1) * 20_000, GrpcStatus.UNAVAILABLE),
    "more than the stream's window": (
        OK + frame(DATA, 0, 1, b"\0\0\x0f\xff\xff" + b"a" * 16_000) * 100,
        GrpcStatus.INTERNAL,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_peers_are_judged(case: str) -> None:
    """Each ends with one status, the one that gRPC's documents give it."""
    answer, status = CASES[case]
    heard = play(against(GREETING + answer))
    assert heard.ends[0][0] == status, heard.ends
    assert heard.messages == ([b"ab"] if status == GrpcStatus.OK else heard.messages)
    assert heard.order[-1] == "closed"


def test_a_peer_that_closes() -> None:
    """UNAVAILABLE, whether it has answered in part or not at all."""
    for answer in (b"", GREETING, GREETING + OK + MESSAGE):
        heard = play(against(answer, then_close=True))
        assert heard.ends[0][0] == GrpcStatus.UNAVAILABLE


def test_a_peer_that_says_nothing() -> None:
    """The call's own deadline ends it."""
    heard = play(against(b"", seconds=0.3))
    assert heard.ends == [(GrpcStatus.DEADLINE_EXCEEDED, "the call's time is over")]


def test_a_connection_without_a_sign_of_life_is_given_up() -> None:
    """PING after half a minute of silence, and ten seconds for its answer; the sweeps are the test's own."""

    async def run() -> None:
        async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while await reader.read(65536):
                    pass
            writer.close()

        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        pool = pool_of(server.sockets[0].getsockname()[1])
        deadlines = pool.upstream.deadlines
        _, heard = call(pool, "Unary", b"a", timeout=None)
        await heard.until(lambda: bool(pool._connections))
        await asyncio.sleep(0.05)
        for _ in range(62):
            deadlines.sweep()
        assert heard.ends == []
        for _ in range(22):
            deadlines.sweep()
        assert await heard.end() == (GrpcStatus.UNAVAILABLE, "the peer gives no sign of life")
        assert not pool._connections
        server.close()

    play(run())


def test_an_idle_connection_is_closed(port: int) -> None:
    """After the upstream's idle timeout, with no stream open; the next call makes another."""

    async def run() -> None:
        pool = pool_of(port)
        _, heard = call(pool, "Unary", b"a")
        await heard.end()
        for _ in range(125):
            pool.upstream.deadlines.sweep()
        await asyncio.sleep(0.05)
        assert not pool._connections
        _, heard = call(pool, "Unary", b"b")
        assert (await heard.end())[0] == GrpcStatus.OK
        pool.close()

    play(run())
