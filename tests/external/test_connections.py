"""The pool of connections to a peer: who gets one, who waits, and what is not used again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest

from host.errors import ConnectionLost, PeerUnavailable
from host.external.connection import HIGH_WATER, PeerConnection
from host.external.connections import Connections
from host.external.generation import Generation, generation_of
from tests.external.peers import run, until


class Peer:
    """A peer in this process: it answers each line with the line, and keeps its ends of the connections."""

    def __init__(self) -> None:
        self.ends: list[asyncio.StreamWriter] = []
        self.closed = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.append(writer)
        try:
            while line := await reader.readline():
                writer.write(line)
        except ConnectionError:
            pass
        finally:
            self.closed += 1
            writer.close()


@contextlib.asynccontextmanager
async def peer_at(path: Path) -> AsyncIterator[Peer]:
    """Serve a peer until the block ends, its connections included."""
    peer = Peer()
    server = await asyncio.start_unix_server(peer.serve, path)
    try:
        yield peer
    finally:
        server.close()
        for each in peer.ends:
            each.close()


async def exchange(connection: PeerConnection, line: bytes = b"hello\n") -> bytes:
    connection.write(line)
    return await connection.read_exactly(len(line))


@contextlib.asynccontextmanager
async def taken(pool: Connections) -> AsyncIterator[PeerConnection]:
    """A connection for one exchange; closed where the exchange raises or is cancelled, else kept for the next."""
    connection = await pool.acquire()
    try:
        yield connection
    except BaseException:
        pool.discard(connection)
        raise
    pool.release(connection)


def pooled(path: Path, **options: Any) -> Connections:
    return Connections(path / "peer.sock", **options)


def started(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def on_uvloop(request: pytest.FixtureRequest) -> bool:
    """The kinds of loop that a gateway may run on."""
    return bool(request.param)


def test_a_released_connection_is_used_again(tmp_path: Path, on_uvloop: bool) -> None:
    """One exchange behind the other takes one connection."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock") as peer:
            pool = pooled(tmp_path)
            for count in range(1, 4):
                async with taken(pool) as connection:
                    assert await exchange(connection) == b"hello\n"
                    assert connection.exchanges == count
            assert (pool.idle, pool.taken, len(peer.ends)) == (1, 0, 1)
            pool.close()
            await until(lambda: peer.closed == 1)

    run(test(), on_uvloop=on_uvloop)


def test_parallel_exchanges_take_parallel_connections(tmp_path: Path, on_uvloop: bool) -> None:
    """Up to the most; who comes then waits, and the first one who came is the first served."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock") as peer:
            pool = pooled(tmp_path, most=2)
            first, second = await pool.acquire(), await pool.acquire()
            served: list[str] = []

            async def wait(name: str) -> PeerConnection:
                connection = await pool.acquire()
                served.append(name)
                return connection

            tasks = [started(wait(name)) for name in "abc"]
            await until(lambda: pool.waiting == 3)
            pool.release(first)
            await until(lambda: served == ["a"])
            pool.discard(second)
            await until(lambda: served == ["a", "b"])
            assert await exchange(await tasks[1]) == b"hello\n"
            pool.release(await tasks[0])
            assert await exchange(await tasks[2]) == b"hello\n"
            assert served == ["a", "b", "c"]
            assert (pool.taken, pool.waiting, len(peer.ends)) == (2, 0, 3)
            pool.close()

    run(test(), on_uvloop=on_uvloop)


def test_a_cancelled_waiter_leaks_nothing(tmp_path: Path, on_uvloop: bool) -> None:
    """Whether it is cancelled before its turn, in the same turn, or while it connects."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock"):
            pool = pooled(tmp_path, most=1)
            held = await pool.acquire()
            before, after = started(pool.acquire()), started(pool.acquire())
            await until(lambda: pool.waiting == 2)
            before.cancel()
            pool.release(
                held
            )  # gives the slot to the second: the first one is cancelled, and has not run yet
            held = await after
            same_turn, last = started(pool.acquire()), started(pool.acquire())
            await until(lambda: pool.waiting == 2)
            pool.release(held)
            same_turn.cancel()  # it has been given the slot, and has not run yet
            held = await last
            pool.discard(held)
            assert (pool.taken, pool.waiting) == (0, 0)
            connecting = started(pool.acquire())
            await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.wait([connecting])
            assert pool.taken == 0
            pool.close()

    run(test(), on_uvloop=on_uvloop)


