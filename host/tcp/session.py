"""One client's connection: it joins the filter chain with the client's end and the upstream's."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Protocol

from abi.types import PeerType
from host.connection import (
    CLOSE,
    CONNECT,
    DOWNSTREAM_BLOCKED,
    DOWNSTREAM_DATA,
    DOWNSTREAM_END,
    RESET,
    UPSTREAM_BLOCKED,
    UPSTREAM_DATA,
    UPSTREAM_END,
    Connection,
)
from host.http.deadlines import NEVER, sweeps
from host.http.flow import CHAIN, CONNECTING, PEER, FlowControl
from host.peer import ConnectionInfo
from host.tcp.end import End
from host.tcp.route import Ends, StreamRoute
from host.tcp.upstream import StreamUpstream, describe
from host.tls.contexts import ServerTls, properties_of

logger = logging.getLogger("sluiceway.stream")

_LINGER = sweeps(10.0)  # what a closing end may take to read the rest
_numbers = itertools.count(1)


class Sessions(Protocol):
    """What a session needs of its server."""

    def match(self, ends: Ends) -> StreamRoute | None:
        """Return the route of a connection."""

    def opened(self, session: Session) -> None:
        """It begins."""

    def closed(self, session: Session) -> None:
        """It is over."""


class Session(Connection):
    """A connection in the gateway. `deadline` is that of its idleness, or of its end."""

    __slots__ = (
        "_connecting",
        "_ends",
        "_idle",
        "_is_closing",
        "_left",
        "_nodes",
        "_server",
        "_tls",
        "_waiting",
        "deadline",
        "downstream",
        "upstream",
    )

    def __init__(self, server: Sessions, ends: Ends, tls: ServerTls | None = None) -> None:
        super().__init__()
        self.downstream, self.upstream = End(self), End(self)
        self.deadline = self._idle = NEVER
        self._server, self._ends, self._tls = server, ends, tls
        self._connecting: asyncio.Task[None] | None = None
        self._waiting: list[bytes] = []  # for an upstream that is being connected
        self._left = 0  # which ends have left the chain: DOWNSTREAM_END, UPSTREAM_END
        self._is_closing = False
        self._nodes: StreamUpstream | None = None

    def new_request_id(self) -> str:
        """Name it in log lines."""
        return f"stream-{next(_numbers)}"

    # --- what the ends tell

    def made(self, end: End) -> None:
        """An end is connected."""
        if end is self.downstream:
            self._arrive()
            return
        self.set_upstream(ConnectionInfo.of(end.transport))
        for data in self._waiting:
            end.write(data)
        self._waiting.clear()
        if self._left & DOWNSTREAM_END:
            end.write_eof()
        if self._is_closing:
            end.close()
        self.downstream.flow.release(CONNECTING)

    def _arrive(self) -> None:
        self._server.opened(self)
        end, tls = self.downstream, self.downstream.tls
        if tls is not None and self._tls is not None and (reason := self._tls.refuses(tls)):
            logger.info("client %s: its certificate is not taken: %s", self._ends.remote_addr, reason)
            end.abort()
            return
        route = self._server.match(self._ends)
        if route is None:
            logger.info("no stream route for %s", self._ends)
            end.abort()
            return
        properties = properties_of(tls, self._ends.server_name) if tls is not None else None
        if properties is None and self._ends.server_name:
            properties = {b"connection\0requested_server_name": self._ends.server_name.encode()}
        upstream = route.upstream
        self._idle = sweeps(upstream.idle_timeout) if upstream is not None else NEVER
        self.deadline = self._idle
        self._nodes = upstream
        self.open(route.chain, ConnectionInfo.of(end.transport, properties))
        self._act(self.on_new_connection())

    def received(self, end: End, data: bytes) -> None:
        """Bytes have come: to the filters."""
        self.deadline = self._idle
        self._act(self._on_data(end, data, False))

    def ended(self, end: End) -> None:
        """A peer sends no more."""
        self.deadline = self._idle
        self._act(self._on_data(end, b"", True))
        if end is self.upstream and self.is_open:
            self._act(self.on_upstream_close(PeerType.REMOTE))

    def _on_data(self, end: End, data: bytes, end_of_stream: bool) -> int:
        if not self.is_open or self._is_closing:
            return 0
        on_data = self.on_downstream_data if end is self.downstream else self.on_upstream_data
        return on_data(data, end_of_stream)

    def lost(self, end: End) -> None:
        """An end is closed; the other follows, once what the closed one has sent is through."""
        if self.is_open:
            peer = PeerType.LOCAL if end.is_ours else PeerType.REMOTE
            tell = self.on_downstream_close if end is self.downstream else self.on_upstream_close
            self._act(tell(peer))
        if end.was_reset:
            self._pass_reset(end)
        own = DOWNSTREAM_END if end is self.downstream else UPSTREAM_END
        if not end.has_ended or self._left & own or self._is_closing or not self.is_open:
            self._finish()
        self._end_if_over()

    def _pass_reset(self, end: End) -> None:
        """What one peer breaks off must not look finished to the other (as in Envoy)."""
        other = self.upstream if end is self.downstream else self.downstream
        self._is_closing = True
        other.reset()

    def blocked(self, end: End, is_blocked: bool) -> None:
        """A peer does not read fast enough, or does again: so is the other read."""
        other = self.upstream if end is self.downstream else self.downstream
        if other.is_live:
            (other.flow.hold if is_blocked else other.flow.release)(PEER)

    def failed(self) -> None:
        """Our own fault."""
        self._cut()

    def on_deadline(self) -> None:
        """Nothing has come from either end for too long, or one does not read the rest."""
        if self._is_closing:
            self._cut()
        else:
            logger.info("%s: idle, closing", self.request_id)
            self._finish()

    # --- what the chain wants

    def on_ready(self, flags: int) -> None:
        """Go on after a resume from elsewhere."""
        self._act(flags)

    def _act(self, flags: int) -> None:
        if flags & RESET:
            self._cut()
            return
        if flags & CONNECT:
            self._connect()
        if flags & DOWNSTREAM_DATA:
            self._send_upstream(self.take_downstream_data())
        if flags & UPSTREAM_DATA:
            self.downstream.write(self.take_upstream_data())
        if ended := flags & (DOWNSTREAM_END | UPSTREAM_END):
            self._pass_end(ended)
        self._slow_down(flags)
        if flags & CLOSE:
            self._finish()

    def _send_upstream(self, data: bytes) -> None:
        if self.upstream.is_connected:
            self.upstream.write(data)
        else:
            self._waiting.append(data)

    def _pass_end(self, ended: int) -> None:
        self._left |= ended
        both = DOWNSTREAM_END | UPSTREAM_END
        if ended & DOWNSTREAM_END:
            self.upstream.write_eof()  # towards TLS it cannot be said: the upstream's own end is waited for
        if ended & UPSTREAM_END and not self.downstream.write_eof():
            self._finish()
        lost = (self.downstream.is_lost and ended & DOWNSTREAM_END) or (
            self.upstream.is_lost and ended & UPSTREAM_END
        )
        if self._left == both or lost:
            self._finish()
        if self._left == both:  # whoever had the last word closes the client's end (as in Envoy)
            self.downstream.is_ours = not ended & DOWNSTREAM_END

    def _slow_down(self, flags: int) -> None:
        for end, mark in ((self.downstream, DOWNSTREAM_BLOCKED), (self.upstream, UPSTREAM_BLOCKED)):
            if end.is_live:
                _hold(end.flow, CHAIN, bool(flags & mark))

    # --- the upstream

    def _connect(self) -> None:
        upstream = self._nodes
        if upstream is None:
            self._finish()
            return
        if self.downstream.is_live:
            self.downstream.flow.hold(CONNECTING)
        self._connecting = asyncio.get_running_loop().create_task(self._connect_to(upstream))

    async def _connect_to(self, upstream: StreamUpstream) -> None:
        try:
            await upstream.connect(lambda: self.upstream, self._ends.server_name)
        except OSError as error:
            logger.warning("%s: no upstream: %s", self.request_id, describe(error))
            self._finish()
        finally:
            self._connecting = None
            self._end_if_over()

    # --- the end

    def _finish(self) -> None:
        """Close both ends, behind what is to be sent still."""
        if not self._is_closing:
            self._is_closing = True
            self.deadline = _LINGER
        if self._connecting is not None and not self.upstream.is_connected and not self._waiting:
            self._connecting.cancel()
        self.downstream.close()
        self.upstream.close()

    def _cut(self) -> None:
        """Close both ends at once."""
        self._is_closing = True
        if self._connecting is not None:
            self._connecting.cancel()
        self.downstream.abort()
        self.upstream.abort()

    def abort(self) -> None:
        """End it now: the gateway stops."""
        self._cut()

    def _end_if_over(self) -> None:
        if self.downstream.is_live or self.upstream.is_live or self._connecting is not None:
            return
        self.close()
        self._server.closed(self)


def _hold(flow: FlowControl, reason: int, is_held: bool) -> None:
    (flow.hold if is_held else flow.release)(reason)
