"""The gateway's two protocols and the exchange between them, on transports and a clock that the test drives by hand."""

from __future__ import annotations

import asyncio
from typing import Any

from host.chain import FilterChain
from host.exchange import AccessLog, Exchange, Match, Route
from host.filters.python import PythonFilter, PythonFilterAdapter
from host.http.deadlines import Deadlines
from host.http.downstream import Downstream
from host.http.server import Server
from host.http.settings import HttpSettings
from host.upstream.balancer import Node
from host.upstream.connection import UpstreamConnection
from host.upstream.upstream import Upstream


class MockTransport(asyncio.Transport):
    """Keeps what was written and what was asked of it. `full` bytes wait unread, as with a peer that does not read."""

    def __init__(self, protocol: Any) -> None:
        super().__init__({"peername": ("192.0.2.7", 40000), "sockname": ("192.0.2.1", 9080)})
        self.protocol = protocol
        self.written = b""
        self.writes = 0
        self.full = 0
        self.eof = self.closed = self.aborted = self.paused = False

    def write(self, data: Any) -> None:
        """Keep the bytes; none may come once closed."""
        assert not self.closed
        assert not self.eof, "written after the end"
        assert data, "an empty write"
        self.written += data
        self.writes += 1

    def take(self) -> bytes:
        """Return what was written since last asked."""
        data, self.written = self.written, b""
        return data

    def close(self) -> None:
        """Close, as a transport with an empty buffer does."""
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(None)

    def abort(self) -> None:
        """Close, and remember that it was not in peace."""
        self.aborted = self.aborted or not self.closed
        self.close()

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed

    def write_eof(self) -> None:
        """Half-close."""
        self.eof = True

    def pause_reading(self) -> None:
        """Read no more."""
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        """Read again."""
        assert self.paused
        self.paused = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered here."""

    def get_write_buffer_size(self) -> int:
        """What `full` says."""
        return self.full


class Peer:
    """The far end of one of the gateway's connections."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.transport = MockTransport(protocol)
        protocol.connection_made(self.transport)

    def send(self, data: bytes, step: int = 0) -> None:
        """Let the gateway read the bytes, `step` at a time; what comes after it has closed is lost."""
        for at in range(0, len(data), step or len(data) or 1):
            if self.transport.closed:
                return
            self.protocol.data_received(data[at : at + (step or len(data))])

    def end(self) -> None:
        """Send FIN."""
        if not self.protocol.eof_received():
            self.transport.close()

    def reset(self) -> None:
        """Send RST."""
        self.transport.closed = True
        self.protocol.connection_lost(ConnectionResetError())

    def received(self) -> bytes:
        """Return what the gateway wrote since last asked."""
        return self.transport.take()


class MockDialer:
    """Connections that the test lets succeed or fail; by default they succeed as soon as `settle` is called."""

    def __init__(self) -> None:
        self.waiting: list[tuple[UpstreamConnection, str, int]] = []

    def dial(self, connection: UpstreamConnection, host: str, port: int) -> None:
        """Wait for the test."""
        self.waiting.append((connection, host, port))

    def cancel(self, connection: UpstreamConnection) -> None:
        """Forget it."""
        self.waiting = [row for row in self.waiting if row[0] is not connection]


class Wire:
    """A gateway with one route; every request goes to `upstream` unless `match` says otherwise."""

    def __init__(
        self,
        settings: HttpSettings | None = None,
        nodes: tuple[Node, ...] = (Node("10.0.0.1", 8080),),
        match: Match | None = None,
        filters: tuple[PythonFilter, ...] = (),
        trust_content_length: bool = False,
        enable_websocket: bool = True,
        access_log: AccessLog | None = None,
        **upstream: Any,
    ) -> None:
        self.now = 1000.0
        self.deadlines = Deadlines(lambda: self.now)
        self.dialer = MockDialer()
        self.upstream = Upstream("main", nodes, self.deadlines, self.dialer, **upstream)
        chain = FilterChain([PythonFilterAdapter(filter_) for filter_ in filters])
        self.route = Route("1", chain, self.upstream, trust_content_length, enable_websocket)
        match = match or (lambda exchange: self.route)

        def new_exchange(downstream: Downstream) -> Exchange:
            return Exchange(downstream, match, access_log.new_record() if access_log is not None else None)

        self.server = Server(new_exchange, self.deadlines, settings)
        self.upstreams: list[Peer] = []

    def client(self) -> Peer:
        """Connect a client."""
        return Peer(Downstream(self.server))

    def accept(self) -> Peer:
        """Let the oldest connection asked for succeed, and return the node's end of it."""
        connection, _, _ = self.dialer.waiting.pop(0)
        self.upstreams.append(Peer(connection))
        return self.upstreams[-1]

    def refuse(self, error: OSError | None = None) -> None:
        """Let it fail."""
        connection, _, _ = self.dialer.waiting.pop(0)
        connection.connect_failed(error or ConnectionRefusedError())

    def wait(self, seconds: float) -> None:
        """Let time pass, and the sweeps with it."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.5, end)
            self.deadlines.sweep()


def status_of(answer: bytes) -> int:
    """Return the status of a response; 0 where there is none."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
