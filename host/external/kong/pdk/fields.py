"""Header fields that plugins set: checked, and put where they belong. The framing of messages is not theirs."""

from __future__ import annotations

from typing import Any

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import a_mapping, a_string, encoded
from host.headers import HeaderMap, is_valid_field


def name_of(value: Any) -> bytes:
    """Return the name of a field in lower case. Raises PdkError."""
    name = encoded(a_string(value, "header name"))
    if not is_valid_field(name, b""):
        raise PdkError(f"invalid header name {name[:60]!r}")
    return name


def value_of(name: bytes, value: Any) -> bytes:
    """Return the value of a field. Raises PdkError."""
    if isinstance(value, bool):
        data = b"true" if value else b"false"
    elif isinstance(value, int | float):
        data = str(int(value) if isinstance(value, float) and value.is_integer() else value).encode()
    elif isinstance(value, str | bytes):
        data = encoded(value).strip(b" \t")
    else:
        kind = type(value).__name__
        raise PdkError(
            f"invalid header value for {name.decode('latin-1')!r}: got {kind}, expected a string, number or boolean"
        )
    if not is_valid_field(name, data):
        raise PdkError(f"invalid header value for {name.decode('latin-1')!r}")
    return data


def fields_of(value: Any) -> list[tuple[bytes, list[bytes]]]:
    """Return names and values of a table of fields, where a value may be a list. Raises PdkError."""
    fields = []
    for key, each in a_mapping(value, "headers").items():
        name = name_of(key)
        values = each if isinstance(each, list | tuple) else [each]
        fields.append((name, [value_of(name, item) for item in values]))
    return fields


def set_field(headers: HeaderMap, name: bytes, values: list[bytes]) -> None:
    """Leave the field with these values alone."""
    headers.remove(name)
    for value in values:
        headers.add(name, value)
