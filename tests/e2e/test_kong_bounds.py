"""What one exchange, one plugin server or one client does to others' requests to plugins of Kong's: nothing."""

from __future__ import annotations

import asyncio
import logging
import struct
from pathlib import Path
from typing import Any

import pytest

from abi.protobuf import delimited
from tests.e2e.embedded import Client, ask
from tests.e2e.gateway import run
from tests.e2e.kong_peer import MessagePackConnection, ProtobufConnection, server
from tests.e2e.test_kong_peers import gateway


def test_who_waits_for_an_instance_gets_it_although_the_first_client_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange that has the instance started ends: another one has it started, and nobody waits for ever."""
    asked: asyncio.Queue[None] = asyncio.Queue()
    may_answer = asyncio.Event()
    reply = MessagePackConnection.reply

    async def slow_start(self: MessagePackConnection, number: int, result: Any) -> None:
        if isinstance(result, dict) and "StartTime" in result:
            asked.put_nowait(None)
            await may_answer.wait()
        await reply(self, number, result)

    async def test() -> None:
        monkeypatch.setattr(MessagePackConnection, "reply", slow_start)
        section = {"event_timeout": "20s"}
        async with server(tmp_path, "MsgPack:1") as peer, gateway(peer.section(**section)) as proxy:
            client = await Client.to(proxy.address)
            client.writer.write(b"GET /a/x HTTP/1.1\r\nHost: a\r\n\r\n")
            await asked.get()
            second = asyncio.ensure_future(ask(proxy, "/a/x"))
            async with asyncio.timeout(5):
                while peer.connections < 2:  # noqa: ASYNC110 - the server's side of it
                    await asyncio.sleep(0.01)
                client.close()
                await asked.get()
            may_answer.set()
            answer = await second
            assert (answer.status, answer.field(b"x-message")) == (200, b"a")

    run(test())


def test_slow_clients_do_not_hold_up_others_for_ever(tmp_path: Path) -> None:
    """All connections are taken by events that wait for their clients: the next is answered when its time is over."""

    async def read(connection: MessagePackConnection, number: int, instance: int) -> None:
        number, _ = await connection.ask(number, "kong.request.get_raw_body")
        await connection.finish(number)

    async def test() -> None:
        async with (
            server(tmp_path, "MsgPack:1") as peer,
            gateway(peer.section(connections=1, event_timeout="300ms")) as proxy,
        ):
            peer.on_event = read
            client = await Client.to(proxy.address)
            client.writer.write(b"POST /a/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nte")
            async with asyncio.timeout(5):
                while not peer.events:  # noqa: ASYNC110 - the server's side of it
                    await asyncio.sleep(0.01)
                assert (await ask(proxy, "/a/x")).status == 503
            client.writer.write(b"xt")
            assert (await client.answer()).status == 200
            client.close()

    run(test())


def test_a_server_that_asks_and_does_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ten thousand bodies would lie in memory, waiting for it."""
    frame = b"kong.request.get_raw_body"
    question = struct.pack("<I", len(frame)) + frame + struct.pack("<I", 0)

    async def flood(connection: ProtobufConnection, number: int, instance: int) -> None:
        await connection.ask(number, "kong.request.get_raw_body")
        connection.writer.write(question * 1000)
        await asyncio.Event().wait()

    async def test() -> None:
        async with (
            server(tmp_path, "ProtoBuf:1") as peer,
            gateway(peer.section(event_timeout="20s", max_body_size=1 << 20)) as proxy,
        ):
            peer.on_event = flood
            with caplog.at_level(logging.ERROR, "sluiceway.kong"):
                answer = await ask(proxy, "/a/x", "POST", body=b"x" * (1 << 20))
            assert answer.status == 500
            assert "does not read the answers" in caplog.text

    run(test())


def test_a_long_message_in_small_pieces(tmp_path: Path) -> None:
    """It is put together once, and not anew with each piece."""
    body = b"0123456789abcdef" * (1 << 16)

    async def write(connection: ProtobufConnection, number: int, instance: int) -> None:
        arguments = delimited(b"\x0a", body)
        name = b"kong.service.request.set_raw_body"
        data = b"".join(struct.pack("<I", len(each)) + each for each in (name, arguments))
        for at in range(0, len(data), 4099):
            await connection.raw(data[at : at + 4099])
        assert await connection.receive() == b""
        await connection.finish(number)

    async def test() -> None:
        async with (
            server(tmp_path, "ProtoBuf:1") as peer,
            gateway(peer.section(event_timeout="20s")) as proxy,
        ):
            peer.on_event = write
            assert (await ask(proxy, "/a/x", "POST", body=b"text")).body == body

    run(test())