@pytest.mark.parametrize("fault", ["closed", "spoke"])
def test_an_idle_connection_that_is_not_fresh_is_not_used(
    tmp_path: Path, on_uvloop: bool, fault: str
) -> None:
    """The peer has closed it, or said something that nobody asked for, and the loop has had no turn since."""

    async def test() -> None:
        listener = socket.socket(socket.AF_UNIX)
        with listener:
            listener.bind(str(tmp_path / "peer.sock"))
            listener.listen()
            pool = pooled(tmp_path)
            async with taken(pool) as old:
                end, _ = listener.accept()
            assert pool.idle == 1
            if fault == "closed":
                end.close()
            else:
                end.send(b"?")
            async with taken(pool) as connection:
                assert connection is not old
                assert connection.exchanges == 1
            pool.close()
            end.close()

    run(test(), on_uvloop=on_uvloop)


def test_a_connection_that_dies_while_idle_leaves_the_pool(tmp_path: Path, on_uvloop: bool) -> None:
    """Nothing has to ask for it."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock") as peer:
            pool = pooled(tmp_path)
            async with taken(pool) as connection:
                await exchange(connection)
            peer.ends[0].close()
            await until(lambda: pool.idle == 0)
            pool.close()

    run(test(), on_uvloop=on_uvloop)


def test_an_exchange_that_fails_closes_its_connection(tmp_path: Path) -> None:
    """A late answer would be taken for that of the next exchange."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock") as peer:
            pool = pooled(tmp_path)

            async def fail() -> None:
                async with taken(pool) as connection:
                    connection.write(b"no end of line")
                    await connection.read()

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(fail(), 0.01)
            await until(lambda: peer.closed == 1)
            assert (pool.idle, pool.taken) == (0, 0)

    run(test())


def test_idle_connections_end_in_time(tmp_path: Path) -> None:
    """After `idle_timeout`, the longest unused first."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock") as peer:
            pool = pooled(tmp_path, idle_timeout=0.05)
            for each in [await pool.acquire() for _ in range(3)]:
                pool.release(each)
            assert pool.idle == 3
            await until(lambda: peer.closed == 3)
            assert pool.idle == 0
            pool.close()

    run(test())


def test_another_run_of_the_peer_is_told_and_idle_connections_to_the_last_are_closed(tmp_path: Path) -> None:
    """Tokens of the old one mean something else to the new one."""

    async def test() -> None:
        told: list[Generation] = []
        path = tmp_path / "peer.sock"
        pool = pooled(tmp_path, on_generation=told.append)
        async with peer_at(path) as old:
            in_flight, idle = await pool.acquire(), await pool.acquire()
            pool.release(idle)
            first = pool.generation
            os.rename(path, tmp_path / "old.sock")  # its inode stays taken, while the old peer lives on
            async with peer_at(path):
                async with taken(pool) as connection:  # the idle one: the old peer serves it still
                    assert connection.generation == first
                new = await pool.acquire(fresh=True)
                assert told == [pool.generation] == [new.generation] != [first]
                await until(lambda: old.closed == 1)
                assert await exchange(in_flight) == b"hello\n"  # it may end its exchange
                pool.release(in_flight)
                await until(lambda: old.closed == 2)  # and is not used again
                pool.release(new)
                assert pool.idle == 1
                pool.close()

    run(test())


def test_a_generation_has_the_pid_of_who_listens(tmp_path: Path) -> None:
    """As the kernel knows it, whatever the peer says."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        path = tmp_path / "peer.sock"
        listener.bind(str(path))
        listener.listen()
        client.connect(str(path))
        found = path.stat()
        assert generation_of(client, epoch=7) == Generation(
            os.getpid(), found.st_dev, found.st_ino, found.st_ctime_ns
        )
        path.unlink()
        assert generation_of(client) == Generation(os.getpid(), 0, 0)


