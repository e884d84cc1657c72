"""The request's side of an exchange: what left the chain goes to a node, and to the next one if that cannot be reached.

It must not know what the client's connection tells of the request.
"""

from __future__ import annotations

import logging

from host.exchange.record import Record
from host.exchange.response import ResponseSide
from host.http.downstream import Downstream
from host.http.flow import CONNECTING, PEER
from host.http.message import (
    CHUNKED,
    EXPECT_CONTINUE,
    FRAMING,
    IDEMPOTENT,
    LENGTH,
    NONE,
    UPGRADE,
    WRITE_CHUNKED,
    WRITE_EXPECT,
    WRITE_NO_BODY,
    WRITE_UPGRADE,
    MessageError,
)
from host.stream import ConnectionInfo
from host.upstream.balancer import NodeState
from host.upstream.connection import UpstreamConnection
from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.exchange")

SPECIAL = FRAMING | UPGRADE | EXPECT_CONTINUE
"""What makes a request more than a head that is written as it stands."""


class RequestSide(ResponseSide):
    """Sends requests; their heads, lengths and first content are set by the exchange's `begin`."""

    __slots__ = (
        "_first", "_first_end", "_recounts_request", "_request_length",
        "_request_pointer", "_request_ready", "_request_sent", "_retried", "_tried",
        "_upstream",
    )  # fmt: skip

    _first: bytes | None  # content that came before the head could leave; None = sent in pieces already
    _first_end: bool
    _recounts_request: bool
    _request_length: int
    _request_ready: bool  # the head has left the chain
    _request_sent: bool
    _retried: bool
    _tried: tuple[NodeState, ...]
    _upstream: Upstream

    def __init__(self, downstream: Downstream, record: Record | None = None) -> None:
        super().__init__(downstream, record)
        self._request_pointer = self.request_headers.pointer

    def _pass_request(self, data: bytes, end: bool) -> None:
        """Send what left the chain; before the head is out, gather it."""
        if self._request_sent:
            connection = self._connection
            if connection is not None and (data or end):
                self._first = None  # sent in pieces: it cannot be sent again
                connection.send_body(data, end, self._trailers_to_send() if end else None)
            return
        assert self._first is not None
        self._first += data
        self._first_end = end
        if (
            self._connecting is None
            and self._request_ready
            and (end or self._first or not self._recounts_request)
        ):
            self._acquire()

    def _trailers_to_send(self) -> bytes | None:
        if self._head & FRAMING != CHUNKED and not self.chain.wants_request_body:
            return None
        return (
            self._upstream.writer.trailers(self.request_trailers.pointer)
            if len(self.request_trailers)
            else None
        )

    def _acquire(self, fresh: bool = False, request: bytes | None = None) -> None:
        """Send on an idle connection to the next node, or have one made. `request`: the head, if it is written."""
        upstream = self._upstream
        node = upstream.choose(self._tried)
        if node is None:
            self._answer_instead(503, "503 Service Unavailable")
            return
        if self._record is not None:
            self._record.node_ended()
            self._record.try_node(node)
        if node.idle and not fresh:
            connection = upstream.take(node)
            if connection is not None:
                self._send(connection, request)
                return
        self._connecting = upstream.connect(node, self)
        if not self._first_end:
            self._downstream.hold(CONNECTING)

    def _request_framing(self) -> int:
        kind = self._head & FRAMING
        if self._recounts_request:
            if not self._first_end or len(self.request_trailers):
                return WRITE_CHUNKED
            return len(self._first or b"") if kind != NONE or self._first else WRITE_NO_BODY
        return self._request_length if kind == LENGTH else WRITE_NO_BODY if kind == NONE else WRITE_CHUNKED

    def _request_head(self, connection: UpstreamConnection, framing: int) -> bytes:
        flags = 0
        if self._head & UPGRADE:
            flags = WRITE_UPGRADE
        elif self._head & EXPECT_CONTINUE and not self._continued:
            flags = WRITE_EXPECT
        return self._upstream.writer.request(
            self._request_pointer, self._downstream.client, connection.node.host, framing, flags
        )

    def _send(self, connection: UpstreamConnection, request: bytes | None = None) -> None:
        head = self._head
        framing = WRITE_NO_BODY
        if head & SPECIAL or self._first:
            framing = self._request_framing()
        if request is None:
            try:
                request = self._request_head(connection, framing)
            except MessageError as error:
                self._upstream.give_back(connection)
                self._answer_instead(error.status, f"{error.status} {error.reason}")
                return
        self._connection = connection
        self._request_sent = True
        if self.chain.filters or self._record is not None:
            if connection.info is None:
                connection.info = ConnectionInfo.of(connection.transport)
            self.set_upstream(connection.info)
            if self._record is not None:
                self._record.connected(connection.info)
        end = self._first_end
        trailers = self._trailers_to_send() if end and framing == WRITE_CHUNKED else None
        connection.send(self, head, request, framing, self._first or b"", end, trailers)

    # --- what the connection calls ---

    def connected(self, connection: UpstreamConnection) -> None:
        """The connection asked for is there."""
        self._connecting = None
        self._downstream.release(CONNECTING)
        self._send(connection)

    def connect_failed(self, node: NodeState, error: Exception) -> None:
        """Nothing was sent: any request may try the next node."""
        self._connecting = None
        level = (
            logging.WARNING if self._upstream.mark_down(node) else logging.DEBUG
        )  # once, not for each request
        logger.log(level, "upstream %s, node %s: %s", self._upstream.name, node.authority.decode(), error)
        self._tried = (*self._tried, node)
        if len(self._tried) <= self._upstream.retries and self._upstream.choose(self._tried) is not None:
            self._acquire()
        elif isinstance(error, TimeoutError):
            self._answer_instead(504, "504 Gateway Timeout")
        else:
            self._answer_instead(502, "502 Bad Gateway")

    def upstream_lost(self, connection: UpstreamConnection, answered: bool) -> None:
        """The connection closed before its response was complete, or began."""
        self._connection = None
        if self._tunnel is not None:
            self._end_tunnel()
        elif not answered and self._may_send_again(connection):
            self._retried = True
            self._request_sent = False
            self._acquire(fresh=True)
        else:
            self._answer_instead(502, "502 Bad Gateway")

    def _may_send_again(self, connection: UpstreamConnection) -> bool:
        """Whether the server may have closed an idle connection just as the request went out (RFC 9110, 9.2.2)."""
        return (
            connection.requests > 1
            and not self._retried
            and bool(self._head & IDEMPOTENT)
            and self._first is not None
            and self._first_end
        )

    def upstream_blocked(self) -> None:
        """The upstream does not take the request: read no more of it."""
        self._downstream.hold(PEER)

    def upstream_unblocked(self) -> None:
        """It does again."""
        self._downstream.release(PEER)
