"""Tyk's way to have a configuration read anew: who may, what is answered, and when."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from host.admin.messages import AdminRequest
from host.admin.tyk import TykControl

SECRET = "a-secret-for-tests"
REFUSAL = "Attempted administrative access with invalid or missing key!"


class Reloads:
    """Counts them, and ends them with `problems` when they `may_end`."""

    def __init__(self, problems: list[str]) -> None:
        self.problems, self.count = problems, 0
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()

    def begin(self) -> asyncio.Future[list[str]]:
        """Begin one."""
        self.count += 1
        return asyncio.ensure_future(self._end())

    async def _end(self) -> list[str]:
        self.has_begun.set()
        await self.may_end.wait()
        return self.problems


def request(target: bytes, key: bytes = SECRET.encode(), method: bytes = b"GET") -> AdminRequest:
    """A request with this key; the Admin API's own says nothing."""
    return AdminRequest(method, target, "127.0.0.1", b"other", tyk_key=key)


def ask(asked: AdminRequest, *problems: str, ends: bool = True) -> tuple[int, Any, int]:
    """Status, body, and how many reloads have begun."""

    async def run() -> tuple[int, Any, int]:
        reloads = Reloads(list(problems))
        if ends:
            reloads.may_end.set()
        answer = await TykControl(SECRET, reloads.begin).handle(asked)
        reloads.may_end.set()
        return answer.status, json.loads(answer.body), reloads.count

    return asyncio.run(run())


@pytest.mark.parametrize(
    "target", [b"/tyk/reload", b"/tyk/reload/?block=false", b"/tyk/reload/group", b"/tyk/%72eload?x"]
)
def test_a_reload_is_begun_and_not_waited_for(target: bytes) -> None:
    """As in Tyk: the answer says nothing of what becomes of it."""
    assert ask(request(target), "refused", ends=False) == (200, {"status": "ok", "message": ""}, 1)


def test_block_waits_for_what_becomes_of_it() -> None:
    """And tells why it was refused."""

    async def run() -> None:
        reloads = Reloads([])
        task = asyncio.ensure_future(
            TykControl(SECRET, reloads.begin).handle(request(b"/tyk/reload?block=true"))
        )
        await reloads.has_begun.wait()
        assert not task.done()
        reloads.may_end.set()
        assert (await task).status == 200

    asyncio.run(run())
    refused = {"status": "error", "message": "one; two"}
    assert ask(request(b"/tyk/reload?block=true"), "one", "two") == (500, refused, 1)


@pytest.mark.parametrize("key", [b"", b"wrong", SECRET[:-1].encode(), b"\xff"])
@pytest.mark.parametrize("target", [b"/tyk/reload?block=true", b"/tyk/apis", b"/tyk/../x"])
def test_nobody_else_learns_anything(key: bytes, target: bytes) -> None:
    """Whatever is asked for; nothing is done."""
    assert ask(request(target, key)) == (403, {"status": "error", "message": REFUSAL}, 0)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(b"/tyk/apis"), 404),
        (request(b"/tyk/reload", method=b"POST"), 405),
        (request(b"/tyk/reload?" + b"a=1&" * 60), 400),
    ],
)
def test_other_requests_are_errors(asked: AdminRequest, status: int) -> None:
    """In Tyk's form; nothing is done."""
    answered, body, count = ask(asked)
    assert (answered, body["status"], count) == (status, "error", 0)


@pytest.mark.parametrize(
    ("target", "is_tyk"),
    [
        (b"/tyk/reload?a", True),
        (b"/t%79k//reload", True),
        (b"/apisix/admin/routes", False),
        (b"/tykx", False),
    ],
)
def test_which_requests_are_tyks(target: bytes, is_tyk: bool) -> None:
    """By their path, in the form in which routes are found."""
    assert TykControl.is_asked(request(target)) is is_tyk
