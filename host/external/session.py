"""The session of an exchange: what its authentication found out, for every filter that comes behind it.

It is the property `session`, as JSON, which plugins read and set; each of its values can be read below it
(`session.alias`: text as it is, anything else as JSON). It must not know what is in a session.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from host.filters.python import FilterContext

logger = logging.getLogger("sluiceway.external")

SESSION: Final = b"session"

MAX_SESSION_SIZE: Final = 256 * 1024
"""Bytes of a session as JSON."""

_KEPT: Final = "\0session"  # among what filters share, where plugins of other systems have names of their own
_MOST_SPREAD: Final = 128


class _Kept:
    """A session with the bytes that it was read from."""

    __slots__ = ("text", "values")

    def __init__(self, text: bytes, values: dict[str, Any] | None) -> None:
        self.text, self.values = text, values


def session_of(context: FilterContext) -> dict[str, Any] | None:
    """Return the session, None without one. To be read, not changed: see `set_session`.

    What is no JSON object, or larger than MAX_SESSION_SIZE, is no session.
    """
    text = context.get_property(SESSION)
    if not text:
        return None
    kept: _Kept | None = context.shared.get(_KEPT)
    if kept is None or kept.text != text:
        values = _parsed(text)
        if values is not None:
            _spread(context, values)
        kept = context.shared[_KEPT] = _Kept(text, values)
    return kept.values


def set_session(context: FilterContext, values: Mapping[str, Any]) -> None:
    """Set the session. Raises ValueError for what JSON cannot say, or for too much of it."""
    kept = dict(values)
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MAX_SESSION_SIZE:
        raise ValueError(f"a session of {len(text)} bytes, over the limit of {MAX_SESSION_SIZE}")
    context.set_property(SESSION, text)
    _spread(context, kept)
    context.shared[_KEPT] = _Kept(text, kept)


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        if len(text) > MAX_SESSION_SIZE:
            raise ValueError(f"{len(text)} bytes, over the limit of {MAX_SESSION_SIZE}")
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        logger.warning("the property session is no session: %s", error)
        return None
    return values if isinstance(values, dict) else None


def _spread(context: FilterContext, values: Mapping[str, Any]) -> None:
    for key, value in itertools.islice(values.items(), _MOST_SPREAD):
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        context.set_property(
            SESSION + b"\0" + key.encode("utf-8", "replace"), text.encode("utf-8", "replace")
        )
