"""A whole gateway inside the test's own event loop: configurations in YAML, an origin, plugins' log lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from host import config as configs
from host.config import Config
from host.log import Log, Writer
from host.proxy import Proxy
from tests.e2e.gateway import Handler, closing

ROOT = Path(__file__).resolve().parents[2]


class RecordingLog(Log):
    """Keeps what plugins log as (plugin, context, request, message)."""

    def __init__(self) -> None:
        super().__init__(Writer(2))
        self.rows: list[tuple[str, int, str, str]] = []

    def plugin_lines(self, plugin: str, context: int, request: str, lines: Any) -> None:
        """Keep them."""
        self.rows += [(plugin, context, request, message.decode(errors="replace")) for _, message in lines]

    @property
    def dropped(self) -> int:
        """None: they are kept here, and not written."""
        return 0

    @property
    def messages(self) -> list[str]:
        """What was logged."""
        return [row[3] for row in self.rows]


def plugin(name: str) -> str:
    """The file of a plugin of testdata."""
    return str(ROOT / "testdata/plugins" / name / "plugin.wasm")


def load(text: str) -> Config:
    """A configuration on a port that the system chooses."""
    import dataclasses

    return dataclasses.replace(configs.loads(text), listen=(configs.Listen("127.0.0.1", 0),))


@asynccontextmanager
async def serve_origin(handler: Handler) -> AsyncIterator[int]:
    """Serve an origin; gives its port."""
    server = await asyncio.start_server(closing(handler), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Answer:
    """A response: status, fields in order, body, trailers."""

    def __init__(self, head: bytes, body: bytes, trailers: list[tuple[bytes, bytes]]) -> None:
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split(b" ")[1])
        self.fields = [(n.lower(), v.strip()) for n, _, v in (line.partition(b":") for line in lines if line)]
        self.body = body
        self.trailers = trailers

    def field(self, name: bytes) -> bytes | None:
        """The first value of the field."""
        return next((value for own, value in self.fields if own == name), None)


class Client:
    """One HTTP/1.1 connection, framing read by the book."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, address: tuple[str, int]) -> Client:
        """Connect."""
        return cls(*await asyncio.open_connection(*address))

    async def ask(self, path: str = "/", method: str = "GET", fields: str = "", body: bytes = b"") -> Answer:
        """One request, with a Content-Length if it has a body, and its answer."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{length}{fields}\r\n".encode() + body)
        return await self.answer(method)

    async def answer(self, method: str = "GET") -> Answer:
        """The next response."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        answer = Answer(head[:-4], b"", [])
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return answer
        if answer.field(b"transfer-encoding") == b"chunked":
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                answer.body += await self.reader.readexactly(size)
                assert await self.reader.readexactly(2) == b"\r\n"
            while (line := await self.reader.readuntil(b"\r\n")) != b"\r\n":
                name, _, value = line.partition(b":")
                answer.trailers.append((name.lower(), value.strip()))
        elif (length := answer.field(b"content-length")) is not None:
            answer.body = await self.reader.readexactly(int(length))
        else:
            answer.body = await self.reader.read()
        return answer

    def close(self) -> None:
        """Close."""
        self.writer.close()


async def ask(
    proxy: Proxy, path: str = "/", method: str = "GET", fields: str = "", body: bytes = b""
) -> Answer:
    """One request on a connection of its own."""
    client = await Client.to(proxy.address)
    try:
        return await client.ask(path, method, fields, body)
    finally:
        client.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An origin that answers with the request line, or with the body that came with a Content-Length."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")
        method, path, _ = line.split(" ")
        length = next(
            (int(f.partition(":")[2]) for f in fields if f.lower().startswith("content-length:")), 0
        )
        body = await reader.readexactly(length) or path.encode()
        if path.startswith("/slow/"):
            await asyncio.sleep(float(path.rpartition("/")[2]))
        answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        writer.write(answer + (b"" if method == "HEAD" else body))


def messages_of(caplog: Any, logger: str) -> list[str]:
    """What the gateway itself logged under this logger."""
    return [record.getMessage() for record in caplog.records if record.name == logger]
