"""Between an exchange and the objects that dispatchers see: a request or response told, and what comes back applied.

Fields have one value here, the first, and Go's spelling of names, as Tyk has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from host.external.framing import FRAMING
from host.filters.python import FilterContext
from host.headers import HeaderMap, is_valid_field

_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")  # RFC 9110, 9.1
_PATH: Final = re.compile(r"/[!-~]*")


class BadObject(ValueError):
    """What came back cannot be applied."""


def told_request(context: FilterContext, body: bytes, *, raw_body_only: bool) -> dict[str, Any]:
    """Return a MiniRequestObject of the request as it is now."""
    fields = context.request_headers
    path = _text(fields.get(b":path"))
    headers = _told_fields(fields)
    headers["Host"] = _text(fields.get(b":authority"))
    return {
        "headers": headers,
        "body": "" if raw_body_only else _utf8(body),
        "raw_body": body,
        "url": path,
        "request_uri": path,
        "params": dict(reversed(_query(path))),  # the first of several
        "method": _text(fields.get(b":method")),
        "scheme": "http",
        "return_overrides": {"response_code": -1},
    }


def told_response(context: FilterContext, body: bytes, *, raw_body_only: bool) -> dict[str, Any]:
    """Return a ResponseObject of the response as it is now."""
    fields = context.response_headers
    several: dict[str, list[str]] = {}
    for name, value in fields.items():
        if not name.startswith(b":"):
            several.setdefault(_canonical(name), []).append(_text(value))
    return {
        "status_code": int(fields.get(b":status") or 0),
        "raw_body": body,
        "body": "" if raw_body_only else _utf8(body),
        "headers": {name: values[0] for name, values in several.items()},
        "multivalue_headers": [{"key": name, "values": values} for name, values in several.items()],
    }


def apply_request(context: FilterContext, request: Mapping[str, Any]) -> None:
    """Change the request as a dispatcher wants it, but for its body. Raises BadObject, having changed nothing."""
    fields = context.request_headers
    changed = [(name.encode(), value.encode()) for name, value in request["set_headers"].items()]
    for name, value in changed:
        if not is_valid_field(name, value):
            raise BadObject(f"set_headers has what is no field: {name!r:.60}: {value!r:.60}")
    path = _path(_text(fields.get(b":path")), request)
    method = request["method"]
    if not _METHOD.fullmatch(method):
        raise BadObject(f"method is none: {method!r:.60}")
    for name in request["delete_headers"]:
        if not name.startswith(":"):
            fields.remove(name.encode("utf-8", "replace"))
    for name, value in changed:
        _set(fields, name, value)
    fields.set(b":path", path.encode())
    fields.set(b":method", method.encode())


def _set(fields: HeaderMap, name: bytes, value: bytes) -> None:
    lower = name.lower()
    if lower == b"host":
        fields.set(b":authority", value)
    elif lower not in FRAMING:
        fields.set(name, value)


def _path(original: str, request: Mapping[str, Any]) -> str:
    """The returned URL, with the query of the request as it was but for added and deleted parameters, as Tyk does."""
    url = request["url"]
    parts = urlsplit(url)
    path = parts.path or "/"
    if not _PATH.fullmatch(path) or (parts.netloc and not parts.scheme):
        raise BadObject(f"url is none: {url!r:.100}")
    wanted: dict[str, list[str]] = {}
    for key, value in _query(original):
        wanted.setdefault(key, []).append(value)
    for key in request["delete_params"]:
        wanted.pop(key, None)
    wanted.update((key, [value]) for key, value in request["add_params"].items())
    given: dict[str, list[str]] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        given.setdefault(key, []).append(value)
    query = parts.query if given == wanted else urlencode(sorted(wanted.items()), doseq=True)
    if not _PATH.fullmatch("/" + query):
        raise BadObject(f"url has a query that is none: {query!r:.100}")
    return f"{path}?{query}" if query else path


def apply_response(context: FilterContext, response: Mapping[str, Any]) -> None:
    """Make the response's head what a dispatcher returned. Raises BadObject, having changed nothing."""
    status = response["status_code"]
    if not 200 <= status <= 999:
        raise BadObject(f"status_code is none: {status}")
    several = {each["key"].lower(): each["values"] for each in response["multivalue_headers"]}
    wanted: list[tuple[bytes, bytes]] = []
    for name, first in response["headers"].items():
        for value in (first, *several.get(name.lower(), ())[1:]):
            if not is_valid_field(name.encode(), value.encode()):
                raise BadObject(f"headers has what is no field: {name!r:.60}: {value!r:.60}")
            if name.lower().encode() not in FRAMING:
                wanted.append((name.encode(), value.encode()))
    fields = context.response_headers
    for name_ in {name for name, _ in fields.items() if not name.startswith(b":")} - FRAMING:
        fields.remove(name_)
    for name_, value_ in wanted:
        fields.add(name_, value_)
    fields.set(b":status", b"%d" % status)


def told_session(session: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session as a SessionState has it: metadata are texts."""
    found = session.get("meta_data")
    metadata = {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in (found.items() if isinstance(found, dict) else ())
    }
    return {**session, "meta_data": metadata}


def _told_fields(fields: HeaderMap) -> dict[str, str]:
    told: dict[str, str] = {}
    for name, value in fields.items():
        if not name.startswith(b":"):
            told.setdefault(_canonical(name), _text(value))
    return told


def _canonical(name: bytes) -> str:
    """Go's spelling: each word begins with a capital."""
    return "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))


def _query(path: str) -> list[tuple[str, str]]:
    return parse_qsl(path.partition("?")[2], keep_blank_values=True)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return ""
