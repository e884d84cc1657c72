"""The bytes of an upgraded connection, both ways, until both ends have said their last.

It must not know what the upgrade was to, nor anything of filters: what follows a 101 is not HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from host.http.downstream import Downstream
from host.http.flow import CHAIN
from host.upstream.connection import UpstreamConnection


class Tunnel:
    """Made with the 101; `end` is called once, or more often, when the exchange is to close both sides."""

    __slots__ = ("_connection", "_downstream", "_end", "_first", "_is_half_closed")

    def __init__(
        self, downstream: Downstream, connection: UpstreamConnection, first: bytes, end: Callable[[], None]
    ) -> None:
        self._downstream, self._connection, self._end = downstream, connection, end
        self._first = first  # what the upstream sent along with its 101
        self._is_half_closed = False

    def open(self) -> None:
        """Begin, behind a 101 that was sent: pass what came early from either end, and read on."""
        early = self._downstream.start_tunnel()
        if early:
            self._connection.transport.write(early)
        if self._first:
            self._downstream.transport.write(self._first)
            self._first = b""
        self._connection.release(CHAIN)

    def to_upstream(self, data: bytes) -> None:
        """The client's bytes."""
        if not self._connection.transport.is_closing():
            self._connection.send_raw(data)

    def to_client(self, data: bytes) -> None:
        """The upstream's bytes."""
        self._downstream.transport.write(data)

    def client_ended(self) -> None:
        """The client sends no more."""
        self._end_one_way(self._connection.transport)

    def upstream_ended(self) -> None:
        """The upstream sends no more."""
        self._end_one_way(self._downstream.transport)

    def _end_one_way(self, other: asyncio.Transport) -> None:
        """Pass an end on; the second one is the tunnel's."""
        if self._is_half_closed or other.is_closing():
            self._end()
        else:
            self._is_half_closed = True
            other.write_eof()
