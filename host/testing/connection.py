"""One TCP connection under test: events go in by hand, and what leaves for either end is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from abi.types import Action, PeerType
from host.chain import FilterChain
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
from host.peer import ConnectionInfo
from host.testing.hosted import Hosted, Tells


@dataclass(slots=True)
class Sent:
    """What has left the chain for one end so far: the bytes as they left, and whether the end has come behind them."""

    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False

    @property
    def data(self) -> bytes:
        """All bytes so far."""
        return b"".join(self.chunks)


class _Connection(Tells, Connection):
    __slots__ = ("ready",)


class HostedConnection(Hosted[_Connection]):
    """A connection that runs through a chain.

    The events return Action.CONTINUE when what came, and all before it, has gone through the chain; Action.PAUSE when
    a filter holds it or has ended the connection. `to_upstream` and `to_client` are what arrived there.
    `is_connected`: the chain has let the new connection through, so the gateway would connect the upstream now.
    `is_closing`: a filter has closed the connection behind what has left; `is_reset`: it was cut off.
    `downstream_blocked` and `upstream_blocked`: the chain holds so much that the gateway would read no more there.
    """

    def __init__(
        self,
        chain: FilterChain,
        after: Callable[[], None],
        *,
        client: ConnectionInfo,
        upstream: ConnectionInfo | None = None,
        request_id: str = "",
    ) -> None:
        """`after` runs behind every event; `upstream` is known to plugins once it is connected."""
        super().__init__(_Connection(), after, request_id)
        self.to_upstream, self.to_client = Sent(), Sent()
        self.is_connected = self.is_closing = False
        self.downstream_blocked = self.upstream_blocked = False
        self._upstream = upstream
        self._native.open(chain, client)

    # --- events

    def new_connection(self) -> Action:
        """The client has connected."""
        return self._downstream(self._native.on_new_connection())

    def downstream_data(self, data: bytes, end_of_stream: bool = False) -> Action:
        """Bytes of the client; with `end_of_stream` it sends no more."""
        return self._downstream(self._native.on_downstream_data(data, end_of_stream))

    def upstream_data(self, data: bytes, end_of_stream: bool = False) -> Action:
        """Bytes of the upstream; with `end_of_stream` it sends no more."""
        self._take(self._native.on_upstream_data(data, end_of_stream))
        self._after()
        return Action.PAUSE if self._is_over or self.upstream_paused else Action.CONTINUE

    def downstream_close(self, peer: PeerType = PeerType.REMOTE) -> None:
        """The client's end is closed, by whom `peer` says. Told once."""
        self._take(self._native.on_downstream_close(peer))
        self._after()

    def upstream_close(self, peer: PeerType = PeerType.REMOTE) -> None:
        """The upstream's end is closed. Told once."""
        self._take(self._native.on_upstream_close(peer))
        self._after()

    def _before_close(self) -> None:
        """The gateway closes what is open still."""
        self._native.on_downstream_close(PeerType.LOCAL)
        if self.is_connected:
            self._native.on_upstream_close(PeerType.LOCAL)

    # --- what can be seen

    @property
    def downstream_paused(self) -> bool:
        """Whether a filter holds the new connection, or bytes of the client."""
        return self._native.is_downstream_paused

    @property
    def upstream_paused(self) -> bool:
        """Whether a filter holds bytes of the upstream."""
        return self._native.is_upstream_paused

    # --- what leaves

    @property
    def _is_over(self) -> bool:
        return self.is_closing or self.is_reset

    def _downstream(self, flags: int) -> Action:
        self._take(flags)
        self._after()
        return Action.PAUSE if self._is_over or self.downstream_paused else Action.CONTINUE

    def _take(self, flags: int) -> None:
        self.is_closing |= bool(flags & CLOSE)
        self.is_reset |= bool(flags & RESET)
        self.downstream_blocked = bool(flags & DOWNSTREAM_BLOCKED)
        self.upstream_blocked = bool(flags & UPSTREAM_BLOCKED)
        native = self._native
        if flags & CONNECT:
            self.is_connected = True
            if self._upstream is not None:
                native.set_upstream(self._upstream)
        if flags & DOWNSTREAM_DATA:
            self.to_upstream.chunks.append(native.take_downstream_data())
        if flags & UPSTREAM_DATA:
            self.to_client.chunks.append(native.take_upstream_data())
        self.to_upstream.ended |= bool(flags & DOWNSTREAM_END)
        self.to_client.ended |= bool(flags & UPSTREAM_END)
