"""kong.ctx.shared: what plugins of one request leave for one another, of whatever kind they are."""

from __future__ import annotations

from typing import Any, Final

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import a_string, method
from host.external.kong.pdk.state import Event, is_reserved

MAX_KEYS: Final = 1000
"""Entries that one request may hold."""


def store(values: dict[str, Any], key: str, value: Any) -> None:
    """Set an entry, or remove it with None. Raises PdkError for one too many."""
    if value is None:
        values.pop(key, None)
    elif key in values or len(values) < MAX_KEYS:
        values[key] = value
    else:
        raise PdkError(f"no more than {MAX_KEYS} entries are kept")


def plain(value: Any) -> Any:
    """The value where it is one that another process can have, else None."""
    return value if isinstance(value, str | bytes | int | float | list | dict | None) else None


@method("ctx.shared.get")
def get(event: Event, key: Any) -> Any:
    """An entry, or None."""
    name = a_string(key, "key")
    return None if is_reserved(name) else plain(event.view.shared.get(name))


@method("ctx.shared.set")
def set_(event: Event, key: Any, value: Any) -> None:
    """Set an entry; None removes it."""
    name = a_string(key, "key")
    if is_reserved(name):
        raise PdkError("the key is reserved")
    store(event.view.shared, name, value)
