"""kong.ctx.shared: what plugins of one request leave for one another, of whatever kind they are.

Filters in Python have it as `context.shared`; Proxy-Wasm plugins as the property `kong.ctx.shared.KEY`, in JSON, where
plugins that `sluiceway build` has made of Kong's keep it, too.
"""

from __future__ import annotations

import json
from typing import Any, Final

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import a_string, method
from host.external.kong.pdk.state import Event, View, is_reserved
from host.filters.python import FilterContext

_PATH: Final = b"kong\0ctx\0shared\0"
_TEXTS: Final = "\0kong.ctx.shared"  # by key: the property's bytes when both were the same last

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
    if is_reserved(name):
        return None
    _read_property(event.view, name)
    return plain(event.view.shared.get(name))


@method("ctx.shared.set")
def set_(event: Event, key: Any, value: Any) -> None:
    """Set an entry; None removes it."""
    name = a_string(key, "key")
    if is_reserved(name):
        raise PdkError("the key is reserved")
    store(event.view.shared, name, value)
    _write_property(event.view, name, value)


def _read_property(view: View, name: str) -> None:
    """Take over what a Proxy-Wasm plugin has set since; what is no JSON it has not set for this."""
    if not isinstance(view, FilterContext):
        return
    text = view.get_property(_PATH + name.encode("utf-8", "replace"))
    texts: dict[str, bytes] = view.shared.setdefault(_TEXTS, {})
    if text is None or texts.get(name) == text:
        return
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    store(view.shared, name, value)
    texts[name] = text


def _write_property(view: View, name: str, value: Any) -> None:
    """Let Proxy-Wasm plugins read it, if JSON can say it."""
    if not isinstance(view, FilterContext):
        return
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError):
        return
    view.set_property(_PATH + name.encode("utf-8", "replace"), text)
    view.shared.setdefault(_TEXTS, {})[name] = text
