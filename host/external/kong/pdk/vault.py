"""kong.vault: references to secrets. Those in the environment are resolved: `{vault://env/name}`."""

from __future__ import annotations

import json
import os
import re
from typing import Any, Final
from urllib.parse import parse_qsl

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import a_string, method
from host.external.kong.pdk.state import Event

_REFERENCE: Final = re.compile(r"\{vault://([\w-]+)/([^/?}]+)(?:/([^?}]+))?(?:\?([^}]*))?\}")


@method("vault.is_reference")
def is_reference(event: Event, reference: Any) -> bool:
    """Whether the text is a reference."""
    return isinstance(reference, str) and _REFERENCE.fullmatch(reference) is not None


@method("vault.parse_reference")
def parse_reference(event: Event, reference: Any) -> dict[str, Any]:
    """The parts of a reference."""
    match = _REFERENCE.fullmatch(a_string(reference, "reference"))
    if match is None:
        raise PdkError("not a reference")
    parts = {"name": match[1], "resource": match[2], "config": dict(parse_qsl(match[4] or ""))}
    return parts | ({"key": match[3]} if match[3] else {})


@method("vault.get")
def get(event: Event, reference: Any) -> str:
    """What a reference to the environment leads to: a variable, or a key of the JSON in it."""
    parts = parse_reference(event, reference)
    if parts["name"] != "env":
        raise PdkError(f"not supported by this host: vault {parts['name']}; there is env")
    name = (parts["config"].get("prefix", "") + parts["resource"]).replace("-", "_")
    value = os.environ.get(name, os.environ.get(name.upper()))
    if value is None:
        raise PdkError(f"no variable {name:.60} in the environment")
    if "key" not in parts:
        return value
    try:
        found = json.loads(value)[parts["key"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PdkError(f"no key {parts['key']!r:.60} in {name:.60}") from None
    return str(found)
