"""The Admin API itself: from a request to its answer, in APISIX's form (Admin API of APISIX 3).

It has no socket and no clock of its own, and knows nobody who serves: `apply` has a proposal served by all, or tells
why not.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qs

from host.admin.access import Keys
from host.admin.messages import AdminAnswer, AdminRequest, NotNow, answer, error
from host.admin.patch import BadPath, merged, replaced
from host.admin.query import BadQuery, page_of, selected
from host.admin.resources import Proposal, Resources
from host.admin.store import Entry, StoreError, key_of
from host.config import ADMIN_PREFIX
from host.config.overlay import KINDS
from host.errors import ConfigError, Problem
from host.router import normalize_path

logger = logging.getLogger("sluiceway.admin")

Apply = Callable[[Proposal], Awaitable[list[str]]]
"""Has all serve a proposal; returns why not, and then nothing has changed. Raises NotNow."""


_SINGULAR: Final = {kind: kind.removesuffix("s").replace("_", " ") for kind in KINDS}
_METHODS: Final = (b"GET", b"PUT", b"POST", b"PATCH", b"DELETE")


class _Refused(Exception):
    """Ends a request with this answer."""

    def __init__(self, refusal: AdminAnswer) -> None:
        self.answer = refusal


class AdminApi:
    """Answers requests. Changes are made one after the other."""

    def __init__(
        self,
        resources: Resources,
        keys: Keys,
        apply: Apply,
        changing: asyncio.Lock,
        clock: Callable[[], float],
    ) -> None:
        """`changing` is held while something changes; `clock` tells seconds since 1970."""
        self._resources, self._keys, self._apply = resources, keys, apply
        self._changing, self._clock = changing, clock

    async def handle(self, request: AdminRequest) -> AdminAnswer:
        """Return the answer; no request, whatever is in it, makes it raise."""
        try:
            return await self._handle(request)
        except _Refused as refused:
            return refused.answer
        except Exception:
            logger.exception("a request of the Admin API could not be answered")
            return error(500, "500 Internal Server Error")

    async def _handle(self, request: AdminRequest) -> AdminAnswer:
        target, _, query_text = request.target.partition(b"?")
        try:
            query = parse_qs(query_text.decode("latin-1"), keep_blank_values=True, max_num_fields=50)
        except ValueError as problem:
            raise _Refused(error(400, f"invalid arguments: {problem}")) from None
        self._authorize(request, query)
        kind, own_id, path = _segments(target)
        if kind not in KINDS:
            raise _Refused(error(404, f"Unsupported resource type: {kind}"))
        if request.method == b"GET":
            return self._get(kind, own_id) if own_id is not None else self._list(kind, query)
        if "ttl" in query:
            raise _Refused(error(400, "invalid argument ttl: it is not served here"))
        value = _json(request.body)
        async with self._changing:
            if request.method == b"PUT":
                return await self._put(kind, own_id, value)
            if request.method == b"POST":
                return await self._post(kind, own_id, value)
            if own_id is None:
                raise _Refused(error(400, f"missing {_SINGULAR[kind]} id"))
            if request.method == b"PATCH":
                return await self._patch(kind, own_id, path, value)
            return await self._delete(kind, own_id)

    def _authorize(self, request: AdminRequest, query: dict[str, list[str]]) -> None:
        """APISIX tells clients no more than that it failed."""
        given = query.get("api_key", [""])[0].encode() or request.key
        role = self._keys.role(given) if given else None
        reason = ""
        if not given:
            reason = "missing apikey"
        elif role is None:
            reason = "wrong apikey"
        elif role == "viewer" and request.method != b"GET":
            reason = "invalid method for role viewer"
        if reason:
            logger.warning("Admin API: a request of %s was refused: %s", request.client or "?", reason)
            raise _Refused(error(401, "failed to check token"))
        if request.method not in _METHODS:
            raise _Refused(error(404, "not found"))

    # --- reading ---

    def _get(self, kind: str, own_id: str) -> AdminAnswer:
        return answer(200, self._shown(kind, own_id, self._existing(kind, own_id), indexes=True))

    def _list(self, kind: str, query: dict[str, list[str]]) -> AdminAnswer:
        try:
            found = selected(self._resources.listed(kind), query)
            listed = [
                self._shown(kind, own_id, value, indexes=True) for own_id, value in page_of(found, query)
            ]
        except BadQuery as problem:
            raise _Refused(error(400, str(problem))) from None
        return answer(200, {"total": len(found), "list": listed})

    def _existing(self, kind: str, own_id: str) -> dict[str, Any]:
        value = self._resources.listed(kind).get(own_id)
        if value is None:
            raise _Refused(answer(404, {"message": "Key not found"}))
        return value

    def _shown(
        self, kind: str, own_id: str, value: dict[str, Any], *, indexes: bool = False
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {"key": key_of(kind, own_id), "value": {**value, "id": own_id}}
        if indexes:
            told = self._resources.told.get(kind, own_id) or Entry(None, 0, 0)  # 0: a file has it
            shown.update(createdIndex=told.created, modifiedIndex=told.modified)
        return shown

    # --- changing ---

    async def _put(self, kind: str, own_id: str | None, value: Any) -> AdminAnswer:
        value = _mapping(value)
        given = value.get("id")
        own_id = own_id if own_id is not None else str(given) if given is not None else None
        if own_id is None:
            raise _Refused(error(400, f"missing {_SINGULAR[kind]} id"))
        if given is not None and str(given) != own_id:
            raise _Refused(error(400, f"wrong {_SINGULAR[kind]} id"))
        before = self._resources.listed(kind).get(own_id)
        now = int(self._clock())
        stamped = {
            "create_time": (before or {}).get("create_time", now),
            "update_time": now,
            **value,
            "id": own_id,
        }
        await self._change(kind, own_id, stamped)
        return answer(200 if before is not None else 201, self._shown(kind, own_id, stamped))

    async def _post(self, kind: str, own_id: str | None, value: Any) -> AdminAnswer:
        value = _mapping(value)
        if own_id is not None or value.get("id") is not None:
            raise _Refused(error(400, f"wrong {_SINGULAR[kind]} id, do not need it"))
        taken, number = self._resources.listed(kind), self._resources.told.revision + 1
        while (made := f"{number:020d}") in taken:
            number += 1
        return await self._put(kind, made, value)

    async def _patch(self, kind: str, own_id: str, path: list[str], value: Any) -> AdminAnswer:
        if value is _NOTHING:
            raise _Refused(error(400, "missing new configuration"))
        before = self._existing(kind, own_id)
        try:
            changed = replaced(before, path, value) if path else merged(before, _object(value))
        except BadPath as problem:
            raise _Refused(error(400, str(problem))) from None
        if str(changed.get("id", own_id)) != own_id:
            raise _Refused(error(400, f"wrong {_SINGULAR[kind]} id"))
        changed["id"] = own_id
        if path or "update_time" not in value:
            changed["update_time"] = int(self._clock())
        await self._change(kind, own_id, changed)
        return answer(200, self._shown(kind, own_id, changed))

    async def _delete(self, kind: str, own_id: str) -> AdminAnswer:
        self._existing(kind, own_id)
        await self._change(kind, own_id, None)
        return answer(200, {"deleted": "1", "key": key_of(kind, own_id)})

    async def _change(self, kind: str, own_id: str, value: dict[str, Any] | None) -> None:
        """Have it served by all. Raises _Refused, and then nothing has changed."""
        what = "invalid configuration" if value is not None else f"can not delete this {_SINGULAR[kind]}"
        resources = self._resources
        own = f"{key_of(kind, own_id)}@{resources.told.revision + 1}"
        try:
            # Reading and validating take a second with 10,000 routes: not on the loop that signals come to.
            proposal = await asyncio.to_thread(resources.changed, kind, own_id, value)
        except ConfigError as refused:
            raise _Refused(error(400, f"{what}: {_told(refused.problems, own)}")) from None
        except StoreError as refused:
            raise _Refused(error(503, str(refused))) from None
        except ValueError as refused:
            raise _Refused(error(400, f"{what}: {refused}")) from None
        try:
            problems = await self._apply(proposal)
        except NotNow as refused:
            raise _Refused(error(503, str(refused))) from None
        if problems:
            raise _Refused(
                error(400, f"{what}: {'; '.join(each.removeprefix(own + ': ') for each in problems)}")
            )
        try:
            resources.settle(proposal)
        except StoreError as lost:
            logger.error("Admin API: %s is served, but a restart will forget it: %s", own, lost)


def _told(problems: tuple[Problem, ...], own: str) -> str:
    """One line; the resource's own place goes without saying."""
    return "; ".join(str(each).removeprefix(f"{own}: ") for each in problems)


