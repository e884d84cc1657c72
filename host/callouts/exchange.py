"""One request of a plugin to an upstream, and its response, gathered for the callback.

It must not know which plugin asks, nor what the callback does: the call is told how it ended, once.
"""

from __future__ import annotations

import logging
import socket
from typing import Final

from abi.types import BufferType, MapType
from host.headers import HeaderMap
from host.hot import Capsule, take_call_response
from host.http.message import IDEMPOTENT
from host.plugin.callouts import CallFailure, HttpCall
from host.upstream.balancer import NodeState
from host.upstream.connection import UpstreamConnection
from host.upstream.dial import TlsError
from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.callouts")

_BODY: Final = BufferType.HTTP_CALL_RESPONSE_BODY


class CallExchange:
    """A call on its way: what a connection tells it (`host.upstream.interfaces.ClientExchange`) ends it."""

    __slots__ = (
        "_call",
        "_connecting",
        "_connection",
        "_delivery",
        "_most",
        "_retried",
        "_tried",
        "_upstream",
    )

    def __init__(self, call: HttpCall, upstream: Upstream) -> None:
        self._call, self._upstream = call, upstream
        self._delivery, self._most = call.delivery.handle, call.callouts.max_response_size
        self._connection: UpstreamConnection | None = None
        self._connecting: UpstreamConnection | None = None
        self._retried = False
        self._tried: tuple[NodeState, ...] = ()

    @property
    def response_trailers(self) -> HeaderMap:
        """The map of the delivery."""
        return self._call.delivery.map(MapType.HTTP_CALL_RESPONSE_TRAILERS)

    def start(self, fresh: bool = False) -> bool:
        """Send on an idle connection to the next node, or have one made. False: there is no node.

        Raises MessageError for a request that cannot be written.
        """
        upstream = self._upstream
        node = upstream.choose(self._tried)
        if node is None:
            return False
        connection = None if fresh else upstream.take(node)
        if connection is not None:
            self._send(connection)
        else:
            self._connecting = upstream.connect(node, self)
        return True

    def cancel(self) -> None:
        """Give it up: the connection cannot be used again."""
        for connection in (self._connection, self._connecting):
            if connection is not None:
                connection.detach()
        self._connection = self._connecting = None

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        call = self._call
        trailers = call.trailers
        section = self._upstream.writer.trailers(trailers.pointer) if trailers is not None else None
        connection.send(self, call.flags, call.head, call.framing, call.body, True, section)

    def _fail(self, failure: CallFailure, detail: str = "") -> None:
        self.cancel()
        self._call.failed(failure, detail)

    # --- what the connection calls ---

    def connected(self, connection: UpstreamConnection) -> None:
        """The connection asked for is there."""
        self._connecting = None
        self._send(connection)

    def connect_failed(self, node: NodeState, error: Exception) -> None:
        """Nothing was sent: any request may try the next node."""
        self._connecting = None
        upstream = self._upstream
        level = logging.WARNING if upstream.mark_down(node) else logging.DEBUG
        logger.log(level, "upstream %s, node %s: %s", upstream.name, node.authority.decode(), error)
        self._tried = (*self._tried, node)
        if len(self._tried) > upstream.retries or not self.start():
            self._fail(*_cause(error))

    def interim(self, status: int) -> None:
        """A 1xx is not for plugins."""

    def judge_response(self, judge: Capsule, request: int, data: bytes, at: int) -> tuple[int, bool]:
        """Fill the delivery: its map, and with a whole response its content too."""
        return take_call_response(judge, request, data, at, self._delivery, self._most)

    def response_passed(self, head: int) -> None:
        """The delivery has it all."""
        self._connection = None
        self._call.completed()

    def response_head(self, head: int, length: int, data: bytes, end: bool) -> None:
        """The response's head is in the delivery."""
        if end:
            self._connection = None
        if length > self._most:
            self._fail(CallFailure.RESPONSE_TOO_LARGE, f"{length} bytes")
        else:
            self._take(data, end)

    def response_data(self, data: bytes, end: bool) -> None:
        """More of the response's content."""
        if end:
            self._connection = None
        self._take(data, end)

    def _take(self, data: bytes, end: bool) -> None:
        delivery = self._call.delivery
        if data:
            if delivery.length(_BODY) + len(data) > self._most:
                self._fail(CallFailure.RESPONSE_TOO_LARGE, f"more than {self._most} bytes")
                return
            delivery.append(_BODY, data)
        if end:
            self._call.completed()

    def upstream_lost(self, connection: UpstreamConnection, answered: bool) -> None:
        """The connection closed before its response was complete, or began."""
        self._connection = None
        # The server may have closed an idle connection just as the request went out.
        is_stale = not answered and connection.requests > 1 and not self._retried
        if is_stale and self._call.flags & IDEMPOTENT:
            self._retried = True
            if self.start(fresh=True):
                return
        self._fail(CallFailure.BROKEN_CONNECTION)

    def upstream_failed(self, status: int, reason: str) -> None:
        """The response is malformed (502) or late (504)."""
        self._connection = None
        self._fail(CallFailure.TIMEOUT if status == 504 else CallFailure.READER_FAILURE, reason)

    def failed(self) -> None:
        """Our own fault, logged already."""
        self._fail(CallFailure.READER_FAILURE)

    def upstream_blocked(self) -> None:
        """All of the request is written already: the system's buffers take it when they can."""

    upstream_unblocked = tunnel_end_back = upstream_blocked

    def switched(self, data: bytes) -> None:
        """Never called, as no call asks for an upgrade."""

    tunnel_data_back = switched


def _cause(error: Exception) -> tuple[CallFailure, str]:
    """Tell why a connection could not be made."""
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, TimeoutError):
        return CallFailure.TIMEOUT, "connect"
    if isinstance(error, TlsError):
        return CallFailure.TLS_HANDSHAKE_FAILURE, str(error)
    if isinstance(error, socket.gaierror | UnicodeError):
        return CallFailure.RESOLVER_FAILURE, text
    return CallFailure.CONNECTION_REFUSED, text
