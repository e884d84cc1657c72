"""Upgraded connections: the exchange from a 101 on, when it has a tunnel instead of a response.

It must not know how the request went out, nor what the upgrade is to.
"""

from __future__ import annotations

from host.exchange.local import LocalAnswers
from host.exchange.tunnel import Tunnel
from host.http.flow import CHAIN
from host.http.message import WRITE_NO_BODY, WRITE_UPGRADE


class UpgradeSide(LocalAnswers):
    """Opens, feeds and ends the tunnel; both protocols call it, each from its end."""

    __slots__ = ("_tunnel",)

    _tunnel: Tunnel | None

    def switched(self, data: bytes) -> None:
        """The upstream takes the upgrade: the filters see the 101, what follows is not HTTP."""
        connection = self._connection
        assert connection is not None
        self._response_seen = True
        if self._record is not None:
            self._record.answered(101)
        self._tunnel = Tunnel(self._downstream, connection, data, self._end_tunnel)
        connection.hold(CHAIN)
        self._apply(self.on_response_headers(False))

    def _open_tunnel(self, tunnel: Tunnel) -> None:
        """The 101 has left the chain."""
        if self.answered or self._connection is None:
            return
        self._downstream.send_head(self.response_headers.pointer, WRITE_NO_BODY, WRITE_UPGRADE, b"", False)
        self.answered = True
        tunnel.open()

    def tunnel_data(self, data: bytes) -> None:
        """From the client to the upstream."""
        if self._tunnel is not None:
            self._tunnel.to_upstream(data)

    def tunnel_data_back(self, data: bytes) -> None:
        """From the upstream to the client."""
        if self._tunnel is not None:
            self._tunnel.to_client(data)

    def tunnel_end(self) -> None:
        """The client sends no more."""
        if self._tunnel is not None:
            self._tunnel.client_ended()

    def tunnel_end_back(self) -> None:
        """The upstream sends no more."""
        if self._tunnel is not None:
            self._tunnel.upstream_ended()

    def _end_tunnel(self) -> None:
        """Close both sides once all is written."""
        self._is_on = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finish()
        self.close()
        self._downstream.close()
