"""Hooks that a dispatcher carries out, over gRPC: the request or response goes there as an object, and comes back.

It must not know how a call is made: that is `host.callouts.unary`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from abi.protobuf import ProtobufError
from host.callouts.unary import GrpcError, GrpcServer
from host.config import Config, ExternalPlugin, PluginUse
from host.config.tyk_values import Dispatcher, TykGrpcHook
from host.external.filter import RequestFilter, ResponseFilter, logger, reason_of
from host.external.kind import Failure, Part
from host.external.message import HeldMessage
from host.external.session import session_of, set_session
from host.external.tyk.answers import refuse
from host.external.tyk.exchange import (
    apply_request,
    apply_response,
    told_request,
    told_response,
    told_session,
)
from host.external.tyk.messages import OBJECT, SERVICE, HookType
from host.plugin.targets import parse_address

_TYPES: Final = {
    "pre": HookType.PRE,
    "auth_check": HookType.CUSTOM_KEY_CHECK,
    "post_key_auth": HookType.POST_KEY_AUTH,
    "post": HookType.POST,
    "response": HookType.RESPONSE,
}
_WITHOUT_SESSION: Final = (HookType.PRE, HookType.CUSTOM_KEY_CHECK)


class HookCall:
    """What request and response hooks have in common: the object that goes out, and the one that comes back."""

    def __init__(self, plugin: TykGrpcHook, server: GrpcServer) -> None:
        self.plugin = plugin
        self.type = _TYPES[plugin.hook]
        self._server = server
        self._spec = {
            "OrgID": plugin.org_id,
            "APIID": plugin.api_id,
            "config_data": plugin.config_data,
            **({"bundle_hash": plugin.bundle_hash} if plugin.bundle_hash else {}),
        }

    async def dispatch(self, message: HeldMessage, **told: dict[str, Any]) -> dict[str, Any]:
        """Have the hook done. Raises GrpcError, ProtobufError, and ValueError for a session that cannot be told."""
        plugin = self.plugin
        known: dict[str, Any] = {
            "hook_type": self.type,
            "hook_name": plugin.hook_name,
            "spec": self._spec,
            **told,
        }
        if self.type not in _WITHOUT_SESSION and (session := session_of(message.context)) is not None:
            known["session"] = told_session(session)
            known["metadata"] = known["session"]["meta_data"]
        try:
            sent = OBJECT.write(known)
        except (TypeError, AttributeError, OverflowError, struct.error) as error:
            raise ValueError(f"the session is not one of Tyk's: {error}") from error
        reply = await self._server.call(SERVICE, "Dispatch", sent, plugin.dispatcher.timeout)
        return OBJECT.read(reply)


class GrpcHook(RequestFilter):
    """A hook on requests."""

    def __init__(self, call: HookCall) -> None:
        super().__init__()
        self._call = call
        self.name = call.plugin.name
        self._is_auth = call.type is HookType.CUSTOM_KEY_CHECK

    async def request(self, message: HeldMessage) -> None:
        """Have it done, and do as it says."""
        body = await message.body()
        told = told_request(message.context, body, raw_body_only=self._call.plugin.raw_body_only)
        reply = await self._call.dispatch(message, request=told)
        request = reply.get("request")
        if request is None:
            raise ProtobufError("the object that came back has no request")
        apply_request(message.context, request)
        if request["raw_body"] != body:
            message.replace_body(request["raw_body"])
        if self._answer(message, request.get("return_overrides") or {}):
            return
        if self._is_auth:
            self._authenticate(message, reply)

    def _answer(self, message: HeldMessage, overrides: dict[str, Any]) -> bool:
        """Answer, if the hook wants it."""
        status = overrides.get("response_code", 0)
        if status <= 0:
            return False
        text = overrides["response_error"] or overrides["response_body"]
        headers = overrides["headers"]
        if status >= 400 and not overrides["override_error"]:
            refuse(message.context, status, text or "Key not authorised", "tyk_hook_refused", headers)
            message.done = True
        else:
            fields = [(name.encode(), value.encode()) for name, value in headers.items()]
            message.respond(status, fields, text.encode(), "tyk_hook_answered")
        return True

    def _authenticate(self, message: HeldMessage, reply: dict[str, Any]) -> None:
        """Take the session that the hook has found."""
        session = reply.get("session")
        if session is not None:
            session["meta_data"] = {**session["meta_data"], **reply["metadata"]}
        if session is None or not session["meta_data"].get("token"):
            refuse(message.context, 403, "Forbidden", "tyk_hook_no_session")
            message.done = True
            return
        session["org_id"] = self._call.plugin.org_id
        session["key_id"] = session["meta_data"]["token"]
        set_session(message.context, session)

    def failed(self, message: HeldMessage, error: Exception) -> None:
        """A hook that cannot be done lets nobody pass."""
        logger.error("%s: %s", self.name, reason_of(error), extra={"fields": {"plugin": self.name}})
        if message.done:
            return
        if self._is_auth and isinstance(error, GrpcError | ProtobufError):
            refuse(message.context, 403, "Key not authorised", "tyk_hook_failed")
        else:
            refuse(message.context, 500, "Middleware error", "tyk_hook_failed")
        message.done = True


class GrpcResponseHook(ResponseFilter):
    """A hook on responses."""

    def __init__(self, call: HookCall) -> None:
        super().__init__()
        self._call = call
        self.name = call.plugin.name

    async def response(self, message: HeldMessage) -> None:
        """Have it done, and make the response what it returns."""
        only_raw = self._call.plugin.raw_body_only
        body = await message.body()
        told = told_response(message.context, body, raw_body_only=only_raw)
        request = told_request(message.context, b"", raw_body_only=only_raw)
        reply = await self._call.dispatch(message, request=request, response=told)
        response = reply.get("response")
        if response is None:
            raise ProtobufError("the object that came back has no response")
        apply_response(message.context, response)
        if response["raw_body"] != body:
            message.replace_body(response["raw_body"])

    def failed(self, message: HeldMessage, error: Exception) -> None:
        """The client does not get what the hook has not seen."""
        logger.error("%s: %s", self.name, reason_of(error), extra={"fields": {"plugin": self.name}})
        if not message.done:
            refuse(message.context, 500, "Middleware error", "tyk_hook_failed")
            message.done = True


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
            call = HookCall(plugin, self._servers[plugin.dispatcher])
            self._made[plugin] = Part(GrpcResponseHook(call) if plugin.hook == "response" else GrpcHook(call))
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
