"""A plugin server that does what a test tells it, on a real unix socket, in either dialect."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgpack

from abi.protobuf import decode_message, delimited, varint

DUMP: dict[str, Any] = {
    "Name": "p",
    "Phases": ["access"],
    "Version": "0.1",
    "Priority": 1,
    "Schema": {
        "name": "p",
        "fields": [
            {
                "config": {
                    "type": "record",
                    "fields": [{"message": {"type": "string"}}, {"n": {"type": "integer"}}],
                }
            }
        ],
    },
}


class MessagePackConnection:
    """One connection of the gateway's. `events`: what an event is answered with; the default sets a header."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self._unpacker = msgpack.Unpacker(strict_map_key=False)

    async def run(self) -> None:
        """Serve until it is closed."""
        while True:
            _, number, method, arguments = await self.receive()
            name = method.removeprefix("plugin.")
            if name == "StartInstance":
                instance = self.server.start(json.loads(arguments[0]["Config"]))
                await self.reply(number, {"Name": "p", "Id": instance, "Config": {}, "StartTime": 0})
            elif name == "HandleEvent":
                instance = arguments[0]["InstanceId"]
                self.server.events.append((arguments[0]["EventName"], instance))
                if instance not in self.server.instances:
                    await self.send([1, number, f"No plugin instance {instance}", None])
                else:
                    await self.server.on_event(self, number, instance)
            elif name == "CloseInstance":
                self.server.closed.append(arguments[0])
                await self.reply(number, {})
            else:
                await self.send([1, number, f"no {name}", None])

    async def receive(self) -> list[Any]:
        """The next message."""
        while True:
            for message in self._unpacker:
                return list(message)
            data = await self.reader.read(65536)
            if not data:
                raise EOFError
            self._unpacker.feed(data)

    async def send(self, message: Any) -> None:
        """A message."""
        await self.raw(msgpack.packb(message))

    async def raw(self, data: bytes) -> None:
        """Bytes, whatever they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, number: int, result: Any) -> None:
        """A result."""
        await self.send([1, number, None, result])

    async def ask(self, number: int, method: str, *arguments: Any, event: int = 1) -> tuple[int, Any]:
        """Call a method of the PDK; returns the number of the step that answers, and its value."""
        await self.reply(number, {"EventId": event, "Data": {"Method": method, "Args": list(arguments)}})
        _, number, step, (answer,) = await self.receive()
        value = answer["Data"]
        return number, RuntimeError(value) if step == "plugin.StepError" else value

    async def finish(self, number: int) -> None:
        """End an event."""
        await self.reply(number, {"EventId": 1, "Data": "ret"})

    async def say(self, number: int, instance: int) -> None:
        """What a plugin does as a rule: it sets a header to its configuration's message."""
        message = self.server.instances[instance].get("message", "")
        number, _ = await self.ask(number, "kong.response.set_header", "x-message", message)
        await self.finish(number)


class ProtobufConnection:
    """The same in the other dialect."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer

    async def run(self) -> None:
        """Serve until it is closed."""
        while True:
            call = decode_message(await self.receive())
            number = call.get(1, 0)
            assert isinstance(number, int)
            if 33 in call:
                configuration = json.loads(decode_message(call[33])[2])  # type: ignore[arg-type]
                instance = configuration.pop("__seq__")
                self.server.start(configuration, instance)
                await self.reply(number, b"\x10" + varint(instance))
            elif 34 in call or 35 in call:
                instance = decode_message(call.get(34) or call[35]).get(1, 0)  # type: ignore[arg-type]
                if 35 in call:
                    self.server.closed.append(instance)
                if instance not in self.server.instances:
                    raise EOFError
                await self.reply(number, b"\x10" + varint(instance))
            else:
                fields = decode_message(call[36])  # type: ignore[arg-type]
                instance = fields.get(1, 0)
                self.server.events.append((fields[2].decode(), instance))  # type: ignore[union-attr]
                if instance not in self.server.instances:
                    raise EOFError
                await self.server.on_event(self, number, instance)

    async def receive(self) -> bytes:
        """The next frame."""
        (length,) = struct.unpack("<I", await self.reader.readexactly(4))
        return await self.reader.readexactly(length)

    async def raw(self, data: bytes) -> None:
        """Bytes, whatever they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, frame: bytes) -> None:
        """A frame."""
        await self.raw(struct.pack("<I", len(frame)) + frame)

    async def reply(self, number: int, status: bytes | None = None) -> None:
        """A RpcReturn."""
        await self.send(
            b"\x08" + varint(number) + (delimited(varint(33 << 3 | 2), status) if status is not None else b"")
        )

    async def ask(self, number: int, method: str, arguments: bytes = b"") -> tuple[int, bytes]:
        """Call a method of the PDK."""
        await self.send(method.encode())
        await self.send(arguments)
        return number, await self.receive()

    async def finish(self, number: int) -> None:
        """End an event."""
        await self.send(b"")
        await self.reply(number)

    async def say(self, number: int, instance: int) -> None:
        """As a rule."""
        message = self.server.instances[instance].get("message", "").encode()
        arguments = delimited(b"\x0a", b"x-message") + delimited(b"\x12", delimited(b"\x1a", message))
        number, _ = await self.ask(number, "kong.response.set_header", arguments)
        await self.finish(number)


OnEvent = Callable[[Any, int, int], Awaitable[None]]


class Server:
    """`instances`: configurations by number; `events`: phase and instance of each; `closed`: numbers."""

    def __init__(self, path: Path, protocol: str) -> None:
        self.path, self.protocol = path, protocol
        self.instances: dict[int, dict[str, Any]] = {}
        self.events: list[tuple[str, int]] = []
        self.closed: list[Any] = []
        self.connections = 0
        self.on_event: OnEvent = lambda connection, number, instance: connection.say(number, instance)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, configuration: dict[str, Any], number: int | None = None) -> int:
        """A new instance; numbers count from 0, as those of kong-pdk and go-pluginserver do."""
        own = len(self.instances) if number is None else number
        self.instances[own] = configuration
        return own

    async def listen(self) -> None:
        """Begin to serve."""
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        kind = MessagePackConnection if self.protocol == "MsgPack:1" else ProtobufConnection
        try:
            await kind(self, reader, writer).run()
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        """End as a process does: nobody listens, all connections are closed."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def restart(self) -> None:
        """Another run of the server: it knows no instance, and counts from the beginning."""
        await self.stop()
        self.instances.clear()
        await self.listen()

    def section(self, **more: Any) -> dict[str, Any]:
        """What configures it, as a server that somebody else has started."""
        dump = self.path.with_suffix(".json")
        dump.write_text(json.dumps({"Protocol": self.protocol, "Plugins": [DUMP | more.pop("dump", {})]}))
        return {
            "plugins": ["p"],
            "pluginserver_names": ["s"],
            "pluginserver_s_socket": str(self.path),
            "pluginserver_s_query_cmd": f"cat {dump}",
            "event_timeout": "500ms",
            **more,
        }


@contextlib.asynccontextmanager
async def server(folder: Path, protocol: str) -> AsyncIterator[Server]:
    """A server that listens."""
    made = Server(folder / "s.sock", protocol)
    await made.listen()
    try:
        yield made
    finally:
        await made.stop()
