"""Back-pressure: who is keeping one side of an exchange from reading."""

from __future__ import annotations

import asyncio
from typing import Final

PEER: Final = 1  # the other side does not take our bytes
CHAIN: Final = 2  # the filter chain holds too many
CONNECTING: Final = 4  # there is no other side yet
HELD: Final = 8  # bytes of the next message are waiting already


class FlowControl:
    """Pauses a transport's reading while any reason for it stands."""

    __slots__ = ("_transport", "reasons")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.reasons = 0

    def hold(self, reason: int) -> None:
        """Stop reading for this reason."""
        if not self.reasons and not self._transport.is_closing():
            self._transport.pause_reading()
        self.reasons |= reason

    def release(self, reason: int) -> None:
        """Withdraw the reason; reading goes on when no other is left."""
        if not self.reasons & reason:
            return
        self.reasons &= ~reason
        if not self.reasons and not self._transport.is_closing():
            self._transport.resume_reading()
