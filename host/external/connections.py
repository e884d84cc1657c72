"""A pool of connections to one peer over a unix socket, each for one exchange at a time."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path

from host.errors import PeerUnavailable
from host.external.connection import PeerConnection
from host.external.generation import Generation, generation_of

_AGAIN = 0.02  # seconds until a peer that is not there, or whose queue is full, is tried again


class Connections:
    """At most `most` are open; who comes then waits, first come, first served.

    `generation` is that of the last connection made, None before the first.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        most: int = 64,
        idle_timeout: float = 60.0,
        connect_timeout: float = 1.0,
        patience: float = 0.0,
        on_generation: Callable[[Generation], None] | None = None,
    ) -> None:
        """`idle_timeout`: seconds that a connection is kept unused. `connect_timeout`: for a peer that is there.

        `patience`: seconds to wait for a peer that is not there: one that is being started.
        `on_generation`: called when a connection leads to another run of the peer than the last; idle ones of the
        last have been closed then.
        """
        self.path = str(path)
        self.generation: Generation | None = None
        self.on_generation = on_generation
        self._most = most
        self._idle_timeout = idle_timeout
        self._connect_timeout = connect_timeout
        self._patience = patience
        self._idle: deque[PeerConnection] = deque()  # the latest used last
        self._taken: set[PeerConnection] = set()
        self._slots = 0  # exchanges that have a connection, or are getting one
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._epoch = 0
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for use."""
        return len(self._idle)

    @property
    def taken(self) -> int:
        """Exchanges that have a connection, or are getting one."""
        return self._slots

    @property
    def waiting(self) -> int:
        """Exchanges that wait for one that has."""
        return len(self._waiters)

    @property
    def is_busy(self) -> bool:
        """Whether `acquire` waits for an exchange to end, for as long as that takes."""
        return self._slots >= self._most or bool(self._waiters)

    async def acquire(self, *, fresh: bool = False) -> PeerConnection:
        """Return a connection, to be given to `release` or `discard`. Waits for one as long as it takes.

        `fresh`: one that was not used before, for the second try of an exchange that an idle one failed.
        Raises PeerUnavailable when the peer cannot be connected to.
        """
        await self._take_slot()
        try:
            taken = None if fresh else self._take_idle()
            if taken is None:
                taken = await self._connect()
        except BaseException:
            self._free_slot()
            raise
        taken.exchanges += 1
        self._taken.add(taken)
        return taken

    def release(self, connection: PeerConnection) -> None:
        """The exchange is over: keep the connection for the next."""
        if connection not in self._taken:
            return
        if self._is_closed or not connection.is_quiet or connection.generation != self.generation:
            self.discard(connection)
            return
        self._taken.discard(connection)
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(self._idle_timeout, self._sweep)
        self._free_slot()

    def discard(self, connection: PeerConnection) -> None:
        """The exchange has failed or was given up: whatever comes on this connection belongs to it. Close it."""
        if connection in self._taken:
            self._taken.discard(connection)
            connection.close()
            self._free_slot()

    def close(self) -> None:
        """Close all, in use or not; who waits gets PeerUnavailable. Idempotent."""
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        self.drop_idle()
        for each in list(self._taken):
            self.discard(each)  # its place goes to the first who waits, who gives it on

    def drop_idle(self) -> None:
        """Close what is not in use."""
        while self._idle:
            self._idle.popleft().close()

    async def _take_slot(self) -> None:
        if not self.is_busy:
            self._slots += 1
        else:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():  # a slot was given in the same turn
                    self._free_slot()
                elif waiter in self._waiters:
                    self._waiters.remove(waiter)
                raise
        if self._is_closed:
            self._free_slot()
            raise PeerUnavailable(f"{self.path}: closed")

    def _free_slot(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)  # and the slot with it
                return
        self._slots -= 1

    def _take_idle(self) -> PeerConnection | None:
        while self._idle:
            found = self._idle.pop()
            if found.is_fresh():
                return found
            self._epoch += 1  # as in `_on_lost`, which has not heard of it yet
            found.close()
        return None

    async def _connect(self) -> PeerConnection:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            # A connect by the loop takes a full queue (EAGAIN) for a connection that is about to come.
            own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            try:
                own.connect(self.path)
            except OSError as error:
                own.close()
                within = self._connect_timeout if error.errno == errno.EAGAIN else self._patience
                if loop.time() - began >= within or self._is_closed:
                    nobody = "nobody listens on " if error.errno in (errno.ENOENT, errno.ECONNREFUSED) else ""
                    raise PeerUnavailable(f"{nobody}{self.path}: {_reason(error)}") from error
                await asyncio.sleep(_AGAIN)
            else:
                return await self._connected(own)

    async def _connected(self, own: socket.socket) -> PeerConnection:
        try:
            generation = generation_of(own, self._epoch)
            made = PeerConnection(generation, own, self._on_lost)
            await asyncio.get_running_loop().create_unix_connection(lambda: made, sock=own)
        except OSError as error:
            own.close()
            raise PeerUnavailable(f"{self.path}: {_reason(error)}") from error
        except BaseException:
            own.close()
            raise
        if self._is_closed:
            made.close()
            raise PeerUnavailable(f"{self.path}: closed")
        if generation != self.generation:
            had, self.generation = self.generation, generation
            if had is not None:
                self.drop_idle()
                if self.on_generation is not None:
                    self.on_generation(generation)
        return made

    def _on_lost(self, connection: PeerConnection) -> None:
        if connection in self._taken or connection in self._idle:
            self._epoch += 1  # the peer has closed it, and may have ended
        if connection in self._idle:
            self._idle.remove(connection)
            connection.close()

    def _sweep(self) -> None:
        self._sweeping = None
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].idle_since >= self._idle_timeout:
            self._idle.popleft().close()
        if self._idle:
            due = self._idle[0].idle_since + self._idle_timeout
            self._sweeping = loop.call_at(due, self._sweep)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
