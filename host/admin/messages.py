"""A request of the Admin API and its answer, as they pass from the process that was asked to the one that answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

MAX_BODY_BYTES: Final = 1536 * 1024
"""Of a request: APISIX's limit."""


@dataclass(frozen=True, slots=True)
class AdminRequest:
    """`target` is the request's as it came. `key` is the X-API-KEY field's, `tyk_key` that of X-Tyk-Authorization, or
    b""; `client` an IP address."""

    method: bytes
    target: bytes
    client: str = ""
    key: bytes = field(default=b"", repr=False)
    body: bytes = field(default=b"", repr=False)
    tyk_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """A status and a body in JSON."""

    status: int
    body: bytes


Ask = Callable[[AdminRequest], Awaitable[AdminAnswer]]
"""Gets the answer to a request, wherever it is made."""


class NotNow(Exception):
    """Nothing can be changed at present, whatever it is; the text says why."""


def answer(status: int, value: dict[str, Any]) -> AdminAnswer:
    """Return the answer with this value."""
    return AdminAnswer(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


def error(status: int, message: str) -> AdminAnswer:
    """Return an error in APISIX's form."""
    return answer(status, {"error_msg": message})
