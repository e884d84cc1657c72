"""The table of methods, which each namespace fills, and how arguments of plugins are checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from host.external.kong.pdk.errors import PdkError

REQUEST: Final = frozenset({"rewrite", "access"})
BODY: Final = frozenset({"rewrite", "access", "response"})
RESPONSE: Final = frozenset({"response", "log"})
ANY: Final = frozenset({"rewrite", "access", "response", "log"})
EVERYWHERE: Final = ANY | {"preread"}
LOG: Final = frozenset({"log"})

MAX_ARGUMENTS: Final = 1000
"""Entries that get_headers and get_query give at most; the default is 100."""


@dataclass(frozen=True, slots=True)
class Method:
    """One of the PDK's methods. `arity`: arguments that it takes; -1: any number. `phases`: where it can be called."""

    function: Callable[..., Any]
    arity: int
    phases: frozenset[str]


METHODS: Final[dict[str, Method]] = {}
"""By their whole names, `kong.request.get_path` and so on."""


def method(
    name: str, phases: frozenset[str] = EVERYWHERE
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table. It takes the event, and what the plugin does not give as None."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(function).parameters.values()
        takes_any = any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters)
        METHODS[f"kong.{name}"] = Method(function, -1 if takes_any else len(parameters) - 1, phases)
        return function

    return enter


def a_string(value: Any, what: str) -> str:
    """Return an argument that is text. Raises PdkError."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise PdkError(f"{what} must be a string")
    return value


def an_integer(value: Any, what: str, least: int, most: int) -> int:
    """Return an argument that is a whole number within bounds. Raises PdkError."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise PdkError(f"{what} must be a number")
    if not least <= value <= most:
        raise PdkError(f"{what} must be a number between {least} and {most}")
    return value


def a_mapping(value: Any, what: str) -> dict[str, Any]:
    """Return an argument that is a table with names. Raises PdkError."""
    if value == []:  # Lua, and who speaks for it, has one empty table
        return {}
    if not isinstance(value, dict):
        raise PdkError(f"{what} must be a table")
    return {a_string(key, f"a key of {what}"): each for key, each in value.items()}


def a_maximum(value: Any, what: str) -> int:
    """Return how many entries are wanted. Raises PdkError."""
    return 100 if value is None else an_integer(value, what, 1, MAX_ARGUMENTS)


def decoded(value: bytes | None) -> str | None:
    """Return bytes of a request or response as text; what is no UTF-8 comes back as it was."""
    return None if value is None else value.decode("utf-8", "surrogateescape")


def encoded(value: str | bytes) -> bytes:
    """Return text as bytes, the other way round."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
