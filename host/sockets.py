"""The listening sockets of a gateway with several workers."""

from __future__ import annotations

import socket

from host.config import Listen
from host.proxy import bind


def bind_all(addresses: tuple[Listen, ...], count: int) -> list[list[socket.socket]]:
    """Return a list of sockets for each of `count` workers. A port 0 becomes one port for all. Raises ListenError."""
    if count > 1:
        # With SO_REUSEPORT alone, a second gateway of the same user would get half of the first one's connections.
        for each in bind([listen for listen in addresses if listen.port]):
            each.close()
    sockets = [bind(addresses, reuse_port=count > 1)]
    same = [Listen(*each.getsockname()[:2]) for each in sockets[0]]
    sockets += [bind(same, reuse_port=True) for _ in range(1, count)]
    return sockets


def authority(listen: Listen) -> str:
    """Return the address as a URL has it (RFC 3986 section 3.2)."""
    return f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"
