"""Metrics over UDP, as statsd has them: gathered for a moment, sent and forgotten. Nobody waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from typing import Final

logger = logging.getLogger("sluiceway.external")

_LARGEST: Final = 1432  # bytes of a datagram that no network cuts up
_PERIOD: Final = 0.1  # seconds
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.]")


def safe_name(name: str) -> str:
    """Return a name without what statsd takes for its own; Tyk's sink writes `$` in its place."""
    return _UNSAFE.sub("$", name)


class Statsd:
    """Where metrics go. `prefix`: what their names begin with, "" for nothing."""

    def __init__(self, host: str, port: int, prefix: str) -> None:
        """Looks the name up, and may take its time for it. Raises OSError."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(found[0], socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(found[4])
        self._prefix = f"{safe_name(prefix)}." if prefix else ""
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def count(self, name: str) -> None:
        """Count one."""
        self._add(f"{self._prefix}{safe_name(name)}:1|c")

    def timing(self, name: str, nanoseconds: int) -> None:
        """Say how long something took, in milliseconds, as statsd's timers are."""
        shown = f"{nanoseconds // 10**6}" if nanoseconds >= 10**7 else f"{nanoseconds / 1e6:.2f}"
        self._add(f"{self._prefix}{safe_name(name)}:{shown}|ms")

    def _add(self, text: str) -> None:
        line = text.encode() + b"\n"
        if self._size + len(line) > _LARGEST:
            self.flush()
        self._lines.append(line)
        self._size += len(line)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PERIOD, self.flush)

    def flush(self) -> None:
        """Send what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines, self._size = self._lines, [], 0
        if lines:
            with contextlib.suppress(OSError):  # nobody listens, or too much is on its way: metrics are lost
                self._socket.send(b"".join(lines))

    def close(self) -> None:
        """Send the rest."""
        self.flush()
        self._socket.close()
