"""The answers that Tyk gives for middleware: JSON with the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping

from host.filters.python import FilterContext

Fields = list[tuple[bytes, bytes]]

JSON: Fields = [(b"Content-Type", b"application/json")]


def error_body(message: str) -> bytes:
    """Return the body that says so."""
    return b'{\n    "error": %b\n}' % json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")


def refuse(
    context: FilterContext, status: int, message: str, details: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a request that goes no further. Raises ValueError for fields that cannot be."""
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    own = {name.lower() for name, _ in fields}
    fields += [field for field in JSON if field[0].lower() not in own]
    context.respond(status, fields, error_body(message), details)
