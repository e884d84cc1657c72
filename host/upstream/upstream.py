"""One configured upstream: its nodes, their pooled connections, its timeouts and what Host it gets.

It is built from plain values; it must not know where they were configured, nor what a request means.
"""

from __future__ import annotations

from asyncio import BaseProtocol
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

from host import hot
from host.http.deadlines import Deadlines, sweeps
from host.http.message import HeadWriter, new_judge
from host.upstream.balancer import Node, NodeState, RoundRobin
from host.upstream.connection import UpstreamConnection
from host.upstream.http2_pool import Http2Pool
from host.upstream.interfaces import ClientExchange

if TYPE_CHECKING:
    from host.upstream.dial import Speaks

Scheme = Literal["http", "https"]
PassHost = Literal["pass", "node", "rewrite"]

# How long a node that refused a connection is passed over (nginx's fail_timeout).
_DOWN_TIME: Final = 10.0


class Dialer(Protocol):
    """Makes connections: the real one by sockets, a test's by hand."""

    def dial(self, connection: UpstreamConnection, host: str, port: int) -> None:
        """Connect, then call connection_made or connect_failed, never before this returns."""

    def cancel(self, connection: UpstreamConnection) -> None:
        """Forget about a connection being made."""

    async def open(self, protocol: BaseProtocol, host: str, port: int, speaks: Speaks) -> None:
        """Connect any protocol. Raises OSError or ValueError."""


class Upstream:
    """Nodes behind one name. Times are seconds; the defaults are APISIX's.

    `scheme` says what port the Host of a node need not name: what is spoken to it is the dialer's to know.
    `retries` is how many further nodes are tried when a connection cannot be made; None tries each once.
    """

    def __init__(
        self,
        name: str,
        nodes: Sequence[Node],
        deadlines: Deadlines,
        dialer: Dialer,
        *,
        scheme: Scheme = "http",
        connect_timeout: float = 60.0,
        send_timeout: float = 60.0,
        read_timeout: float = 60.0,
        keepalive_idle: float = 60.0,
        keepalive_pool_size: int = 320,
        keepalive_requests: int = 1000,
        retries: int | None = None,
        pass_host: PassHost = "pass",
        upstream_host: str = "",
        max_head_bytes: int = 64 * 1024,
        max_fields: int = 200,
    ) -> None:
        self.name = name
        self.clock = deadlines.clock
        self.connect_timeout, self.keepalive_idle = connect_timeout, keepalive_idle
        self.connect_sweeps, self.send_sweeps = sweeps(connect_timeout), sweeps(send_timeout)
        self.read_sweeps, self._idle_sweeps = sweeps(read_timeout), sweeps(keepalive_idle)
        self.retries = len(nodes) - 1 if retries is None else retries
        self.write_buffer_bytes = 256 * 1024
        self.judge = new_judge(max_head_bytes, 16, max_fields)
        self.judge_handle = hot.capsule(self.judge)
        self.writer = HeadWriter()
        self.deadlines, self.dialer, self.scheme = deadlines, dialer, scheme
        self._keepalive_requests = keepalive_requests
        self._pool_size = keepalive_pool_size
        self._balancer = RoundRobin(nodes, 443 if scheme == "https" else 80)
        self._closed = False
        self._http2: Http2Pool | None = None
        for node in self._balancer.nodes:
            node.scheme = scheme
            node.host = {"pass": b"", "node": node.authority, "rewrite": upstream_host.encode()}[pass_host]
        hosts = {node.host for node in self._balancer.nodes}
        self.host = hosts.pop() if len(hosts) == 1 else None
        """What Host its nodes get, empty = the client's; None = each another one."""

    @property
    def nodes(self) -> list[NodeState]:
        """The nodes with their pools, for tests and metrics."""
        return self._balancer.nodes

    def choose(self, tried: Sequence[NodeState] = ()) -> NodeState | None:
        """Return the node for a request, or None when none is left."""
        return self._balancer.choose(self.clock, tried)

    def take(self, node: NodeState) -> UpstreamConnection | None:
        """Return an idle connection of the node, the last one used; None = make one."""
        idle = node.idle
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def connect(self, node: NodeState, exchange: ClientExchange) -> UpstreamConnection:
        """Make a connection for the exchange, which is called when it is there or failed."""
        connection = UpstreamConnection(self, node, exchange)
        connection.deadline = self.connect_sweeps
        self.deadlines.add(connection)
        self.dialer.dial(connection, node.node.host, node.node.port)
        return connection

    @property
    def http2(self) -> Http2Pool:
        """The connections for HTTP/2."""
        if self._http2 is None:
            self._http2 = Http2Pool(self)
        return self._http2

    def mark_down(self, node: NodeState) -> bool:
        """Pass the node over for a while: it refused a connection. Returns whether that is news."""
        now = self.clock()
        is_news = node.down_until <= now
        node.down_until = now + _DOWN_TIME
        return is_news

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection for the next request, or close it."""
        idle = connection.node.idle
        if (
            connection.requests < self._keepalive_requests
            and len(idle) < self._pool_size
            and not self._closed
        ):
            connection.deadline = self._idle_sweeps
            idle.append(connection)
        else:
            connection.transport.close()

    def closed(self, connection: UpstreamConnection) -> None:
        """A connection is gone."""
        self.deadlines.discard(connection)
        if connection in connection.node.idle:
            connection.node.idle.remove(connection)

    def cancel(self, connection: UpstreamConnection) -> None:
        """Give up a connection that is being made."""
        self.dialer.cancel(connection)
        self.deadlines.discard(connection)

    def close(self) -> None:
        """Close the idle connections; the ones in use end with their request."""
        self._closed = True
        if self._http2 is not None:
            self._http2.close()
        for node in self._balancer.nodes:
            for connection in tuple(node.idle):
                connection.transport.close()
