"""One TCP connection through the filter chain: states, no I/O.

Events go in, flags come out that say what may leave now. The work is done by core/connection.c, with the passes that
bodies of exchanges take; here is its Python face.
"""

from __future__ import annotations

from host._core import lib
from host.chain import FilterChain
from host.peer import ConnectionInfo
from host.stream import (
    REQUEST_BLOCKED,
    REQUEST_BODY,
    REQUEST_END,
    REQUEST_HEAD,
    RESET,
    RESPONSE_BLOCKED,
    RESPONSE_BODY,
    RESPONSE_END,
    Stream,
)

__all__ = [
    "CLOSE",
    "CONNECT",
    "DOWNSTREAM_BLOCKED",
    "DOWNSTREAM_DATA",
    "DOWNSTREAM_END",
    "RESET",
    "UPSTREAM_BLOCKED",
    "UPSTREAM_DATA",
    "UPSTREAM_END",
    "Connection",
]

# What may leave now (core/connection.h): the downstream's bytes go upstream, the upstream's downstream.
CONNECT = REQUEST_HEAD
DOWNSTREAM_DATA = REQUEST_BODY
DOWNSTREAM_END = REQUEST_END
UPSTREAM_DATA = RESPONSE_BODY
UPSTREAM_END = RESPONSE_END
CLOSE = 64
DOWNSTREAM_BLOCKED = REQUEST_BLOCKED
UPSTREAM_BLOCKED = RESPONSE_BLOCKED

_FLAGS = 4095
_DOWNSTREAM, _UPSTREAM = 0, 1
_on_data = lib.sw_connection_on_data


class Connection(Stream):
    """A connection. `CONNECT` comes once: the filters let it through, and the upstream may be connected.

    With `CLOSE` a filter has closed the connection: what comes along is to be sent, and both ends closed behind it.
    """

    __slots__ = ()

    def open(self, chain: FilterChain, client: ConnectionInfo | None = None) -> None:
        """Begin a connection."""
        self._begin(chain, client, lib.sw_connection_open)

    # --- events: each returns flags ---------------------------------------------------------------------------

    def on_new_connection(self) -> int:
        """The client is there."""
        flags: int = lib.sw_connection_on_new(self.native)
        return flags if flags <= _FLAGS else self._attend(flags)

    def on_downstream_data(self, data: bytes, end_of_stream: bool) -> int:
        """Bytes of the client; `end_of_stream`: it sends no more."""
        flags: int = _on_data(self.native, _DOWNSTREAM, data, len(data), end_of_stream)
        return flags if flags <= _FLAGS else self._attend(flags)

    def on_upstream_data(self, data: bytes, end_of_stream: bool) -> int:
        """Bytes of the upstream; `end_of_stream`: it sends no more."""
        flags: int = _on_data(self.native, _UPSTREAM, data, len(data), end_of_stream)
        return flags if flags <= _FLAGS else self._attend(flags)

    def on_downstream_close(self, peer: int) -> int:
        """The client's end is closed, by the peer of that type (`abi.types.PeerType`). Told once."""
        return self._on_close(_DOWNSTREAM, peer)

    def on_upstream_close(self, peer: int) -> int:
        """The upstream's end is closed. Told once."""
        return self._on_close(_UPSTREAM, peer)

    def _on_close(self, side: int, peer: int) -> int:
        flags: int = lib.sw_connection_on_close(self.native, side, peer)
        return flags if flags <= _FLAGS else self._attend(flags)

    # --- what leaves ------------------------------------------------------------------------------------------

    def take_downstream_data(self) -> bytes:
        """Return the bytes that DOWNSTREAM_DATA announced: they are for the upstream."""
        return self._take(_DOWNSTREAM)

    def take_upstream_data(self) -> bytes:
        """Return the bytes that UPSTREAM_DATA announced: they are for the client."""
        return self._take(_UPSTREAM)

    @property
    def is_downstream_paused(self) -> bool:
        """Whether a filter holds what came from the client, or the new connection itself."""
        return bool(lib.sw_stream_is_paused(self.native, _DOWNSTREAM))

    @property
    def is_upstream_paused(self) -> bool:
        """Whether a filter holds what came from the upstream."""
        return bool(lib.sw_stream_is_paused(self.native, _UPSTREAM))

    def settle(self) -> None:
        """As of any stream; `on_ready` is told also when nothing leaves: a side may be blocked no longer."""
        flags: int = lib.sw_stream_settle(self.native)
        self.on_ready(self._attend(flags) if flags > _FLAGS else flags)
