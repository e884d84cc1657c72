"""What one event of a Kong plugin costs on our side: codec and PDK, with what the plugin server writes given.

The plugin is that of Kong's examples: it reads a header, sets one of the response and one of the request, and shares a
value. The whole must stay below 40 us (bench/RESULTS.md has the figures).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from abi.protobuf import delimited
from host.external.kong import messages
from host.external.kong.messagepack import MessagePack
from host.external.kong.pdk.event import PdkEvent
from host.external.kong.pdk.state import Gateway, Plugin
from host.external.kong.protobuf import Protobuf
from host.external.kong.values import encode_value
from host.headers import HeaderMap

CALLS: list[tuple[str, list[Any]]] = [
    ("kong.request.get_header", ["host"]),
    ("kong.response.set_header", ["x-hello-from-go", "Go says Kong! to example.com"]),
    ("kong.service.request.add_header", ["x-order", "go"]),
    ("kong.ctx.shared.set", ["hello", "Kong!"]),
]


class Connection:
    """Takes what is written."""

    is_closed = is_full = False
    receiver: Any = None

    def write(self, data: bytes) -> None:
        """Take it."""

    def close(self) -> None:
        """Nothing to close."""


class View:
    """An exchange."""

    is_local_response = False

    def __init__(self) -> None:
        fields = [(b"field-%d" % number, b"value-%d" % number) for number in range(12)]
        head = [(b":method", b"GET"), (b":path", b"/x?a=1"), (b":authority", b"example.com")]
        self.request_headers = HeaderMap([*head, *fields])
        self.response_headers = HeaderMap([(b":status", b"200"), *fields])
        self.shared: dict[str, Any] = {}

    def variable(self, name: str) -> bytes | None:
        """Nothing."""
        return None

    def reach(self, change: Any) -> bool:
        """Nowhere."""
        return False


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that does not run: an event without bodies needs none."""
    made = asyncio.new_event_loop()
    yield made
    made.close()


def _messagepack() -> list[bytes]:
    """The server's messages: each answers a request and asks for the next thing; numbers are those of one event."""
    asked: list[Any] = [{"Method": name, "Args": arguments} for name, arguments in CALLS]
    return [
        msgpack.packb([1, number, None, {"EventId": 7, "Data": data}])
        for number, data in enumerate([*asked, "ret"], 1)
    ]


def _frames(*frames: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)


def _protobuf() -> list[bytes]:
    def arguments(values: list[Any]) -> bytes:
        if len(values) == 1:
            return messages.a_text(values[0])
        return delimited(b"\x0a", values[0].encode()) + delimited(b"\x12", encode_value(values[1]))

    return [
        *(_frames(name.encode(), arguments(values)) for name, values in CALLS),
        _frames(b"", b"\x08\x01"),
    ]


@pytest.mark.parametrize(
    ("dialect", "script", "counter"),
    [(MessagePack(1 << 20), _messagepack, "_last"), (Protobuf(1 << 20), _protobuf, "_sequence")],
    ids=["messagepack", "protobuf"],
)
def test_an_event_of_four_calls(
    benchmark: BenchmarkFixture,
    loop: asyncio.AbstractEventLoop,
    dialect: Any,
    script: Callable[[], list[bytes]],
    counter: str,
) -> None:
    """From the request to the server to the end of the event."""
    plugin, gateway = Plugin("p", "id"), Gateway(node_id="n")
    view = View()

    async def measure() -> None:
        def event() -> PdkEvent:
            setattr(channel, counter, 0)  # the script's numbers are those of a channel's first event
            pdk = PdkEvent("access", plugin, view, None, gateway)  # type: ignore[arg-type]
            call = dialect.event(channel, 1, "access", pdk)
            channel._call = call
            call.begin(channel)
            for data in script_of:
                call.received(data)
            assert call.done.done()
            assert call.callbacks == len(CALLS)
            view.request_headers.remove(b"x-order")
            return pdk

        channel = dialect.new_channel(Connection())
        script_of = script()
        benchmark(event)
        assert view.shared["hello"] == "Kong!"

    asyncio.set_event_loop(loop)
    loop.run_until_complete(measure())