def test_a_peer_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Which names its path; the place in the pool is free again."""

    async def test() -> None:
        pool = pooled(tmp_path, most=1)
        for _ in range(2):
            with pytest.raises(
                PeerUnavailable, match=r"nobody listens on .*peer\.sock: No such file or directory"
            ):
                await pool.acquire()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "peer.sock"))  # and does not listen
            with pytest.raises(PeerUnavailable, match="Connection refused"):
                await pool.acquire()
        assert pool.taken == 0

    run(test())


def test_a_peer_that_is_being_started_is_waited_for(tmp_path: Path, on_uvloop: bool) -> None:
    """As long as `patience` says."""

    async def test() -> None:
        pool = pooled(tmp_path, patience=20)
        waiting = started(pool.acquire())
        await asyncio.sleep(0)
        assert not waiting.done()
        async with peer_at(tmp_path / "peer.sock"):
            assert await exchange(await waiting) == b"hello\n"
            pool.close()

    run(test(), on_uvloop=on_uvloop)


def test_a_peer_that_accepts_nobody_is_given_up(tmp_path: Path) -> None:
    """Its queue is full: the kernel says EAGAIN, which is no connection."""

    async def test() -> None:
        with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as others:
            listener.bind(str(tmp_path / "peer.sock"))
            listener.listen(0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    other = others.enter_context(socket.socket(socket.AF_UNIX))
                    other.setblocking(False)
                    other.connect(str(tmp_path / "peer.sock"))
            with pytest.raises(PeerUnavailable, match="temporarily unavailable"):
                await pooled(tmp_path, connect_timeout=0.05, patience=600).acquire()

    run(test())


def test_a_closed_pool_turns_waiters_away(tmp_path: Path) -> None:
    """Those that wait and those that come."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock"):
            pool = pooled(tmp_path, most=1)
            held = await pool.acquire()
            waiting = [started(pool.acquire()) for _ in range(2)]
            await until(lambda: pool.waiting == 2)
            pool.close()
            for each in waiting:
                with pytest.raises(PeerUnavailable):
                    await each
            with pytest.raises(PeerUnavailable):
                await pool.acquire()
            pool.release(held)
            assert held.is_closed
            assert (pool.idle, pool.taken, pool.waiting) == (0, 0, 0)

    run(test())


def test_what_nobody_asked_for_is_not_read_without_bound(tmp_path: Path, on_uvloop: bool) -> None:
    """A peer that floods is held back by the kernel; one that is asked for much is read."""

    async def test() -> None:
        sent = 0

        async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            try:
                for _ in range(200):
                    writer.write(b"x" * 100_000)
                    await writer.drain()
                    sent += 100_000
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_unix_server(flood, tmp_path / "peer.sock")
        pool = pooled(tmp_path)
        connection = await pool.acquire()
        await connection.read()
        for _ in range(100):
            await asyncio.sleep(0)
        assert sent < 20_000_000
        assert len(connection._buffer) < HIGH_WATER + 2**20
        assert await connection.read_exactly(10_000_000) == b"x" * 10_000_000
        with pytest.raises(ConnectionLost) as lost:
            await connection.read_exactly(30_000_000)
        assert lost.value.received > 0
        pool.close()
        server.close()

    run(test(), on_uvloop=on_uvloop)


def test_a_peer_that_closes_ends_a_read_and_a_drain(tmp_path: Path, on_uvloop: bool) -> None:
    """Nobody waits for ever."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock") as peer:
            pool = pooled(tmp_path)
            reading, writing = await pool.acquire(), await pool.acquire()
            await until(lambda: len(peer.ends) == 2)
            read = started(reading.read_exactly(5))
            writing.write(b"x" * 50_000_000)
            drain = started(writing.drain())
            await asyncio.sleep(0)
            for each in peer.ends:
                each.transport.abort()
            for task in (read, drain):
                with pytest.raises(ConnectionLost):
                    await task
            for each in (reading, writing):
                pool.release(each)
            assert (pool.idle, pool.taken) == (0, 0)

    run(test(), on_uvloop=on_uvloop)


def test_a_pool_that_closes_while_it_connects_leaves_nothing(tmp_path: Path) -> None:
    """Neither a connection nor somebody who waits."""

    async def test() -> None:
        async with peer_at(tmp_path / "peer.sock") as peer:
            pool = pooled(tmp_path, most=1)
            tasks = [started(pool.acquire()) for _ in range(3)]
            await asyncio.sleep(0)
            pool.close()
            for each in tasks:
                with pytest.raises(PeerUnavailable):
                    await each
            assert (pool.idle, pool.taken, pool.waiting) == (0, 0, 0)
            await until(lambda: peer.closed == len(peer.ends))

    run(test())
