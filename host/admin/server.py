"""The Admin API on a port of its own: the gateway's own HTTP server, with one route."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from host.admin.filter import admin_route
from host.admin.messages import Ask
from host.exchange import Exchange
from host.http.deadlines import Deadlines
from host.http.server import Server
from host.http.settings import HttpSettings

_SETTINGS: Final = HttpSettings(
    max_head_bytes=16 * 1024, max_connections=64, head_timeout=10.0, body_timeout=10.0, keepalive_timeout=60.0
)


class AdminServer:
    """Serves on a socket that is bound already."""

    def __init__(self, bound: socket.socket) -> None:
        self.address: tuple[str, int] = bound.getsockname()[:2]
        self._socket = bound
        self._server: Server | None = None

    async def start(self, ask: Ask, allow: Sequence[str]) -> None:
        """Answer from now on clients of these ranges of addresses."""
        deadlines = Deadlines(asyncio.get_running_loop().time)
        route = admin_route(ask, allow, deadlines)
        self._server = Server(lambda downstream: Exchange(downstream, lambda _: route), deadlines, _SETTINGS)
        await self._server.start([self._socket])

    async def close(self, within: float) -> None:
        """Finish what is asked, for so many seconds at most, and stop. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            await server.drain(within)
            await server.close()
        self._socket.close()
