"""A listener of one worker: accepts client connections, counts them, sweeps their deadlines, drains them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

from host import hot
from host.http.deadlines import Deadlines
from host.http.downstream import Downstream
from host.http.interfaces import ExchangeFactory
from host.http.message import HeadWriter, new_judge
from host.http.settings import HttpSettings, Timeouts


class Server:
    """Serves HTTP/1.1 on sockets, each request by the exchange that `new_exchange` makes for its connection."""

    def __init__(
        self, new_exchange: ExchangeFactory, deadlines: Deadlines, settings: HttpSettings | None = None
    ) -> None:
        self.new_exchange = new_exchange
        self.deadlines = deadlines
        self.settings = settings or HttpSettings()
        self.timeouts = Timeouts(self.settings)
        self.judge = new_judge(
            self.settings.max_head_bytes,
            self.settings.max_target_bytes,
            self.settings.max_fields,
            self.settings.trust_forwarded,
        )
        self.judge_handle = hot.capsule(self.judge)
        self.writer = HeadWriter()
        self.connections: set[Downstream] = set()
        self.accepted = 0  # of all, and how many of these were served
        self.handled = 0
        self._servers: list[asyncio.Server] = []
        self._empty: asyncio.Event | None = None
        self._draining = False

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Listen on bound sockets. Raises OSError when one cannot listen."""
        loop = asyncio.get_running_loop()
        for bound in sockets:
            self._servers.append(await loop.create_server(self._accept, sock=bound, backlog=1024))
        self.deadlines.start(loop)

    async def listen(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Bind, listen, and return the address; port 0 takes a free one. Raises OSError."""
        bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        bound.setblocking(False)
        address = bound.getsockname()
        await self.start([bound])
        return address[0], address[1]

    def _accept(self) -> Downstream:
        return Downstream(self)

    def opened(self, connection: Downstream) -> bool:
        """Register a connection; False when it is one too many."""
        self.connections.add(connection)
        self.deadlines.add(connection)
        self.accepted += 1
        is_served = len(self.connections) <= self.settings.max_connections and not self._draining
        self.handled += is_served
        return is_served

    def statistics(self) -> dict[str, int]:
        """Return the numbers of connections, under the names of nginx's variables."""
        waiting = sum(connection.is_idle for connection in self.connections)
        reading = sum(connection.is_reading_head for connection in self.connections)
        return {
            "connections_active": len(self.connections),
            "connections_reading": reading,
            "connections_writing": len(self.connections) - waiting - reading,
            "connections_waiting": waiting,
            "connections_accepted": self.accepted,
            "connections_handled": self.handled,
        }

    def closed(self, connection: Downstream) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        self.deadlines.discard(connection)
        if self._empty is not None and not self.connections:
            self._empty.set()

    async def drain(self, within: float) -> bool:
        """Accept no more, finish the requests in flight, and close; returns whether all ended in so many seconds."""
        self._draining = True
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.drain()
        self._empty = asyncio.Event()
        if self.connections:
            try:
                await asyncio.wait_for(self._empty.wait(), within)
            except TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """Abort what is left and stop."""
        self._draining = True
        self.deadlines.stop()
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
