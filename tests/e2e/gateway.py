"""A gateway and origins on loopback sockets, each on port 0."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from host.chain import EMPTY
from host.exchange import Exchange, Route
from host.http.deadlines import Deadlines
from host.http.server import Server
from host.http.settings import HttpSettings
from host.upstream.balancer import Node
from host.upstream.dial import TcpDialer
from host.upstream.upstream import Upstream

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Gateway:
    """A gateway in front of one origin, and connections to it."""

    def __init__(self, server: Server, upstream: Upstream, address: tuple[str, int]) -> None:
        self.server, self.upstream, self.address = server, upstream, address

    async def connect(self, limit: int = 2**16) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect as a client."""
        return await asyncio.open_connection(*self.address, limit=limit)


@asynccontextmanager
async def serving(
    origin: Handler, settings: HttpSettings | None = None, **options: Any
) -> AsyncIterator[Gateway]:
    """Serve an origin through a gateway until the block ends; both are gone then."""
    listener = await asyncio.start_server(closing(origin), "127.0.0.1", 0)
    deadlines = Deadlines(asyncio.get_running_loop().time)
    node = Node("127.0.0.1", listener.sockets[0].getsockname()[1])
    upstream = Upstream("origin", [node], deadlines, TcpDialer(), **options)
    route = Route("1", EMPTY, upstream, enable_websocket=True)
    server = Server(lambda downstream: Exchange(downstream, lambda _: route), deadlines, settings)
    address = await server.listen()
    try:
        yield Gateway(server, upstream, address)
    finally:
        upstream.close()
        await server.close()
        listener.close()


def closing(handler: Handler) -> Handler:
    """The handler, with its connection closed behind it whatever happens."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return handle


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine on uvloop, as the gateway does, for a minute at most."""

    async def bounded() -> None:
        await asyncio.wait_for(test, 50)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())
