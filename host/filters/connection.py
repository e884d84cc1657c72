"""Filters of TCP connections written in Python, beside wasm plugins in one chain: see host.filters.python."""

from __future__ import annotations

from typing import Any

from abi.types import Action, PeerType
from host._core import ffi, lib
from host.connection import Connection
from host.filters.python import Hold, get_body, set_body
from host.peer import ConnectionInfo

_DOWNSTREAM, _UPSTREAM = 0, 1


class ConnectionContext(Hold):
    """One filter's hold on one connection. `data` is the filter's own."""

    __slots__ = ("data",)

    stream: Connection

    def __init__(self, stream: Connection, index: int) -> None:
        super().__init__(stream, index)
        self.data: Any = None

    @property
    def client(self) -> ConnectionInfo | None:
        """The client's address and ours."""
        return self.stream.client

    @property
    def downstream_data(self) -> bytes:
        """The client's bytes in the filter's hands: those that pass, or all that it holds while paused.

        They can be set in on_downstream_data and while the filter holds them. Raises RuntimeError at other times.
        """
        return get_body(self.stream, self._index, _DOWNSTREAM)

    @downstream_data.setter
    def downstream_data(self, data: bytes) -> None:
        set_body(self.stream, self._index, _DOWNSTREAM, data)

    @property
    def upstream_data(self) -> bytes:
        """As `downstream_data`, for the upstream's bytes."""
        return get_body(self.stream, self._index, _UPSTREAM)

    @upstream_data.setter
    def upstream_data(self, data: bytes) -> None:
        set_body(self.stream, self._index, _UPSTREAM, data)

    def resume_downstream(self) -> None:
        """Go on with a paused new connection, or with paused bytes of the client; harmless when nothing is paused."""
        lib.sw_native_resume(self.stream.native, self._index, _DOWNSTREAM)
        self._wake()

    def resume_upstream(self) -> None:
        """Go on with paused bytes of the upstream; harmless when nothing is paused."""
        lib.sw_native_resume(self.stream.native, self._index, _UPSTREAM)
        self._wake()

    def close(self) -> None:
        """Close both ends, behind what has left the chain; what this callback was shown goes no further."""
        lib.sw_native_close(self.stream.native)
        self._wake()

    def reset(self) -> None:
        """Cut both ends off at once."""
        lib.sw_native_reset(self.stream.native)
        self._wake()


class ConnectionFilter:
    """Base class of filters of connections; override what is needed.

    One object is made for each configuration in use; what belongs to one connection goes into `context.data`.
    Return `Action.PAUSE` to hold what came, and resume it later; None means `Action.CONTINUE`.
    """

    def __init__(self, configuration: bytes = b"") -> None:
        """Take the configuration; raise ValueError with a reason to refuse it."""
        self.configuration = configuration

    def on_new_connection(self, context: ConnectionContext) -> Action | None:
        """A client has connected; while it is paused, no upstream is."""

    def on_downstream_data(self, context: ConnectionContext, end_of_stream: bool) -> Action | None:
        """Bytes of the client are in `context.downstream_data`; `end_of_stream`: it sends no more."""

    def on_upstream_data(self, context: ConnectionContext, end_of_stream: bool) -> Action | None:
        """Bytes of the upstream are in `context.upstream_data`."""

    def on_downstream_connection_close(self, context: ConnectionContext, peer: PeerType) -> None:
        """The client's end is closed: by the client (REMOTE) or by the gateway (LOCAL)."""

    def on_upstream_connection_close(self, context: ConnectionContext, peer: PeerType) -> None:
        """The upstream's end is closed."""

    def on_log(self, context: ConnectionContext) -> None:
        """The connection has ended."""

    def on_delete(self, context: ConnectionContext) -> None:
        """The last callback."""


class Unconnected(ConnectionFilter):
    """Stands in for the filters of a route whose plugins did not come up: every connection is closed."""

    def on_new_connection(self, context: ConnectionContext) -> Action:
        """Close it."""
        context.reset()
        return Action.PAUSE


# In the order of core/stream.h, where those of exchanges come first.
_FIRST = 6
_EVENTS = (
    "on_log",
    "on_delete",
    "on_new_connection",
    "on_downstream_data",
    "on_upstream_data",
    "on_downstream_connection_close",
    "on_upstream_connection_close",
)
_ALWAYS = "on_new_connection"  # it tells which filters the connection has come to


class ConnectionFilterAdapter:
    """A `ConnectionFilter` in a chain."""

    __slots__ = ("callbacks", "filter", "native")

    context_type = ConnectionContext
    borrower = None
    reads_variables = False

    def __init__(self, filter_: ConnectionFilter, *, access_logger: bool = False) -> None:
        """`access_logger`: the filter sees on_log and on_delete alone."""
        self.filter = filter_
        self.callbacks = {
            _FIRST: lambda context, _: filter_.on_log(context),
            _FIRST + 1: lambda context, _: filter_.on_delete(context),
            _FIRST + 2: lambda context, _: filter_.on_new_connection(context),
            _FIRST + 3: filter_.on_downstream_data,
            _FIRST + 4: filter_.on_upstream_data,
            _FIRST + 5: filter_.on_downstream_connection_close,
            _FIRST + 6: filter_.on_upstream_connection_close,
        }
        events = sum(
            1 << _FIRST + number
            for number, name in enumerate(_EVENTS)
            if name == _ALWAYS or getattr(type(filter_), name) is not getattr(ConnectionFilter, name)
        )
        self.native = ffi.gc(lib.sw_filter_new_native(events), lib.sw_filter_delete)
        if access_logger:
            lib.sw_filter_only_log(self.native)

    @property
    def decodes_bodies(self) -> bool:
        """A connection's bytes have no coding that is known here."""
        return False

    def attend(self) -> None:
        """Nothing is left behind: Python filters log for themselves."""
