"""One connection to a peer over a unix socket: a request out, its answer in, one exchange at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Protocol, cast

from host.errors import ConnectionLost
from host.external.generation import Generation

HIGH_WATER: Final = 256 * 1024
"""Bytes that nobody has asked for, beyond which no more are read."""

_LOOK: Final = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)  # made once: these are enums


class Receiver(Protocol):
    """Who takes what comes on a connection as it comes, instead of reading it."""

    def received(self, data: bytes) -> None:
        """The peer has sent this."""

    def lost(self) -> None:
        """Nothing comes any more."""


class PeerConnection(asyncio.Protocol):
    """`receiver`: who takes what comes, if somebody does; it stays with the connection over its exchanges.
    `is_closed`: nothing comes any more. `exchanges`: how often it was taken from its pool."""

    def __init__(
        self, generation: Generation, own: socket.socket, on_lost: Callable[[PeerConnection], None]
    ) -> None:
        self.generation = generation
        self.is_closed = False
        self.exchanges = 0
        self.receiver: Receiver | None = None
        self.idle_since = 0.0
        self._socket = own
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._wanted = 0  # bytes that the reader waits for
        self._reader: asyncio.Future[None] | None = None
        self._is_reading = True
        self._drained: asyncio.Future[None] | None = None
        self._is_full = False

    # --- asyncio.Protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """The peer has sent this."""
        if self.receiver is not None:
            self.receiver.received(data)
            return
        self._buffer += data
        if len(self._buffer) >= self._wanted:
            self._wake()
            if len(self._buffer) > HIGH_WATER and self._is_reading and self._transport is not None:
                self._is_reading = False
                self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer has closed, or we have."""
        self._lose()

    def eof_received(self) -> bool:
        """The peer sends no more: what has not been answered will not be."""
        self._lose()
        return False

    def pause_writing(self) -> None:
        """The peer does not take what is sent."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It does again."""
        self._is_full = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def _lose(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            if self.receiver is not None:
                self.receiver.lost()
            self._wake()
            self.resume_writing()
            self._on_lost(self)

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # --- for whoever has it ------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes; `drain` waits for them to be taken. Raises ConnectionLost."""
        if self.is_closed or self._transport is None:
            raise ConnectionLost("the peer has closed the connection")
        self._transport.write(data)

    @property
    def is_full(self) -> bool:
        """Whether the peer does not take what was sent: `drain` would wait."""
        return self._is_full

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was sent. Raises ConnectionLost."""
        if self._is_full and not self.is_closed:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        if self.is_closed:
            raise ConnectionLost("the peer has closed the connection")

    async def read_exactly(self, size: int) -> bytes:
        """Return so many bytes. Raises ConnectionLost, with `received`, when they do not come."""
        while len(self._buffer) < size:
            await self._wait(size)
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data

    async def read(self) -> bytes:
        """Return what has come, at least a byte. Raises ConnectionLost."""
        while not self._buffer:
            await self._wait(1)
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def _wait(self, size: int) -> None:
        if self.is_closed:
            raise ConnectionLost("the peer has closed the connection", received=len(self._buffer))
        if not self._is_reading and self._transport is not None:
            self._is_reading = True
            self._transport.resume_reading()
        self._wanted = size
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None
            self._wanted = 0

    def close(self) -> None:
        """Close at once; what was not sent is dropped. Idempotent."""
        if self._transport is not None:
            self._transport.abort()
        self._lose()

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, and nothing has been read that nobody asked for."""
        return not self.is_closed and not self._buffer

    def is_fresh(self) -> bool:
        """Whether another exchange can begin: open, and nothing has come that nobody asked for.

        The peer may have closed, or died, in this very turn of the loop: the kernel is asked.
        """
        if not self.is_quiet:
            return False
        try:
            self._socket.recv(1, _LOOK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False
