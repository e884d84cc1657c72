"""Servers that plugins call, well-behaved and not, and a gateway with the guest that calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from host.proxy import Proxy
from tests.e2e.embedded import Answer, RecordingLog, ask, load, plugin
from tests.e2e.gateway import Handler

Fields = list[tuple[bytes, bytes]]


class Callee:
    """Answers every request with the same bytes, and keeps what came: one text a request."""

    def __init__(
        self, answer: bytes | Iterable[bytes] = b"", *, delay: float = 0.0, keep: bool = True
    ) -> None:
        """`answer`: the bytes of a response, or one for each request of a connection; none hangs. `delay` in seconds;
        without `keep` the connection is closed behind an answer."""
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = (answer,) if isinstance(answer, bytes) else tuple(answer)
        self._delay, self._keep = delay, keep

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = 0
        while True:
            self.requests.append(await read_request(reader))
            await asyncio.sleep(self._delay)
            answer = self._answers[min(number, len(self._answers) - 1)]
            number += 1
            if not answer:
                await reader.read()  # until the gateway gives up
                return
            writer.write(answer)
            if not self._keep:
                return


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request as it came, content and trailers included."""
    text = await reader.readuntil(b"\r\n\r\n")
    if b"\r\nTransfer-Encoding: chunked\r\n" in text:
        while not text.endswith(b"\r\n0\r\n\r\n"):
            line = await reader.readuntil(b"\r\n")
            text += line
            if line == b"0\r\n":
                while line != b"\r\n":
                    line = await reader.readuntil(b"\r\n")
                    text += line
                return text
    for line in text.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name == b"Content-Length":
            text += await reader.readexactly(int(value))
    return text


def response(body: bytes = b"", status: bytes = b"200 OK", fields: bytes = b"") -> bytes:
    """The bytes of a response with a Content-Length."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), fields, body)


@asynccontextmanager
async def gateway(
    configuration: dict[str, Any],
    *,
    callee: int = 0,
    callouts: dict[str, Any] | None = None,
    upstream: dict[str, Any] | None = None,
    apisix: dict[str, Any] | None = None,
    origin: int = 1,
    log: RecordingLog | None = None,
) -> AsyncIterator[Proxy]:
    """A gateway with the guest `callout`, whose upstream `auth` (name: the-auth) is the callee on that port."""
    entry = {"name": "callout", "priority": 1, "file": plugin("callout"), "callouts": callouts or {}}
    route = {
        "uri": "/*",
        "plugins": {"callout": {"conf": configuration}},
        "upstream": {"nodes": {f"127.0.0.1:{origin}": 1}},
    }
    auth = {"id": "auth", "name": "the-auth", "nodes": {f"127.0.0.1:{callee or 1}": 1}} | (upstream or {})
    config = {"wasm": {"plugins": [entry]}, "routes": [route], "upstreams": [auth], "apisix": apisix or {}}
    async with Proxy(load(json.dumps(config)), log=log) as proxy:
        assert proxy.problems == []
        yield proxy


async def report(
    configuration: dict[str, Any], *, path: str = "/", **options: Any
) -> tuple[dict[str, str], bytes]:
    """What the guest says of its call: the fields x-call-… without their prefix, and the callee's body."""
    async with gateway({"upstream": "auth", "report": True, **configuration}, **options) as proxy:
        return told(await ask(proxy, path))


def told(answer: Answer) -> tuple[dict[str, str], bytes]:
    """The same of one answer."""
    assert answer.status == 200, answer.body
    fields = {
        name.removeprefix(b"x-call-").decode(): value.decode()
        for name, value in answer.fields
        if name.startswith(b"x-call-")
    }
    return fields, answer.body


@asynccontextmanager
async def listening(handler: Handler, **options: Any) -> AsyncIterator[int]:
    """Serve on loopback; gives the port. Connections end with the block."""
    writers: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in tuple(writers):
            writer.transport.abort()
