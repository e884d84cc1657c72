"""A gateway with TCP listeners and upstreams behind them, on loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from host import config as configs
from host.config import StreamListen
from host.proxy import Proxy
from tests.e2e.gateway import Handler, closing

ROOT = Path(__file__).resolve().parents[2]


@asynccontextmanager
async def upstream(handler: Handler, **options: Any) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    server = await asyncio.start_server(closing(handler), "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes, until the client ends."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


class Gateway:
    """A gateway under test."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    @property
    def port(self) -> int:
        """The port of the first TCP listener."""
        return self.proxy.stream_addresses[0][1]

    async def connect(
        self, port: int | None = None, **options: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect as a client."""
        return await asyncio.open_connection("127.0.0.1", port or self.port, **options)

    @property
    def sessions(self) -> int:
        """Connections that are not over."""
        assert self.proxy._streams is not None
        return len(self.proxy._streams.sessions)


@asynccontextmanager
async def gateway(
    text: str, *, listen: tuple[StreamListen, ...] = (StreamListen("127.0.0.1", 0),), **changes: Any
) -> AsyncIterator[Gateway]:
    """A gateway of this YAML, which listens on free ports."""
    config = configs.loads(text, str(ROOT / "c.yaml"))
    config = dataclasses.replace(config, listen=(), stream_listen=listen, **changes)
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(config))
        assert proxy.problems == []
        yield Gateway(proxy)


def route(port: int, more: str = "") -> str:
    """A stream route to a port of loopback; `more` keys of it, in flow style."""
    return f"stream_routes: [{{id: 1, upstream: {{nodes: {{'127.0.0.1:{port}': 1}}}}{more}}}]"


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Send all, end, and return all that comes back."""
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def until(condition: Any, seconds: float = 5.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the other end closes, by whatever it closes."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            data += piece
    return data