class _Nothing:
    """Stands for a body that is not there: `null` is one."""


_NOTHING: Final = _Nothing()


def _segments(target: bytes) -> tuple[str, str | None, list[str]]:
    """Return the kind, the id and the path behind it. Raises _Refused for what lies elsewhere."""
    path = normalize_path(target)
    text = path.decode("utf-8", "replace") if path is not None else ""
    if not text.startswith(ADMIN_PREFIX + "/"):
        raise _Refused(error(404, "not found"))
    kind, *rest = text.removeprefix(ADMIN_PREFIX + "/").removesuffix("/").split("/")
    return kind[:64], rest[0] if rest else None, rest[1:]


def _json(body: bytes) -> Any:
    if not body:
        return _NOTHING
    try:
        value = json.loads(body.decode(), parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate could not be told to anybody
    except (ValueError, RecursionError) as problem:
        raise _Refused(error(400, f"invalid request body: {_reason(problem)}")) from None
    return value


def _reason(problem: Exception) -> str:
    if isinstance(problem, UnicodeError):
        return "it is not UTF-8"
    return "nested too deep" if isinstance(problem, RecursionError) else str(problem)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _mapping(value: Any) -> dict[str, Any]:
    if value is _NOTHING:
        raise _Refused(error(400, "missing configurations"))
    return _object(value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Refused(error(400, "invalid configuration: expected an object"))
    return value
