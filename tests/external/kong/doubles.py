"""An exchange made by hand, for methods of the PDK: no socket, no chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from host.external.kong.pdk.event import PdkEvent
from host.external.kong.pdk.state import Gateway, Plugin
from host.headers import HeaderMap
from host.reach import UpstreamChange

VARIABLES = {
    "scheme": b"http",
    "remote_addr": b"192.0.2.7",
    "remote_port": b"40000",
    "server_addr": b"192.0.2.1",
    "server_port": b"9080",
    "server_protocol": b"HTTP/1.1",
    "msec": b"1700000001.500",
    "request_time": b"0.500",
    "request_uri": b"/a%20b/../c?x=1&y&x=2",
    "route_id": b"r1",
    "request_id": b"id-1",
    "host": b"example.com",
    "status": b"200",
    "upstream_addr": b"10.0.0.1:80, 10.0.0.2:80",
    "upstream_status": b"-, 200",
    "upstream_response_time": b"0.000, 0.200",
    "upstream_uri": b"/c?x=1",
    "bytes_sent": b"321",
    "request_length": b"123",
}


class View:
    """What a filter's context is to the PDK."""

    def __init__(
        self, path: bytes = b"/a%20b/../c?x=1&y&x=2", fields: Iterable[tuple[bytes, bytes]] = ()
    ) -> None:
        pseudo = [(b":method", b"GET"), (b":path", path), (b":authority", b"Example.com:8080")]
        self.request_headers = HeaderMap([*pseudo, *fields])
        self.response_headers = HeaderMap([(b":status", b"200"), (b"x-a", b"1"), (b"x-a", b"2")])
        self.shared: dict[str, Any] = {}
        self.is_local_response = False
        self.changes: list[UpstreamChange] = []
        self.variables = dict(VARIABLES)

    def variable(self, name: str) -> bytes | None:
        return self.variables.get(name)

    def reach(self, change: UpstreamChange) -> bool:
        self.changes.append(change)
        return change.upstream != "nowhere"


class Message:
    """What a held message is to the PDK."""

    def __init__(self, body: bytes = b"") -> None:
        self.end_of_stream = not body
        self.content = body
        self.replaced: bytes | None = None
        self.done = False
        self.answers: list[tuple[int, list[tuple[bytes, bytes]], bytes]] = []

    async def body(self) -> bytes:
        return self.content

    def replace_body(self, data: bytes) -> None:
        self.replaced = data

    def respond(self, status: int, headers: Any = (), body: bytes = b"", details: str = "") -> None:
        self.answers.append((status, list(headers), body))


def event(
    phase: str = "access",
    view: View | None = None,
    message: Message | None = None,
    gateway: Gateway | None = None,
) -> PdkEvent:
    """An event of one phase."""
    own: Any = message if message is not None else Message()
    return PdkEvent(
        phase,
        Plugin("p", "plugin-id"),
        view or View(),
        None if phase == "log" else own,
        gateway or Gateway(node_id="node"),
    )
