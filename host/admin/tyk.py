"""The one call of Tyk's gateway API that is served: have the configuration read anew.

What a reload means is the supervisor's: it is handed in.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs

from host.admin.messages import AdminAnswer, AdminRequest, answer
from host.exchange import Route
from host.router import Rule, normalize_path

logger = logging.getLogger("sluiceway.admin")

_PREFIX: Final = b"/tyk/"
_RELOADS: Final = ("/tyk/reload", "/tyk/reload/", "/tyk/reload/group", "/tyk/reload/group/")
_FIRST: Final = 2**63
"""A priority that no route of a configuration has."""

Reload = Callable[[], Awaitable[list[str]]]
"""Begins a reload. What it returns gives why nothing has changed, or nothing, once that is known."""


class TykControl:
    """Answers those who know the secret."""

    def __init__(self, secret: str, reload: Reload) -> None:
        self._secret, self._reload = secret.encode(), reload

    @staticmethod
    def is_asked(request: AdminRequest) -> bool:
        """Whether the request is one of Tyk's API."""
        path = normalize_path(request.target.partition(b"?")[0])
        return path is not None and path.startswith(_PREFIX)

    async def handle(self, request: AdminRequest) -> AdminAnswer:
        """Return the answer, in Tyk's form. With `block=true` it comes when the reload has taken effect."""
        if not hmac.compare_digest(request.tyk_key, self._secret):
            logger.warning("Tyk's gateway API: a request of %s was refused", request.client or "?")
            return _error(403, "Attempted administrative access with invalid or missing key!")
        target, _, query = request.target.partition(b"?")
        path = normalize_path(target) or b""
        if path.decode("utf-8", "replace") not in _RELOADS:
            return _error(404, "Not found")
        if request.method != b"GET":
            return _error(405, "Method not supported")
        try:
            blocks = parse_qs(query.decode("latin-1"), max_num_fields=50).get("block", [""])[0] == "true"
        except ValueError as problem:
            return _error(400, f"invalid arguments: {problem}")
        reload = self._reload()
        if blocks and (problems := await reload):
            return _error(500, "; ".join(problems))
        return answer(200, {"status": "ok", "message": ""})


def _error(status: int, message: str) -> AdminAnswer:
    return answer(status, {"status": "error", "message": message})


def tyk_rule(route: Route) -> Rule[Route]:
    """Return the rule of a route to the API beside others, which have these paths no more."""
    return Rule(route, _RELOADS, priority=_FIRST)
