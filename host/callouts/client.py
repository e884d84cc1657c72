"""Where calls go: to a configured upstream, or to a server that only the plugin names."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from host.callouts.addresses import dialed
from host.callouts.directory import Directory
from host.callouts.exchange import CallExchange
from host.callouts.grpc import begin_grpc
from host.http.deadlines import Deadlines
from host.http.message import MessageError
from host.plugin.callouts import HttpCall
from host.plugin.grpc_call import GrpcCall
from host.plugin.services import CallInFlight
from host.plugin.settings import CalloutSettings
from host.plugin.targets import Address
from host.upstream.grpc import GrpcStream
from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.callouts")

_MOST_KEPT: Final = 256  # servers without configuration whose connections are kept
_POOL_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class _Server:
    """What makes connections exchangeable: where they go, and what was asked of the server's certificate."""

    address: Address
    verify: bool
    trusted_certificate: str


class Callouts:
    """Carries out the calls of all plugins of a worker, on its loop."""

    def __init__(self, deadlines: Deadlines) -> None:
        self.directory = Directory()
        self._deadlines = deadlines
        self._servers: OrderedDict[_Server, Upstream] = OrderedDict()  # the one used last is the last

    def send(self, call: HttpCall) -> CallInFlight | None:
        """Send a call's request, and tell it of the outcome later; None: there is nowhere to send it."""
        upstream = self._upstream(call.upstream, call.address, call.callouts)
        if upstream is None:
            return None
        exchange = CallExchange(call, upstream)
        try:
            return exchange if exchange.start() else None
        except MessageError as error:
            logger.error("a call of plugin %s: %s", call.plugin, error.reason)
            return None

    def begin(self, call: GrpcCall) -> GrpcStream | None:
        """Begin a gRPC call or stream, and tell it later what is heard of it; None: there is nobody to ask."""
        request = call.request
        upstream = self._upstream(request.upstream, request.address, call.callouts)
        return None if upstream is None else begin_grpc(call, upstream)

    def close(self) -> None:
        """Close the idle connections."""
        for upstream in self._servers.values():
            upstream.close()
        self._servers.clear()

    def _upstream(self, name: str, address: Address | None, callouts: CalloutSettings) -> Upstream | None:
        if address is None:
            return self.directory.find(name)
        if address.scheme == "https":
            server = _Server(address, callouts.ssl_verify, callouts.trusted_ca)
        else:
            server = _Server(address, False, "")
        upstream = self._servers.get(server)
        if upstream is None:
            upstream = self._servers[server] = self._new(server)
            if len(self._servers) > _MOST_KEPT:
                self._servers.popitem(last=False)[1].close()
        self._servers.move_to_end(server)
        return upstream

    def _new(self, server: _Server) -> Upstream:
        return dialed(
            server.address,
            self._deadlines,
            verify=server.verify,
            trusted_certificate=server.trusted_certificate,
            keepalive_pool_size=_POOL_SIZE,
        )
