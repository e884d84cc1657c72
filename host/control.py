"""The connection between the supervisor and one worker: messages, whole and in order.

Each is pickled, with its length before it. Both ends are ours: a socket pair that only the two processes hold.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
from typing import Any, Self


class Control:
    """One end. Sending never waits for the other end, which may be busy or gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Return a connection over this socket, which belongs to it from now on."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, *message: Any) -> None:
        """Send a message. It is lost when the other end is gone."""
        if not self._writer.is_closing():
            data = pickle.dumps(message)
            self._writer.write(len(data).to_bytes(4) + data)

    async def receive(self) -> tuple[Any, ...]:
        """Return the next message. Raises EOFError when the other end is gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(4))
            data = await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            raise EOFError from None
        message: tuple[Any, ...] = pickle.loads(data)
        return message

    def close(self) -> None:
        """Close; what was sent still arrives."""
        self._writer.close()
