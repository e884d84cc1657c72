"""Looking at a ClientHello while it stays on the socket: whoever gets the socket next reads it from the start."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from host.tls.client_hello import MOST_BYTES, ClientHello, parse


async def peek_client_hello(connection: socket.socket) -> ClientHello | None:
    """Wait for a ClientHello on a non-blocking socket; None when the client ends before.

    Raises NotClientHello, and OSError of the socket.
    """
    seen = 0
    try:
        while True:
            await _readable(connection)
            try:
                data = connection.recv(MOST_BYTES, socket.MSG_PEEK)
            except BlockingIOError:
                continue
            if (hello := parse(data)) is not None:
                return hello
            if len(data) <= seen:  # readable, and nothing new: the client has ended
                return None
            seen = len(data)
            # Bytes that stay on the socket keep it readable: it is to wake us for further ones.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
    finally:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    number = connection.fileno()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(number, tell)
    try:
        await ready
    finally:
        loop.remove_reader(number)
