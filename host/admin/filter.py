"""The way from HTTP to the Admin API: a filter that answers every request of its route.

The same one stands on the gateway's own port, where it passes requests on to the supervisor, and on a port of the
API's own. It must not know how they are answered.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from typing import Final

from abi.types import Action
from host.admin.access import Addresses
from host.admin.messages import MAX_BODY_BYTES, AdminAnswer, AdminRequest, Ask, error
from host.admin.tyk import tyk_rule
from host.chain import BodyLimits, FilterChain
from host.config import ADMIN_PREFIX, Config
from host.exchange import Route
from host.exchange.local import LocalAnswers
from host.filters.python import FilterContext, PythonFilter, PythonFilterAdapter
from host.http.deadlines import Deadlines
from host.http.local import JSON_FIELDS
from host.router import Rule
from host.upstream.dial import TcpDialer
from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.admin")

_MOST_AT_ONCE: Final = 16
"""Requests that wait for their answers; each may have a body in memory."""

_KEYS: Final = (b"x-api-key", b"x-tyk-authorization")
_ANYBODY: Final = ("0.0.0.0/0", "::/0")


class AdminFilter(PythonFilter):
    """Asks for the answer when the whole request is there."""

    allow_on_headers_stop_iteration = True

    def __init__(self, ask: Ask, allow: Sequence[str]) -> None:
        """`allow`: ranges of clients' addresses."""
        super().__init__()
        self._ask = ask
        self._addresses = Addresses(allow)
        self._asking: set[asyncio.Task[None]] = set()

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action:
        """Turn strangers away before their bodies are read."""
        headers, client = context.request_headers, _ip_of(context)
        target = headers.get(b":path") or b""
        key, tyk_key = (headers.get(name) or b"" for name in _KEYS)
        # Each may hold a key, and an access log may show all of them.
        for name in _KEYS:
            headers.remove(name)
        headers.set(b":path", target.partition(b"?")[0])
        if isinstance(context.stream, LocalAnswers):
            context.stream.hide_query()
        if not self._addresses.admit(client):
            self._answer(context, error(403, "403 Forbidden"))
            return Action.PAUSE
        context.data = AdminRequest(headers.get(b":method") or b"", target, client, key, tyk_key=tyk_key)
        if end_of_stream:
            self._begin(context, b"")
        return Action.PAUSE

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> Action:
        """Gather it."""
        if end_of_stream:
            self._begin(context, context.request_body)
        return Action.PAUSE

    def on_request_trailers(self, context: FilterContext, end_of_stream: bool) -> Action:
        """They end a body in chunks."""
        self._begin(context, context.request_body)
        return Action.PAUSE

    def on_delete(self, context: FilterContext, end_of_stream: bool) -> None:
        """Nobody waits any more."""
        context.data = None

    def _begin(self, context: FilterContext, body: bytes) -> None:
        head: AdminRequest | None = context.data
        if head is None:
            return
        if len(self._asking) >= _MOST_AT_ONCE:
            self._answer(context, error(503, "503 too many requests of the Admin API at once"))
            return
        request = dataclasses.replace(head, body=body)
        task = asyncio.get_running_loop().create_task(self._finish(context, request))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _finish(self, context: FilterContext, request: AdminRequest) -> None:
        try:
            made = await self._ask(request)
        except Exception:
            logger.exception("a request of the Admin API could not be answered")
            made = error(500, "500 Internal Server Error")
        if context.data is not None:  # else the client is gone, and its stream may serve another request
            self._answer(context, made)

    @staticmethod
    def _answer(context: FilterContext, made: AdminAnswer) -> None:
        context.data = None
        context.respond(made.status, JSON_FIELDS, made.body, "admin_api")


def _ip_of(context: FilterContext) -> str:
    client = context.stream.client
    return client.source_address.rpartition(":")[0].strip("[]") if client is not None else ""


def admin_route(ask: Ask, allow: Sequence[str], deadlines: Deadlines) -> Route:
    """Return the route whose requests the Admin API answers."""
    chain = FilterChain(
        [PythonFilterAdapter(AdminFilter(ask, allow))], limits=BodyLimits(request=MAX_BODY_BYTES)
    )
    return Route("", chain, Upstream("", [], deadlines, TcpDialer()))


def rules_beside(config: Config, ask: Ask, deadlines: Deadlines) -> tuple[Rule[Route], ...]:
    """Return the rules of what shares the port of a configuration's routes; no plugin of theirs, nor a global rule,
    sees its requests."""
    admin, rules = config.admin, []
    if admin is not None and admin.listen is None:
        rules.append(Rule(admin_route(ask, admin.allow, deadlines), (ADMIN_PREFIX, ADMIN_PREFIX + "/*")))
    if config.tyk_secret and (admin is None or admin.listen is None):
        rules.append(tyk_rule(admin_route(ask, _ANYBODY, deadlines)))
    return tuple(rules)
