"""HTTP/2 to the nodes of one upstream: one connection to each, shared by all requests, and made when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from host.upstream.balancer import NodeState
from host.upstream.http2 import Http2Connection

if TYPE_CHECKING:
    from host.upstream.upstream import Upstream

_LONGEST_CONNECT: Final = 60.0
"""Seconds, whatever the upstream says: those who gave up waiting leave the attempt behind."""


class Acquired(NamedTuple):
    """A connection that takes a request, and the node that it leads to."""

    connection: Http2Connection
    node: NodeState


class Waiter:
    """One who waits for a connection."""

    __slots__ = ("failed", "ready", "tried")

    def __init__(self, ready: Callable[[Acquired], None], failed: Callable[[str], None]) -> None:
        self.ready: Callable[[Acquired], None] | None = ready
        self.failed = failed
        self.tried: list[NodeState] = []

    def cancel(self) -> None:
        """Wait no more: neither is called."""
        self.ready = None


class Http2Pool:
    """The connections. Must be used on the loop's thread."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self._connections: dict[NodeState, Http2Connection] = {}
        self._waiting: dict[NodeState, list[Waiter]] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self._closed = False

    def acquire(self, ready: Callable[[Acquired], None], failed: Callable[[str], None]) -> Waiter:
        """Have `ready` called with a connection, or `failed` with the reason why there is none.

        Where there is a connection `ready` is called at once, else both in a later turn of the loop.
        """
        waiter = Waiter(ready, failed)
        self._next(waiter, "no node is left")
        return waiter

    def _next(self, waiter: Waiter, reason: str) -> None:
        """Take the next node, as many as the upstream's retries allow."""
        node = None
        if not self._closed and len(waiter.tried) <= self.upstream.retries:
            node = self.upstream.choose(waiter.tried)
        if node is None:
            asyncio.get_running_loop().call_soon(_tell_failed, waiter, reason)
            return
        waiter.tried.append(node)
        connection = self._connections.get(node)
        if connection is not None and connection.takes_requests:
            _tell_ready(waiter, Acquired(connection, node))
        elif node in self._waiting:
            self._waiting[node].append(waiter)
        else:
            self._waiting[node] = [waiter]
            task = asyncio.get_running_loop().create_task(self._dial(node))
            self._dials.add(task)
            task.add_done_callback(self._dials.discard)

    async def _dial(self, node: NodeState) -> None:
        upstream = self.upstream
        try:
            connection = Http2Connection(
                node.authority.decode(),
                upstream.deadlines,
                lambda gone: self._gone(node, gone),
                idle_timeout=upstream.keepalive_idle,
            )
            async with asyncio.timeout(min(upstream.connect_timeout, _LONGEST_CONNECT)):
                await upstream.dialer.open(connection, node.node.host, node.node.port, "h2")
        except Exception as error:  # whatever it is, those who wait must hear of it
            reason = "connect timeout" if isinstance(error, TimeoutError) else str(error) or repr(error)
            upstream.mark_down(node)
            for waiter in self._waiting.pop(node, ()):
                self._next(waiter, f"{node.authority.decode()}: {reason}")
            return
        self._connections[node] = connection
        for waiter in self._waiting.pop(node, ()):
            _tell_ready(waiter, Acquired(connection, node))
        if self._closed:
            connection.retire()

    def _gone(self, node: NodeState, connection: Http2Connection) -> None:
        if self._connections.get(node) is connection:
            del self._connections[node]

    def close(self) -> None:
        """Make no more connections; those that there are end with their last request."""
        self._closed = True
        for task in list(self._dials):
            task.cancel()
        for connection in list(self._connections.values()):
            connection.retire()


def _tell_ready(waiter: Waiter, acquired: Acquired) -> None:
    ready, waiter.ready = waiter.ready, None
    if ready is not None:
        ready(acquired)


def _tell_failed(waiter: Waiter, reason: str) -> None:
    if waiter.ready is not None:
        waiter.ready = None
        waiter.failed(reason)
