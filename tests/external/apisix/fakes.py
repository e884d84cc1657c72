"""A runner in the test's own process: it keeps tokens as real ones do, and answers calls as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from host.config.runner_values import Runner
from host.external.apisix.client import RunnerClient
from host.external.apisix.codec import InfoRequest
from host.external.apisix.tokens import Configuration
from host.headers import HeaderMap
from tests.external.apisix import frames

Entries = list[tuple[bytes, bytes | None]]


@dataclass
class Call:
    """What the gateway has sent."""

    type: int
    id: int
    token: int
    conf: Entries
    reader: frames.Reader


Reply = Callable[["FakeRunner", Call, "Link"], Awaitable[bytes]]


class Link:
    """One connection of the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def frame(self) -> tuple[int, bytes]:
        """Return the next frame of the gateway."""
        header = await self.reader.readexactly(4)
        return header[0], await self.reader.readexactly(int.from_bytes(header[1:], "big"))

    async def ask(self, type_: int, name: bytes | None = None) -> bytes | None:
        """Ask for information and return it."""
        self.writer.write(frames.info_request(type_, name))
        got, payload = await self.frame()
        assert got == frames.EXTRA_INFO
        return frames.Reader(payload).bytes(0)


async def echo(runner: FakeRunner, call: Call, link: Link) -> bytes:
    """Stop, with the configuration as body: who asks sees whether it is his."""
    body = b",".join(value or b"" for _, value in call.conf)
    if call.type == frames.RESPONSE_CALL:
        return frames.response_reply(call.id, body=body)
    return frames.stop(call.id, 200, body=body)


@dataclass
class FakeRunner:
    """`first_token`: where its tokens start, as each run of a real one starts from 1. `forgets`: it knows no token."""

    path: Path
    reply: Reply = echo
    on_prepare: Callable[[FakeRunner, Link], Awaitable[bytes | None]] | None = None
    forgets: int = 0
    prepared: list[bytes] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    runs: int = 0
    _confs: dict[int, Entries] = field(default_factory=dict)
    _tokens: dict[bytes, int] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _links: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        """Listen; an old file at the path goes, as runners have it."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        """End, and all connections with it."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._links):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def restart(self) -> FakeRunner:
        """Another run: it knows nothing of this one's tokens, and its own start from 1 too.

        As it has this one's pid, the file of its socket is one that has not been there before.
        """
        await self.stop()
        self.runs += 1
        os.rename(self.path, f"{self.path}.{self.runs}")
        again = FakeRunner(self.path, self.reply, self.on_prepare, runs=self.runs)
        await again.start()
        return again

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._links.add(writer)
        link = Link(reader, writer)
        try:
            while True:
                type_, payload = await link.frame()
                if type_ == frames.PREPARE_CONF:
                    writer.write(await self._prepare(payload, link))
                else:
                    writer.write(await self._call(type_, payload, link))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(writer)
            writer.transport.abort()

    async def _prepare(self, payload: bytes, link: Link) -> bytes:
        reader = frames.Reader(payload)
        key = reader.bytes(1) or b""
        self.prepared.append(key)
        if self.on_prepare is not None and (frame := await self.on_prepare(self, link)) is not None:
            return frame
        token = self._tokens.setdefault(key, len(self._tokens) + 1)
        self._confs.setdefault(token, reader.entries(0))
        return frames.prepare_reply(token)

    async def _call(self, type_: int, payload: bytes, link: Link) -> bytes:
        reader = frames.Reader(payload)
        token = reader.number(6 if type_ == frames.REQUEST_CALL else 3)
        if self.forgets > 0 or token not in self._confs:
            self.forgets -= 1
            return frames.error_reply(2)
        call = Call(type_, reader.number(0), token, self._confs[token], reader)
        self.calls.append(call)
        return await self.reply(self, call, link)


def configuration(name: str) -> Configuration:
    """A configuration whose echo is the name."""
    return Configuration(name.encode(), ((b"say", name.encode()),))


HEADERS = HeaderMap([(b":method", b"GET"), (b":path", b"/a?b=c"), (b":authority", b"example.org")])


async def no_answer(question: InfoRequest) -> bytes | None:
    """Of a gateway that knows nothing."""
    return None


async def ask(client: RunnerClient, name: str = "a") -> bytes:
    """Return the body that the runner stops a request with."""
    reply = await client.request(configuration(name), HEADERS, bytes(4), no_answer)
    assert reply.action is not None
    return reply.action.body


@contextlib.asynccontextmanager
async def asked(
    path: Path, *, reply: Reply = echo, now: Callable[[], float] | None = None, **settings: object
) -> AsyncIterator[tuple[FakeRunner, RunnerClient]]:
    """A runner, and a client of it."""
    runner = FakeRunner(path, reply)
    await runner.start()
    client = RunnerClient(Runner(**settings), path, now)  # type: ignore[arg-type]
    client.hold()
    try:
        yield runner, client
    finally:
        client.close()
        await runner.stop()
