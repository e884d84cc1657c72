"""Hooks that a dispatcher carries out, over gRPC: the object goes there, and comes back.

It must not know how a call is made: that is `host.callouts.unary`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from abi.protobuf import ProtobufError
from host.callouts.unary import GrpcError, GrpcServer
from host.config import Config, ExternalPlugin, PluginUse
from host.config.tyk_values import Dispatcher, TykGrpcHook
from host.external.kind import Failure, Part
from host.external.tyk.hook import HookCall, HookError, hook_filter
from host.external.tyk.messages import OBJECT, SERVICE
from host.plugin.targets import parse_address


class GrpcCall(HookCall):
    """A hook of a dispatcher."""

    def __init__(self, plugin: TykGrpcHook, server: GrpcServer) -> None:
        super().__init__(plugin)
        self._server = server
        self._timeout = plugin.dispatcher.timeout

    async def carry_out(self, known: dict[str, Any]) -> dict[str, Any]:
        """Send the object. Raises HookError, and ValueError for a session that cannot be told."""
        try:
            sent = OBJECT.write(known)
        except (TypeError, AttributeError, OverflowError, struct.error) as error:
            raise ValueError(f"the session is not one of Tyk's: {error}") from error
        try:
            return OBJECT.read(await self._server.call(SERVICE, "Dispatch", sent, self._timeout))
        except (GrpcError, ProtobufError) as error:
            raise HookError(str(error)) from error


class LoadedHooks:
    """The hooks of one configuration."""

    def __init__(self, kind: GrpcHookKind, config: Config) -> None:
        self.failures: list[Failure] = []
        self._servers: dict[Dispatcher, GrpcServer] = {}
        self._made: dict[TykGrpcHook, Part] = {}
        for plugin in config.plugins:
            if isinstance(plugin, TykGrpcHook):
                try:
                    self._servers[plugin.dispatcher] = kind.server(plugin.dispatcher)
                except (GrpcError, ValueError) as error:
                    self.failures.append(Failure(plugin, str(error)))

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return the hook's filter."""
        assert isinstance(plugin, TykGrpcHook)
        if plugin not in self._made:
            self._made[plugin] = Part(hook_filter(GrpcCall(plugin, self._servers[plugin.dispatcher])))
        return (self._made[plugin],)

    def retire(self) -> None:
        """Connections stay for the next configuration."""


class GrpcHookKind:
    """The kind of `TykGrpcHook`: one connection to each dispatcher."""

    def __init__(self) -> None:
        self._servers: dict[Dispatcher, GrpcServer] = {}

    def server(self, dispatcher: Dispatcher) -> GrpcServer:
        """Return the server. Raises GrpcError where there is no HTTP/2, ValueError for an address that is none."""
        if dispatcher not in self._servers:
            address = dispatcher.address.removeprefix("tcp://").replace("unix://", "unix:", 1)
            self._servers[dispatcher] = GrpcServer(
                parse_address(address),
                authority=dispatcher.authority,
                receive_limit=dispatcher.receive_limit,
                send_limit=dispatcher.send_limit,
            )
        return self._servers[dispatcher]

    async def load(self, config: Config) -> LoadedHooks:
        """Return the hooks of a configuration. The dispatcher need not be there yet."""
        return LoadedHooks(self, config)

    async def close(self) -> None:
        """Close the connections."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()
