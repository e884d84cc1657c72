"""Two proxies without features, as floors: what uvloop alone costs, and what uvloop and httptools cost together.

python -m bench.load.floors {bytes,http} PORT ORIGIN_PORT
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import ClassVar

import httptools
import uvloop


class Pipe(asyncio.Protocol):
    """One side of a pair of connections; what it reads is written to the other side, unread."""

    def __init__(self, other: Pipe | None = None) -> None:
        self.other = other
        self.waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and write what came before it."""
        self.transport = transport
        for data in self.waiting:
            transport.write(data)
        self.waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Hand the bytes on."""
        self.other.send(data)

    def send(self, data: bytes) -> None:
        """Write, or keep until connected."""
        if hasattr(self, "transport"):
            self.transport.write(data)
        else:
            self.waiting.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side too."""
        if self.other is not None and hasattr(self.other, "transport"):
            self.other.transport.close()


class BytesProxy(Pipe):
    """Bytes from a client to an origin connection of its own and back: two hops, no parsing."""

    origin_port: int

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the origin."""
        super().connection_made(transport)
        self.other = Pipe(self)
        loop = asyncio.get_running_loop()
        self.connecting = loop.create_task(
            loop.create_connection(lambda: self.other, "127.0.0.1", self.origin_port)
        )


class Origin(asyncio.Protocol):
    """A pooled connection to the origin: parses a response and hands its parts to the client that waits for it."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.client: Client | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Start a head."""
        self.head: list[bytes] = []
        self.body: list[bytes] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head."""
        self.head += (name, b": ", value, b"\r\n")

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self.body.append(body)

    def on_message_complete(self) -> None:
        """Answer the client; the connection is free again."""
        client, self.client = self.client, None
        Client.pool.append(self)
        if client is not None and not client.transport.is_closing():  # at the end of a round wrk just goes
            line = b"HTTP/1.1 %d OK\r\n" % self.parser.get_status_code()
            client.transport.write(b"".join([line, *self.head, b"\r\n", *self.body]))


class Client(asyncio.Protocol):
    """The client's side of the toy proxy: GET requests without a body, one at a time, nothing checked."""

    pool: ClassVar[deque[Origin]] = deque()
    origin_port: int

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Start a head."""
        self.url = b""
        self.head: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """Keep the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head."""
        self.head += (name, b": ", value, b"\r\n")

    def on_message_complete(self) -> None:
        """Send the request on a pooled connection, or on a new one."""
        line = b"%b %b HTTP/1.1\r\n" % (self.parser.get_method(), self.url)
        request = b"".join([line, *self.head, b"\r\n"])
        if self.pool:
            self.send(self.pool.pop(), request)
        else:
            self.connecting = asyncio.get_running_loop().create_task(self.connect(request))

    async def connect(self, request: bytes) -> None:
        """Open one more connection to the origin."""
        loop = asyncio.get_running_loop()
        self.send((await loop.create_connection(Origin, "127.0.0.1", self.origin_port))[1], request)

    def send(self, origin: Origin, request: bytes) -> None:
        """Write the request; the answer comes to this client."""
        origin.client = self
        origin.transport.write(request)


async def serve(kind: str, port: int, origin_port: int) -> None:
    """Serve until ended."""
    protocol = {"bytes": BytesProxy, "http": Client}[kind]
    protocol.origin_port = origin_port
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
