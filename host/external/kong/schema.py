"""Configurations of plugins against the schemas that their servers dump, in Kong's language of schemas.

A server that is written in Go would close the connection at a value of the wrong type, and one in Python hand it to the
plugin: so it is refused here, with its place. Fields with a default get it, as Kong's do.

https://docs.konghq.com/gateway/latest/plugin-development/configuration/
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

MAX_DEPTH: Final = 32
"""Levels of nesting."""

_PLAIN: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


_LENGTHS: Final[dict[str, Callable[[int, int], bool]]] = {
    "len_min": operator.ge,
    "len_max": operator.le,
    "len_eq": operator.eq,
}


class SchemaError(ValueError):
    """A configuration that its schema refuses. The text names the field."""


def fields_of(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and schema of each field of a record."""
    fields = schema.get("fields")
    for each in fields if isinstance(fields, list | tuple) else ():
        if isinstance(each, dict):
            for name, field in each.items():
                yield str(name), field if isinstance(field, dict) else {}


def validated(schema: Mapping[str, Any], configuration: Any) -> dict[str, Any]:
    """Return a configuration with defaults filled in. Raises SchemaError."""
    if configuration is None:
        configuration = {}
    value = _record(schema, configuration, "config", 0)
    assert isinstance(value, dict)
    return value


def _checked(schema: Mapping[str, Any], value: Any, place: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise SchemaError(f"{place}: nested deeper than {MAX_DEPTH} levels")
    kind = schema.get("type")
    if kind in _PLAIN:
        _plain(str(kind), value, place)
        if kind == "integer":
            value = int(value)
    elif kind in ("array", "set"):
        value = _list(schema, value, place, depth)
    elif kind == "map":
        value = _map(schema, value, place, depth)
    elif kind == "record":
        value = _record(schema, value, place, depth)
    elif kind is not None:
        raise SchemaError(f"{place}: the plugin's schema has type {kind!r:.40}, which is not known here")
    _limits(schema, value, place)
    return value


def _plain(kind: str, value: Any, place: str) -> None:
    is_whole = kind == "integer" and isinstance(value, float) and value.is_integer()
    if is_whole or (isinstance(value, _PLAIN[kind]) and (kind == "boolean" or not isinstance(value, bool))):
        return
    article = "an" if kind == "integer" else "a"
    raise SchemaError(f"{place}: expected {article} {kind}, got {_shown(value)}")


def _list(schema: Mapping[str, Any], value: Any, place: str, depth: int) -> list[Any]:
    if not isinstance(value, list):
        raise SchemaError(f"{place}: expected an array, got {_shown(value)}")
    elements = schema.get("elements")
    result: list[Any] = value
    if isinstance(elements, dict):
        result = [
            _checked(elements, each, f"{place}[{index}]", depth + 1) for index, each in enumerate(value)
        ]
    if schema.get("type") == "set":
        result = [each for index, each in enumerate(result) if each not in result[:index]]
    return result


def _map(schema: Mapping[str, Any], value: Any, place: str, depth: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SchemaError(f"{place}: expected a map, got {_shown(value)}")
    keys, values = schema.get("keys"), schema.get("values")
    for key in value:
        if isinstance(keys, dict):
            _key(keys, key, place)
    if isinstance(values, dict):
        return {key: _checked(values, each, f"{place}.{key}", depth + 1) for key, each in value.items()}
    return value


def _key(schema: Mapping[str, Any], key: str, place: str) -> None:
    """Keys of YAML and JSON are text, whatever they are in Go."""
    kind = schema.get("type")
    pattern = {"integer": r"-?\d+", "number": r"-?\d+(\.\d+)?", "boolean": "true|false"}.get(str(kind))
    if pattern is not None and not re.fullmatch(pattern, key):
        raise SchemaError(f"{place}: key {key!r:.60} is no {kind}")
    if kind == "string":
        _limits(schema, key, f"{place}: key {key!r:.60}")


def _record(schema: Mapping[str, Any], value: Any, place: str, depth: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SchemaError(f"{place}: expected a record, got {_shown(value)}")
    known = dict(fields_of(schema))
    for name in value:
        if name not in known:
            names = ", ".join(list(known)[:20]) or "none"
            raise SchemaError(f"{place}.{name}: unknown field; the plugin has: {names}")
    result = {}
    for name, field in known.items():
        given = value.get(name)
        if given is None and field.get("default") is not None:
            given = field["default"]
        if given is not None:
            result[name] = _checked(field, given, f"{place}.{name}", depth + 1)
        elif field.get("required") is True:
            if field.get("type") == "record":
                result[name] = _checked(field, {}, f"{place}.{name}", depth + 1)
            else:
                raise SchemaError(f"{place}.{name}: required field missing")
    return result


def _limits(schema: Mapping[str, Any], value: Any, place: str) -> None:
    between = schema.get("between")
    if isinstance(between, list) and len(between) == 2 and isinstance(value, int | float):
        least, most = between
        if not least <= value <= most:
            raise SchemaError(f"{place}: expected a value between {least} and {most}, got {_shown(value)}")
    greater = schema.get("gt")
    if isinstance(greater, int | float) and isinstance(value, int | float) and not value > greater:
        raise SchemaError(f"{place}: expected a value over {greater}, got {_shown(value)}")
    choices = schema.get("one_of")
    if isinstance(choices, list) and value not in choices:
        raise SchemaError(
            f"{place}: expected one of {', '.join(map(str, choices[:20]))}, got {_shown(value)}"
        )
    if "eq" in schema and value != schema["eq"]:
        raise SchemaError(f"{place}: expected {_shown(schema['eq'])}, got {_shown(value)}")
    if isinstance(value, str | list | dict):
        _length(schema, value, place)


def _length(schema: Mapping[str, Any], value: str | list[Any] | dict[str, Any], place: str) -> None:
    length = len(value)
    for key, compare in _LENGTHS.items():
        bound = schema.get(key)
        if isinstance(bound, int) and not compare(length, bound):
            raise SchemaError(f"{place}: its length is {length}, which {key} {bound} does not allow")
    if isinstance(value, str) and not value and schema.get("len_min") != 0 and schema.get("required") is True:
        raise SchemaError(f"{place}: length must be at least 1")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    return f"{value!r:.60}"
