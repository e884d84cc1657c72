"""Changing a part of a resource: RFC 7396's merge, and APISIX's paths to one value of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class BadPath(ValueError):
    """A path that leads through something other than a mapping."""


def merged(value: Any, patch: Any) -> Any:
    """Return the value with the patch merged in: null removes a key (RFC 7396 section 2)."""
    if not isinstance(patch, dict):
        return patch
    made = dict(value) if isinstance(value, dict) else {}
    for key, child in patch.items():
        if child is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), child)
    return made


def replaced(value: dict[str, Any], path: Sequence[str], new: Any) -> dict[str, Any]:
    """Return the value with another one at the path; mappings on the way are made. Raises BadPath."""
    made = here = dict(value)
    for depth, key in enumerate(path[:-1], 1):
        child = here.get(key, {})
        if not isinstance(child, dict):
            raise BadPath(f"invalid sub-path: /{'/'.join(path[:depth])}")
        here[key] = dict(child)
        here = here[key]
    here[path[-1]] = new
    return made
