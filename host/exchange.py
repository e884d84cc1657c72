"""One request from its client to an upstream and back, through the filter chain of its route.

It joins the two protocols and the stream engine: each tells it what came, it asks the chain what may leave, and hands
that to the other side. An exchange serves one client connection and is used for all of its requests, one at a time.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from host.http.downstream import Downstream
from host.http.flow import CHAIN, CONNECTING, PEER
from host.http.local import JSON_FIELDS, error_body
from host.http.message import (
    CHUNKED,
    EXPECT_CONTINUE,
    FRAMING,
    HEAD_METHOD,
    IDEMPOTENT,
    LENGTH,
    NONE,
    UPGRADE,
    WRITE_AS_IS,
    WRITE_CHUNKED,
    WRITE_EXPECT,
    WRITE_LOCAL,
    WRITE_NO_BODY,
    WRITE_UPGRADE,
    MessageError,
    target_of,
)
from host.stream import (
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
    FilterChain,
    HttpStream,
)
from host.upstream.balancer import NodeState
from host.upstream.connection import UpstreamConnection
from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.exchange")

_REQUEST = REQUEST_HEAD | REQUEST_BODY | REQUEST_END
_RESPONSE = RESPONSE_HEAD | RESPONSE_BODY | RESPONSE_END
_SPECIAL = FRAMING | UPGRADE | EXPECT_CONTINUE
_BLOCKED = REQUEST_BLOCKED | RESPONSE_BLOCKED


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes and what it passes on its way.

    `trust_content_length` sends a Content-Length on although a filter may change the body: the operator says that none
    does, and bodies stream without a hold or chunked coding. A count that comes out wrong ends the connection.
    `enable_websocket` lets the client upgrade its connection; else an Upgrade is a field of the hop, and ends here.
    """

    id: str
    chain: FilterChain
    upstream: Upstream
    trust_content_length: bool = False
    enable_websocket: bool = False


Match = Callable[["Exchange"], Route | None]


