"""kong.service.request: what the service is asked."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, Final
from urllib.parse import quote, quote_plus

from host.external.framing import FRAMING
from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.fields import fields_of, name_of, set_field, value_of
from host.external.kong.pdk.registry import REQUEST, a_mapping, a_string, encoded, method
from host.external.kong.pdk.request import query_of
from host.external.kong.pdk.state import Event
from host.external.kong.pdk.tables import header_of

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SAFE: Final = "/%:@!$&'()*+,;=~-._"


def set_target_path(event: Event, path: bytes) -> None:
    """Ask the service for a path, with the query as it is; what the client asked for is kept for plugins."""
    headers = event.view.request_headers
    own, question, query = (headers.get(b":path") or b"").partition(b"?")
    if event.state.path is None:
        event.state.path = own
    headers.set(b":path", path + question + query)


def _set_query(event: Event, query: bytes) -> None:
    if re.search(rb"[\x00-\x20\x7f#]", query):
        raise PdkError("the query must not hold spaces, control characters or '#'")
    headers = event.view.request_headers
    path = (headers.get(b":path") or b"").partition(b"?")[0]
    headers.set(b":path", path + b"?" + query if query else path)


@method("service.request.set_path", REQUEST)
def set_path(event: Event, path: Any) -> None:
    """Ask for another path; what may not stand in one is escaped."""
    text = a_string(path, "path")
    if not text.startswith("/"):
        raise PdkError("path must start with /")
    set_target_path(event, quote(encoded(text), safe=_SAFE).encode())


@method("service.request.set_raw_query", REQUEST)
def set_raw_query(event: Event, query: Any) -> None:
    """Send another query."""
    _set_query(event, encoded(a_string(query, "query")))


@method("service.request.set_query", REQUEST)
def set_query(event: Event, args: Any) -> None:
    """Send these arguments as the query."""
    _set_query(event, encode_arguments(a_mapping(args, "args")))


def encode_arguments(values: dict[str, Any]) -> bytes:
    """Return arguments as a query or a form, by their names; True stands without a value, False not at all."""
    parts = []
    for name in sorted(values):
        given = values[name]
        for value in given if isinstance(given, list) else [given]:
            key = quote_plus(encoded(name), safe="")
            if value is True:
                parts.append(key)
            elif isinstance(value, str | bytes):
                parts.append(f"{key}={quote(encoded(value), safe='')}")
            elif isinstance(value, int | float) and value is not False:
                parts.append(f"{key}={value}")
            elif value is not False and value is not None:
                raise PdkError(f"argument {name:.60} must be a string, a number or a boolean")
    return "&".join(parts).encode()


@method("service.request.clear_query_arg", REQUEST)
def clear_query_arg(event: Event, name: Any) -> None:
    """Send the query without an argument."""
    wanted = encoded(a_string(name, "name"))
    parts = encoded(query_of(event.view)).split(b"&")
    _set_query(event, b"&".join(part for part in parts if part.partition(b"=")[0] != wanted))


@method("service.request.set_method", REQUEST)
def set_method(event: Event, name: Any) -> None:
    """Ask by another method."""
    text = a_string(name, "method")
    if not _TOKEN.fullmatch(text) or len(text) > 60 or text == "CONNECT":
        raise PdkError(f"invalid method: {text:.60}")
    event.view.request_headers.set(b":method", text.encode())


@method("service.request.set_header", REQUEST)
def set_header(event: Event, name: Any, value: Any) -> None:
    """Leave a field with one value. `Host` is the host that the service sees."""
    field = name_of(name)
    _set(event, field, [value_of(field, value)])


@method("service.request.add_header", REQUEST)
def add_header(event: Event, name: Any, value: Any) -> None:
    """Add a field beside those of the same name. There is one `Host`."""
    field = name_of(name)
    data = value_of(field, value)
    if field.lower() == b"host":
        _set(event, field, [data])
    elif field.lower() not in FRAMING:
        event.view.request_headers.add(field, data)


@method("service.request.clear_header", REQUEST)
def clear_header(event: Event, name: Any) -> None:
    """Remove a field. A request without `Host` is none."""
    field = name_of(name)
    if field.lower() not in FRAMING and field.lower() != b"host":
        event.view.request_headers.remove(field)


@method("service.request.set_headers", REQUEST)
def set_headers(event: Event, headers: Any) -> None:
    """Leave each of the fields with these values."""
    for name, values in fields_of(headers):
        _set(event, name, values)


def _set(event: Event, name: bytes, values: list[bytes]) -> None:
    headers, own = event.view.request_headers, name.lower()
    if own == b"host":
        if len(values) != 1 or not re.fullmatch(rb"[\w.:\[\]-]+", values[0], re.ASCII):
            raise PdkError("invalid host")
        if event.state.host is None:
            event.state.host = headers.get(b":authority") or b""
        headers.set(b":authority", values[0])
    elif own not in FRAMING:
        set_field(headers, name, values)


@method("service.request.set_raw_body", REQUEST)
def set_raw_body(event: Event, body: Any) -> None:
    """Send another body."""
    if not isinstance(body, str | bytes):
        raise PdkError("body must be a string")
    _replace(event, encoded(body))


def _replace(event: Event, body: bytes) -> None:
    if event.message is None:
        raise PdkError("the request has gone")
    event.message.replace_body(body)
    event.state.raw_body = body


@method("service.request.set_body", REQUEST)
def set_body(event: Event, args: Any, mimetype: Any) -> None:
    """Send a table as the body: as a form, as JSON, or as multipart, by the media type given or the request's own."""
    values = args if isinstance(args, list) and args else a_mapping(args, "args")
    given = (
        a_string(mimetype, "mimetype")
        if mimetype is not None
        else header_of(event.view.request_headers, "content-type")
    )
    kind = (given or "").partition(";")[0].strip().lower()
    if kind == "application/json":
        content, content_type = json.dumps(values, default=str, separators=(",", ":")).encode(), kind
    elif not isinstance(values, dict):
        raise PdkError("args must be a table with names")
    elif kind == "application/x-www-form-urlencoded":
        content, content_type = encode_arguments(values), kind
    elif kind == "multipart/form-data":
        boundary = secrets.token_hex(16)
        content, content_type = _multipart(values, boundary), f"{kind}; boundary={boundary}"
    else:
        raise PdkError(f"unsupported content type {kind!r:.60}")
    _replace(event, content)
    event.view.request_headers.set(b"content-type", content_type.encode())


def _multipart(values: dict[str, Any], boundary: str) -> bytes:
    parts = []
    for name in sorted(values):
        text = encoded(name)
        if re.search(rb'["\r\n]', text):
            raise PdkError(f"argument {name!r:.60} cannot be a part's name")
        value = values[name]
        data = encoded(value) if isinstance(value, str | bytes) else str(value).encode()
        head = b'Content-Disposition: form-data; name="' + text + b'"'
        parts.append(b"--" + boundary.encode() + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + b"--" + boundary.encode() + b"--\r\n"


@method("service.request.enable_buffering", REQUEST)
def enable_buffering(event: Event) -> None:
    """Nothing: what a plugin's `response` handler asks for is buffered for it."""
