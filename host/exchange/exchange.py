"""One request from its client to an upstream and back, through the filter chain of its route.

It joins the two protocols and the stream engine: each tells it what came, it asks the chain what may leave, and hands
that to the other side. An exchange serves one client connection and is used for all of its requests, one at a time.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from host.exchange.log_values import value_of
from host.exchange.record import CONNECTION_CLOSED_WITHOUT_RESPONSE, Record
from host.exchange.request import SPECIAL, RequestSide
from host.exchange.response import last_content
from host.exchange.route import Reach, Route
from host.hot import Target, pass_request, settle_request
from host.http.downstream import Downstream
from host.http.flow import CHAIN, PEER
from host.http.message import (
    CHUNKED,
    EXPECT_CONTINUE,
    FRAMING,
    UPGRADE,
)
from host.reach import UpstreamChange
from host.stream import (
    LEAVING,
    LOCAL_RESPONSE,
    REQUEST_BLOCKED,
    REQUEST_BODY,
    REQUEST_END,
    REQUEST_HEAD,
    RESET,
    RESPONSE_BLOCKED,
    RESPONSE_BODY,
    RESPONSE_END,
    RESPONSE_HEAD,
    RESPONSE_TRAILERS,
    ConnectionInfo,
)

logger = logging.getLogger("sluiceway.exchange")

_REQUEST = REQUEST_HEAD | REQUEST_BODY | REQUEST_END
_RESPONSE = RESPONSE_HEAD | RESPONSE_BODY | RESPONSE_END
_BLOCKED = REQUEST_BLOCKED | RESPONSE_BLOCKED

Match = Callable[["Exchange"], Route | None]


class Exchange(RequestSide):
    """The requests of one client connection, one after the other."""

    __slots__ = ("_info", "_is_regulated", "_match", "_reach", "target")

    _reach: Reach | None  # where filters may send the request instead
    target: Target  # of the request, as it came: for routing

    def __init__(self, downstream: Downstream, match: Match, record: Record | None = None) -> None:
        super().__init__(downstream, record)
        self._match = match
        self._info: ConnectionInfo | None = None
        self._is_regulated = False

    # --- from the client ---

    def begin(self, head: int, target: Target, length: int, data: bytes, end: bool) -> None:
        """A request's head is in `request_headers`: route it, and pass it with what came along."""
        self.target = target
        self._head, self._request_length = head, length
        self._is_on = True
        self._is_local = self._retried = self._continued = False
        self._tunnel = None
        self._request_ready = self._request_sent = False
        self._response_seen = self._response_ready = self.answered = False
        self._tried = ()
        self._first = data
        self._first_end = end
        if self._record is not None:
            self._record.begin(
                self._info or self._connection_info(), self._downstream.requests, head, self.request_headers
            )
        match = self._match
        route = match(self)
        if route is None:
            self._answer_bare(404, "404 Route Not Found")
            return
        record = self._record
        if record is None and route.chain.reads_variables:
            record = self._record = Record(None)
            record.begin(
                self._info or self._connection_info(), self._downstream.requests, head, self.request_headers
            )
        if record is not None:
            record.matched(route.id, route.name, route.service_id)
        # Not the route itself: who keeps it keeps its plugins, and a connection may idle long after a reload.
        self._upstream, self._reach = route.upstream, route.reach
        self._recounts_request, self._recounts_response = route.recounts_request, route.recounts_response
        if head & UPGRADE and not route.enable_websocket:
            self._head = head = head & ~UPGRADE
        chain = route.chain
        info = self._info or self._connection_info()
        host = self._upstream.host
        if not head & SPECIAL and host is not None and not chain.lenders and not chain.decodes:
            self._opened(chain, info)
            flags, request = pass_request(
                self.handle, self._number, chain.handle, info.handle, self._downstream.client_handle, host
            )
            if flags > LEAVING:
                flags = self._attend(flags)
            if request is not None:
                self._request_ready = True
                # A filter may have changed where it goes; the head has the Host of where it went.
                self._acquire(request=request if self._upstream is route.upstream else None)
                return
        else:
            self.open(chain, info)
            flags = self.on_request_headers(end and not data)
        if self.chain.wants_request_body:
            self._first, self._first_end = b"", False
            if data and not flags & (LOCAL_RESPONSE | RESET):
                flags |= self._request_body(data, end)
            self._apply(flags)
        elif flags & ~REQUEST_END == REQUEST_HEAD:
            self._request_ready = True
            self._acquire()
        else:
            if not end:
                self._downstream.hold(CHAIN)
            self._apply(flags)
        if head & EXPECT_CONTINUE and self._is_on and not (data or end):
            self._continue_if_held()

    def reach(self, change: UpstreamChange) -> bool:
        """Send the request elsewhere: see `host.reach`."""
        reach = self._reach
        if reach is None or not self._is_on or self._connecting is not None or self._request_sent:
            return False
        changed = reach.changed(self._upstream, change)
        if changed is None:
            return False
        self._upstream = changed
        return True

    def variable(self, name: str) -> bytes | None:
        """Return what an access log would write for `$name`, None for nothing."""
        return value_of(name, self._record, self) if self._record is not None else None

    def new_request_id(self) -> str:
        """Return the client's X-Request-Id, else process, connection and the request's number on it."""
        given = self.request_headers.get(b"x-request-id")
        if given:
            return given[:128].decode("latin-1")
        assert self._info is not None
        return f"{os.getpid()}-{self._info.id}-{self._downstream.requests}"

    def _connection_info(self) -> ConnectionInfo:
        self._info = info = ConnectionInfo.of(self._downstream.transport)
        return info

    def _continue_if_held(self) -> None:
        """Ask for the content when the request waits for it here: an upstream that has not seen its head cannot."""
        if not self._request_sent and self._connecting is None and not self._is_local and not self.answered:
            self._continued = True
            self._downstream.send_continue()

    def request_data(self, data: bytes, end: bool) -> None:
        """More of the request's content."""
        if not self._is_on or self._is_local:
            return
        if self.chain.wants_request_body:
            self._apply(self._request_body(data, end))
        elif self._request_ready:
            self._pass_request(data, end)
        else:
            assert self._first is not None
            self._first += data
            self._first_end = end

    def _request_body(self, data: bytes, end: bool) -> int:
        """Give content to the chain, and its trailers."""
        if end and self._head & FRAMING == CHUNKED and len(self.request_trailers):
            return last_content(self.on_request_body, self.on_request_trailers, data)
        return self.on_request_body(data, end)

    def client_lost(self) -> None:
        """Nobody waits for the answer any more."""
        if not self._is_on:
            return
        self._is_on = False
        connection = self._connection
        if self._tunnel is not None and connection is not None:
            self._connection = None
            connection.finish()
        self._release_upstream()
        self.close()

    def client_failed(self, status: int, reason: str) -> None:
        """The request's rest cannot be read."""
        if self._is_on:
            self._answer_instead(status, f"{status} {reason}")

    def client_refused(self, status: int) -> None:
        """The client was answered by its own side of the gateway, before there was a request or instead of it."""
        record = self._record
        if record is None:
            return
        if not record.is_open:
            self.request_headers.clear()  # what was read of a head is no request
            self.response_headers.clear()
            record.begin(
                self._info or self._connection_info(), self._downstream.requests, 0, self.request_headers
            )
        record.status = status
        record.close(self, True)

    def client_blocked(self) -> None:
        """The client does not take the response: read no more of it."""
        if self._connection is not None:
            self._connection.hold(PEER)

    def client_unblocked(self) -> None:
        """It does again."""
        if self._connection is not None:
            self._connection.release(PEER)

    def client_idle(self) -> bool:
        """Decide what a long silence means."""
        if self._connection is not None or self._connecting is not None:
            return True
        self._answer_instead(504, "504 Gateway Timeout")
        return False

    # --- what the chain lets pass ---

    def settle(self) -> None:
        """Go on with what was asked for from elsewhere: a plain request, to begin with, in one call."""
        upstream = self._upstream
        host = upstream.host
        if self._head & SPECIAL or host is None or self.chain.decodes:
            super().settle()
            return
        flags, request = settle_request(self.handle, self._downstream.client_handle, host)
        if flags > LEAVING:
            flags = self._attend(flags)
        # Without flags, too: a side may be blocked no more. And a filter may have changed where the request goes: the
        # head has the Host of where it went.
        self.on_ready(flags, request if self._upstream is upstream else None)

    def on_ready(self, flags: int, request: bytes | None = None) -> None:
        """The chain has moved on without an event of ours. `request`: its head, if that is what leaves."""
        if not self._is_on:
            return
        try:
            if request is not None:
                self._request_ready = self._first_end = True
                self._acquire(request=request)
            else:
                self._apply(flags)
        except Exception:
            logger.exception("a request could not be continued")
            self.failed()

    def _apply(self, flags: int) -> None:
        if flags & RESET:
            if self._record is not None and not self.answered:
                self._record.status = CONNECTION_CLOSED_WITHOUT_RESPONSE
            self._downstream.abort()
            return
        if flags & LOCAL_RESPONSE:
            self._is_local = True
            self._release_upstream()
        if flags & _REQUEST and not self._is_local:
            if flags & REQUEST_HEAD:
                self._request_ready = True
            if self.chain.wants_request_body:
                data = self.take_request_body() if flags & REQUEST_BODY else b""
                self._pass_request(data, bool(flags & REQUEST_END))
            else:
                self._downstream.release(CHAIN)
                self._acquire()
        if flags & _RESPONSE:
            if flags & RESPONSE_HEAD:
                self._response_ready = True
            if self._tunnel is not None and not self._is_local:
                self._open_tunnel(self._tunnel)
                return
            if self.chain.wants_response_body or self._is_local:
                data = self.take_response_body() if flags & RESPONSE_BODY else b""
                self._pass_response(data, bool(flags & RESPONSE_END), bool(flags & RESPONSE_TRAILERS))
            else:
                data, self._response_first = self._response_first, b""
                if self._connection is not None:
                    self._connection.release(CHAIN)
                self._pass_response(data, self._response_end)
        if self._is_on and (flags & _BLOCKED or self._is_regulated):
            self._regulate(flags)

    def _regulate(self, flags: int) -> None:
        """Stop reading from a side whose bytes the chain holds, until it does no more."""
        self._is_regulated = bool(flags & _BLOCKED)
        if flags & REQUEST_BLOCKED:
            self._downstream.hold(CHAIN)
        elif self._downstream.flow.reasons & CHAIN and self.chain.wants_request_body:
            self._downstream.release(CHAIN)
        connection = self._connection
        if connection is not None:
            if flags & RESPONSE_BLOCKED:
                connection.hold(CHAIN)
            elif connection.flow.reasons & CHAIN and self.chain.wants_response_body:
                connection.release(CHAIN)
