"""Upstreams for servers that are named by their address alone."""

from __future__ import annotations

from typing import Any

from host.http.deadlines import Deadlines
from host.plugin.targets import Address
from host.upstream.balancer import Node
from host.upstream.dial import TcpDialer, TlsDialer, UnixDialer
from host.upstream.upstream import Dialer, Upstream

_FOREVER = float("inf")  # a call watches its own time


def dialed(
    address: Address,
    deadlines: Deadlines,
    *,
    verify: bool = False,
    trusted_certificate: str = "",
    **options: Any,
) -> Upstream:
    """Return an upstream of one node. `verify`, `trusted_certificate`: of servers behind TLS; `options`: Upstream's."""
    dialer: Dialer
    if address.path:
        dialer = UnixDialer()
    elif address.scheme == "https":
        dialer = TlsDialer(verify=verify, trusted_certificate=trusted_certificate)
    else:
        dialer = TcpDialer()
    return Upstream(
        str(address),
        [Node(address.path or address.host, address.port)],
        deadlines,
        dialer,
        scheme=address.scheme,
        connect_timeout=_FOREVER,
        send_timeout=_FOREVER,
        read_timeout=_FOREVER,
        **options,
    )
