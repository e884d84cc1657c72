"""Arguments, fields and bodies of messages as the tables that plugins get."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Final
from urllib.parse import unquote_plus

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.multipart import parts_of
from host.external.kong.pdk.registry import decoded

_ARGUMENT: Final = re.compile("[^&]+")


def arguments_of(query: str, most: int) -> dict[str, Any]:
    """The arguments of a query or form: text, True without `=`, or a list of them where a name is repeated."""
    values: dict[str, Any] = {}
    for part in itertools.islice(_ARGUMENT.finditer(query), most):
        name, equals, value = part[0].partition("=")
        add(
            values,
            unquote_plus(name, errors="surrogateescape"),
            unquote_plus(value, errors="surrogateescape") if equals else True,
        )
    return values


def add(values: dict[str, Any], name: str, value: Any) -> None:
    """Enter a value beside those of the same name."""
    if name not in values:
        values[name] = value
    elif isinstance(values[name], list):
        values[name].append(value)
    else:
        values[name] = [values[name], value]


def headers_of(items: Any, most: int) -> dict[str, Any]:
    """Fields by name: text, or a list of texts where a name is repeated. Pseudo-headers are left out, but the host."""
    values: dict[str, Any] = {}
    count = 0
    for name, value in items:
        if name == b":authority":
            name = b"host"
        elif name[:1] == b":":
            continue
        count += 1
        if count > most:
            break
        add(values, name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
    return values


def header_of(headers: Any, name: str) -> str | None:
    """The first value of a field. As in OpenResty an underscore stands for a dash, too."""
    wanted = name.lower().encode("utf-8", "surrogateescape")
    if wanted == b"host":
        wanted = b":authority"
    if wanted[:1] == b":" and wanted != b":authority":
        return None
    found = headers.get(wanted)
    if found is None and b"_" in wanted:
        found = headers.get(wanted.replace(b"_", b"-"))
    return decoded(found)


def parsed(body: bytes, content_type: str, most: int) -> Any:
    """A body as a table, by its media type. Raises PdkError for one that is no such, or of another type."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return arguments_of(body.decode("utf-8", "surrogateescape"), most)
    if kind == "application/json":
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise PdkError("invalid json body") from None
    if kind == "multipart/form-data":
        values: dict[str, Any] = {}
        try:
            for name, content in itertools.islice(parts_of(body, content_type), most):
                add(values, decoded(name) or "", decoded(content))
        except ValueError:
            raise PdkError("invalid multipart body") from None
        return values
    raise PdkError(f"unsupported content type '{content_type:.100}'")