class Exchange(HttpStream):
    """The requests of one client connection, one after the other."""

    __slots__ = (
        "_connecting", "_connection", "_continued", "_downstream", "_filters_request", "_filters_response",
        "_first", "_first_end", "_head", "_info", "_is_half_closed", "_is_local", "_is_on", "_is_regulated",
        "_is_tunnel", "_match", "_recounts_request", "_recounts_response", "_request_length",
        "_request_pointer", "_request_ready", "_request_sent", "_response_end", "_response_first",
        "_response_framing", "_response_kind", "_response_ready", "_response_seen", "_retried", "_tried",
        "_upstream", "answered", "response_pointer",
    )  # fmt: skip

    def __init__(self, downstream: Downstream, match: Match) -> None:
        super().__init__()
        self._downstream, self._match = downstream, match
        self._request_pointer, self.response_pointer = (
            self.request_headers.pointer,
            self.response_headers.pointer,
        )
        self._info: ConnectionInfo | None = None
        self._connection: UpstreamConnection | None = None
        self._connecting: UpstreamConnection | None = None
        self._response_kind = self._response_framing = 0
        self._response_end = False
        self._response_first = b""
        self._is_on = self._is_regulated = False

    # --- from the client ---

    def begin(self, head: int, length: int, data: bytes, end: bool) -> None:
        """A request's head is in `request_headers`: route it, and pass it with what came along."""
        self._head, self._request_length = head, length
        self._is_on = True
        self._is_local = self._is_tunnel = self._is_half_closed = self._retried = self._continued = False
        self._request_ready = self._request_sent = False
        self._response_seen = self._response_ready = self.answered = False
        self._tried: tuple[NodeState, ...] = ()
        self._first: bytes | None = data
        self._first_end = end
        route = self._match(self)
        if route is None:
            self._answer_bare(404, "404 Route Not Found")
            return
        self._upstream = route.upstream
        if head & UPGRADE and not route.enable_websocket:
            self._head = head = head & ~UPGRADE
        chain = route.chain
        self.open(chain, self._info or self._connection_info())
        self._filters_request, self._filters_response = chain.wants_request_body, chain.wants_response_body
        self._recounts_request = chain.changes_request_body and not route.trust_content_length
        self._recounts_response = chain.changes_response_body and not route.trust_content_length
        flags = self.on_request_headers(end and not data)
        if self._filters_request:
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

    def target(self) -> tuple[bytes, bytes, bytes]:
        """Return (:authority, :method, path without query) of the request, as it came: for routing."""
        return target_of(self._request_pointer, self._head)

    def new_request_id(self) -> str:
        """Return the client's X-Request-Id, else process, connection and the request's number on it."""
        given = self.request_headers.get(b"x-request-id")
        if given:
            return given[:128].decode("latin-1")
        assert self._info is not None
        return f"{os.getpid()}-{self._info.id}-{self._downstream.requests}"

    def _connection_info(self) -> ConnectionInfo:
        transport = self._downstream.transport
        self._info = ConnectionInfo(
            _address(transport.get_extra_info("peername")), _address(transport.get_extra_info("sockname"))
        )
        return self._info

    def _continue_if_held(self) -> None:
        """Ask for the content when the request waits for it here: an upstream that has not seen its head cannot."""
        if not self._request_sent and self._connecting is None and not self._is_local and not self.answered:
            self._continued = True
            self._downstream.send_continue()

    def request_data(self, data: bytes, end: bool) -> None:
        """More of the request's content."""
        if not self._is_on or self._is_local:
            return
        if self._filters_request:
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
            flags = self.on_request_body(data, False) if data else 0
            return flags if flags & (LOCAL_RESPONSE | RESET) else flags | self.on_request_trailers()
        return self.on_request_body(data, end)

    def client_lost(self) -> None:
        """Nobody waits for the answer any more."""
        if not self._is_on:
            return
        self._is_on = False
        connection = self._connection
        if self._is_tunnel and connection is not None:
            self._connection = None
            connection.finish()
        self._release_upstream()
        self.close()

    def client_failed(self, status: int, reason: str) -> None:
        """The request's rest cannot be read."""
        if self._is_on:
            self._answer_instead(status, f"{status} {reason}")

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

    def on_ready(self, flags: int) -> None:
        """The chain has moved on without an event of ours."""
        if not self._is_on:
            return
        try:
            self._apply(flags)
        except Exception:
            logger.exception("a request could not be continued")
            self.failed()

    def failed(self) -> None:
        """Our own fault, logged already."""
        self._downstream.fail()

    def _apply(self, flags: int) -> None:
        if flags & RESET:
            self._downstream.abort()
            return
        if flags & LOCAL_RESPONSE:
            self._is_local = True
            self._release_upstream()
        if flags & _REQUEST and not self._is_local:
            if flags & REQUEST_HEAD:
                self._request_ready = True
            if self._filters_request:
                data = self.take_request_body() if flags & REQUEST_BODY else b""
                self._pass_request(data, bool(flags & REQUEST_END))
            else:
                self._downstream.release(CHAIN)
                self._acquire()
        if flags & _RESPONSE:
            if flags & RESPONSE_HEAD:
                self._response_ready = True
            if self._is_tunnel:
                self._open_tunnel()
                return
            if self._filters_response or self._is_local:
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
        elif self._downstream.flow.reasons & CHAIN and self._filters_request:
            self._downstream.release(CHAIN)
        connection = self._connection
        if connection is not None:
            if flags & RESPONSE_BLOCKED:
                connection.hold(CHAIN)
            elif connection.flow.reasons & CHAIN and self._filters_response:
                connection.release(CHAIN)

    # --- to the upstream ---

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
        if self._head & FRAMING != CHUNKED and not self._filters_request:
            return None
        return (
            self._upstream.writer.trailers(self.request_trailers.pointer)
            if len(self.request_trailers)
            else None
        )

    def _acquire(self, fresh: bool = False) -> None:
        """Send on an idle connection to the next node, or have one made."""
        upstream = self._upstream
        node = upstream.choose(self._tried)
        if node is None:
            self._answer_instead(503, "503 Service Unavailable")
            return
        if node.idle and not fresh:
            connection = upstream.take(node)
            if connection is not None:
                self._send(connection)
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

    def _send(self, connection: UpstreamConnection) -> None:
        head, upstream = self._head, self._upstream
        framing = WRITE_NO_BODY
        flags = 0
        if head & _SPECIAL or self._first:
            framing = self._request_framing()
            if head & UPGRADE:
                flags = WRITE_UPGRADE
            elif head & EXPECT_CONTINUE and not self._continued:
                flags = WRITE_EXPECT
        try:
            request = upstream.writer.request(
                self._request_pointer,
                self._downstream.client,
                connection.node.host,
                framing,
                flags,
            )
        except MessageError as error:
            upstream.give_back(connection)
            self._answer_instead(error.status, f"{error.status} {error.reason}")
            return
        self._connection = connection
        self._request_sent = True
        if self.chain.filters:
            self.set_upstream(connection.info or self._node_info(connection))
        end = self._first_end
        trailers = self._trailers_to_send() if end and framing == WRITE_CHUNKED else None
        connection.send(self, head, request, framing, self._first or b"", end, trailers)

    def _node_info(self, connection: UpstreamConnection) -> ConnectionInfo:
        transport = connection.transport
        info = ConnectionInfo(
            _address(transport.get_extra_info("peername")), _address(transport.get_extra_info("sockname"))
        )
        connection.info = info
        return info

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

    def upstream_blocked(self) -> None:
        """The upstream does not take the request: read no more of it."""
        self._downstream.hold(PEER)

    def upstream_unblocked(self) -> None:
        """It does again."""
        self._downstream.release(PEER)

    def _release_upstream(self) -> None:
        """Give up the connection in use or being made: the rest of its response would never be asked for."""
        connection, self._connection = self._connection, None
        connecting, self._connecting = self._connecting, None
        if connection is not None:
            connection.detach()
        if connecting is not None:
            connecting.detach()

    # --- from the upstream ---

    def interim(self, status: int) -> None:
        """Pass a 1xx on: to HTTP/1.1 clients, and a 100 only to those that wait for it (RFC 9110, 15.2)."""
        if self._downstream.speaks_http_1_0 or self._response_seen:
            return
        if status != 100 or (self._head & EXPECT_CONTINUE and not self._continued):
            self._continued = self._continued or status == 100
            self._downstream.send_interim(self.response_pointer)

    def response_head(self, head: int, length: int, data: bytes, end: bool) -> None:
        """The response's head is in `response_headers`."""
        self._response_seen = True
        kind = self._response_kind = head & FRAMING
        self._response_framing = length if kind in (LENGTH, NONE) else WRITE_CHUNKED
        if end:
            self._connection = None
        flags = self.on_response_headers(end and not data)
        if self._filters_response:
            self._response_first = b""
            if data and not flags & (LOCAL_RESPONSE | RESET):
                flags |= self._response_body(data, end)
            self._apply(flags)
        elif flags & ~RESPONSE_END == RESPONSE_HEAD:
            self._response_ready = True
            self._pass_response(data, end)
        else:
            self._response_first, self._response_end = data, end
            if self._connection is not None:
                self._connection.hold(CHAIN)
            self._apply(flags)
        if self._connection is not None and self._downstream.is_blocked:
            self._connection.hold(PEER)

    def response_data(self, data: bytes, end: bool) -> None:
        """More of the response's content."""
        if end:
            self._connection = None
        if self._filters_response:
            self._apply(self._response_body(data, end))
        elif self._response_ready:
            self._pass_response(data, end)
        else:
            self._response_first += data
            self._response_end = end

    def _response_body(self, data: bytes, end: bool) -> int:
        """Give content to the chain, and its trailers."""
        if end and self._response_kind == CHUNKED and len(self.response_trailers):
            flags = self.on_response_body(data, False) if data else 0
            return flags if flags & (LOCAL_RESPONSE | RESET) else flags | self.on_response_trailers()
        return self.on_response_body(data, end)

    def upstream_lost(self, connection: UpstreamConnection, answered: bool) -> None:
        """The connection closed before its response was complete, or began."""
        self._connection = None
        if self._is_tunnel:
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

    def upstream_failed(self, status: int, reason: str) -> None:
        """The response is malformed or late."""
        self._connection = None
        if self._is_tunnel:
            self._end_tunnel()
        else:
            self._answer_instead(status, "504 Gateway Timeout" if status == 504 else "502 Bad Gateway")

    # --- to the client ---

    def _pass_response(self, data: bytes, end: bool, has_trailers: bool = False) -> None:
        """Send what left the chain; the head goes with the first of it."""
        trailers = None
        if has_trailers or (end and self._response_kind == CHUNKED and not self._filters_response):
            trailers = self._response_trailers()
        if self.answered:
            self._downstream.send_body(data, end, trailers)
        elif not self._response_ready:
            self._response_first += data
        else:
            framing, flags = self._response_framing, 0
            if self._is_local:
                framing, flags = len(data) if end else WRITE_CHUNKED, WRITE_LOCAL
            elif self._recounts_response:
                if not end and not data:
                    return
                framing = len(data) if end and trailers is None else WRITE_CHUNKED
                if self._head & HEAD_METHOD:
                    framing = WRITE_NO_BODY  # what a GET would give is not known
            elif self._head & HEAD_METHOD:
                framing = WRITE_AS_IS
            try:
                self._downstream.send_head(self.response_pointer, framing, flags, data, end, trailers)
            except MessageError as error:
                logger.error("%s", error.reason)
                self._answer_bare(error.status, f"{error.status} {error.reason}")
                return
            self.answered = True
        if end:
            self._finish()

    def _response_trailers(self) -> Any:
        return self.response_trailers.pointer if len(self.response_trailers) else None

    def _finish(self) -> None:
        self._is_on = False
        if self._connection is not None or self._connecting is not None:
            self._release_upstream()
        self.close()
        self._downstream.next()

    def _answer_instead(self, status: int, message: str) -> None:
        """Answer because the upstream, or the rest of the request, did not come; too late for that: abort."""
        self._release_upstream()
        if self.answered:
            self._downstream.abort()
        elif self._response_seen or not self._is_open:
            self._answer_bare(status if not self._response_seen else 502, message)
        else:
            self._response_seen = True
            self._apply(self.local_response(status, JSON_FIELDS, error_body(message), message))

    def _answer_bare(self, status: int, message: str) -> None:
        """Answer past the filters: there are none yet, or they have had their response."""
        self._release_upstream()
        headers, body = self.response_headers, error_body(message)
        headers.clear()
        for name, value in ((b":status", b"%d" % status), *JSON_FIELDS):
            headers.add(name, value)
        self._downstream.send_head(headers.pointer, len(body), WRITE_LOCAL, body, True)
        self.answered = True
        self._finish()

    # --- upgraded connections ---

    def switched(self, data: bytes) -> None:
        """The upstream takes the upgrade: the filters see the 101, what follows is not HTTP."""
        self._response_seen = self._is_tunnel = True
        self._response_first = data
        if self._connection is not None:
            self._connection.hold(CHAIN)
        self._apply(self.on_response_headers(False))

    def _open_tunnel(self) -> None:
        connection = self._connection
        if self.answered or connection is None:
            return
        self._downstream.send_head(self.response_pointer, WRITE_NO_BODY, WRITE_UPGRADE, b"", False)
        self.answered = True
        early = self._downstream.start_tunnel()
        if early:
            connection.transport.write(early)
        if self._response_first:
            self._downstream.transport.write(self._response_first)
        connection.release(CHAIN)

    def tunnel_data(self, data: bytes) -> None:
        """From the client to the upstream."""
        if self._connection is not None:
            self._connection.send_raw(data)

    def tunnel_data_back(self, data: bytes) -> None:
        """From the upstream to the client."""
        self._downstream.transport.write(data)

    def tunnel_end(self) -> None:
        """The client sends no more."""
        self._end_one_way(self._connection.transport if self._connection is not None else None)

    def tunnel_end_back(self) -> None:
        """The upstream sends no more."""
        self._end_one_way(self._downstream.transport)

    def _end_one_way(self, other: asyncio.Transport | None) -> None:
        """Pass an end on; the second one is the tunnel's."""
        if self._is_half_closed or other is None or other.is_closing():
            self._end_tunnel()
        else:
            self._is_half_closed = True
            other.write_eof()

    def _end_tunnel(self) -> None:
        """Close both sides once all is written."""
        self._is_on = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finish()
        self.close()
        self._downstream.close()


def _address(name: Any) -> str:
    """Return a socket's name as `ip:port`, `[ip]:port` for IPv6."""
    if not isinstance(name, tuple):
        return ""
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"
