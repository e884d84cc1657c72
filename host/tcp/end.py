"""One end of a connection: a socket's protocol, which tells the session what comes and is told what to send."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Final, Protocol, cast

from host.http.flow import FlowControl

logger = logging.getLogger("sluiceway.stream")

WRITE_BUFFER_BYTES: Final = 256 * 1024
"""Bytes that wait for a slow reader before the other end is read no more."""

_NO_LINGER: Final = struct.pack("ii", 1, 0)
"""A socket that is closed with it sends RST (socket(7))."""


class Listener(Protocol):
    """What an end tells; none of it raises."""

    def made(self, end: End) -> None:
        """It is connected."""

    def received(self, end: End, data: bytes) -> None:
        """Bytes have come."""

    def ended(self, end: End) -> None:
        """The peer sends no more."""

    def lost(self, end: End) -> None:
        """It is closed, by whomever."""

    def blocked(self, end: End, is_blocked: bool) -> None:
        """The peer does not read fast enough, or does again."""

    def failed(self) -> None:
        """Our own fault while telling; it was logged."""


class End(asyncio.Protocol):
    """`has_ended`: the peer sends no more. `is_ours`: we have closed it. `was_reset`: the peer broke it off."""

    transport: asyncio.Transport
    flow: FlowControl

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.is_connected = self.is_lost = self.has_ended = self.is_ours = self.was_reset = False

    @property
    def is_live(self) -> bool:
        """Whether there is a socket."""
        return self.is_connected and not self.is_lost

    @property
    def tls(self) -> Any:
        """The ssl.SSLObject of a TLS connection, else None."""
        return self.transport.get_extra_info("ssl_object")

    # --- transport's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.flow = FlowControl(self.transport)
        self.transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        self.is_connected = True
        self._tell(self._listener.made)

    def data_received(self, data: bytes) -> None:
        self._tell(self._listener.received, data)

    def eof_received(self) -> bool:
        self.has_ended = True
        self._tell(self._listener.ended)
        return self.tls is None  # a transport of TLS closes both ways, whatever is said

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self.was_reset = isinstance(error, ConnectionError) and not self.is_ours
        self._tell(self._listener.lost)

    def pause_writing(self) -> None:
        self._tell(self._listener.blocked, True)

    def resume_writing(self) -> None:
        self._tell(self._listener.blocked, False)

    def _tell(self, what: Callable[..., None], *arguments: Any) -> None:
        try:
            what(self, *arguments)
        except Exception:
            logger.exception("a connection could not be handled")
            self._listener.failed()

    # --- what the session asks for

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.is_live and not self.transport.is_closing():
            self.transport.write(data)

    def write_eof(self) -> bool:
        """Send no more; False where that cannot be said without closing both ways (TLS)."""
        if self.is_live and not self.transport.is_closing():
            if not self.transport.can_write_eof():
                return False
            self.transport.write_eof()
        return True

    def close(self) -> None:
        """Close, behind what is to be sent still."""
        if self.is_live and not self.transport.is_closing():
            self.is_ours = not self.has_ended
            self.transport.close()

    def reset(self) -> None:
        """Break it off, so that the peer does not take it for a proper end."""
        if self.is_live and (socket := self.transport.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError):
                socket.setsockopt(SOL_SOCKET, SO_LINGER, _NO_LINGER)
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self.is_live:
            self.is_ours |= not self.has_ended and not self.transport.is_closing()
            self.transport.abort()
