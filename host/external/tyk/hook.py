"""Hooks that are given the request or response as an object, as filters: what they return is applied.

It must not know who carries a hook out: a dispatcher, or a function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from host.config.tyk_values import TykHook
from host.external.filter import RequestFilter, ResponseFilter
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
from host.external.tyk.messages import HookType

_TYPES: Final = {
    "pre": HookType.PRE,
    "auth_check": HookType.CUSTOM_KEY_CHECK,
    "post_key_auth": HookType.POST_KEY_AUTH,
    "post": HookType.POST,
    "response": HookType.RESPONSE,
}
_WITHOUT_SESSION: Final = (HookType.PRE, HookType.CUSTOM_KEY_CHECK)


class HookError(Exception):
    """A hook that could not be done."""


class HookCall(ABC):
    """What request and response hooks have in common: the object that goes out, and the one that comes back."""

    def __init__(self, plugin: TykHook) -> None:
        self.plugin = plugin
        self.type = _TYPES[plugin.hook]
        self._spec = {
            "OrgID": plugin.org_id,
            "APIID": plugin.api_id,
            "config_data": plugin.config_data,
            **({"bundle_hash": plugin.bundle_hash} if plugin.bundle_hash else {}),
        }

    async def dispatch(self, message: HeldMessage, **told: dict[str, Any]) -> dict[str, Any]:
        """Have the hook done, and return the object that comes back. Raises as `carry_out` does."""
        plugin = self.plugin
        known: dict[str, Any] = {
            "hook_type": self.type,
            "hook_name": plugin.hook_name,
            "spec": {**self._spec},  # a function may change what it is given
            **told,
        }
        if self.type not in _WITHOUT_SESSION and (session := session_of(message.context)) is not None:
            known["session"] = told_session(session)
            known["metadata"] = known["session"]["meta_data"]
        return await self.carry_out(known)

    @abstractmethod
    async def carry_out(self, known: dict[str, Any]) -> dict[str, Any]:
        """Return the object as the hook has left it."""


class RequestHook(RequestFilter):
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
            raise HookError("the object that came back has no request")
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
        self.complain(error)
        if message.done:
            return
        if self._is_auth and isinstance(error, HookError):
            refuse(message.context, 403, "Key not authorised", "tyk_hook_failed")
        else:
            refuse(message.context, 500, "Middleware error", "tyk_hook_failed")
        message.done = True


class ResponseHook(ResponseFilter):
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
            raise HookError("the object that came back has no response")
        apply_response(message.context, response)
        if response["raw_body"] != body:
            message.replace_body(response["raw_body"])

    def failed(self, message: HeldMessage, error: Exception) -> None:
        """The client does not get what the hook has not seen."""
        self.complain(error)
        if not message.done:
            refuse(message.context, 500, "Middleware error", "tyk_hook_failed")
            message.done = True


def hook_filter(call: HookCall) -> RequestHook | ResponseHook:
    """Return the filter that has a hook done."""
    return ResponseHook(call) if call.type is HookType.RESPONSE else RequestHook(call)
