"""kong.request: what the client has asked for."""

from __future__ import annotations

import re
from typing import Any, Final

from host.external.kong.pdk.addresses import comes_trusted
from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import (
    ANY,
    BODY,
    a_maximum,
    a_string,
    decoded,
    method,
)
from host.external.kong.pdk.state import Event, View
from host.external.kong.pdk.tables import arguments_of, header_of, headers_of, parsed

_UNRESERVED: Final = re.compile(r"%([0-9A-Fa-f]{2})")


def path_of(event: Event) -> str:
    """The path that the client asked for, as it came."""
    own = event.state.path
    if own is None:
        own = (event.view.request_headers.get(b":path") or b"").partition(b"?")[0]
    return own.decode("utf-8", "surrogateescape")


def query_of(view: View) -> str:
    """The query, as it came or as plugins have changed it."""
    path = view.request_headers.get(b":path") or b""
    return path.partition(b"?")[2].decode("utf-8", "surrogateescape")


def normalized(path: str) -> str:
    """The path without dot segments, repeated slashes, and escapes of what needs none (RFC 3986, 6.2.2)."""

    def unescaped(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        plain = character.isascii() and (character.isalnum() or character in "-._~")
        return character if plain else match[0].upper()

    path = _UNRESERVED.sub(unescaped, path)
    if "//" not in path and "/." not in path:
        return path
    parts: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if parts:
                parts.pop()
        elif segment not in ("", "."):
            parts.append(segment)
    ends = "/" if parts and segments[-1] in ("", ".", "..") else ""
    return "/" + "/".join(parts) + ends


def _host(event: Event) -> str:
    own = event.state.host
    if own is None:
        own = event.view.request_headers.get(b":authority") or b""
    return re.sub(r":\d*$", "", own.decode("latin-1")).lower()


def _variable(event: Event, name: str) -> str:
    return decoded(event.view.variable(name)) or ""


def _server_port(event: Event) -> int:
    return int(_variable(event, "server_port") or 0)


def _forwarded(event: Event, name: bytes) -> str | None:
    """A field that a trusted proxy in front has set."""
    if not comes_trusted(event):
        return None
    value = event.view.request_headers.get(name)
    return decoded(value.partition(b",")[0].strip()) if value else None


@method("request.get_scheme", ANY)
def get_scheme(event: Event) -> str:
    """Of the client's connection: `http` or `https`."""
    return _variable(event, "scheme")


@method("request.get_host", ANY)
def get_host(event: Event) -> str:
    """The host that the client asked for, in lower case, without a port."""
    return _host(event)


@method("request.get_port", ANY)
def get_port(event: Event) -> int:
    """The port that the client is connected to."""
    return _server_port(event)


@method("request.get_forwarded_scheme", ANY)
def get_forwarded_scheme(event: Event) -> str:
    """As X-Forwarded-Proto has it, from a trusted proxy."""
    return (_forwarded(event, b"x-forwarded-proto") or get_scheme(event)).lower()


@method("request.get_forwarded_host", ANY)
def get_forwarded_host(event: Event) -> str:
    """As X-Forwarded-Host has it, from a trusted proxy."""
    host = _forwarded(event, b"x-forwarded-host")
    return re.sub(r":\d*$", "", host).lower() if host else _host(event)


@method("request.get_forwarded_port", ANY)
def get_forwarded_port(event: Event) -> int:
    """As X-Forwarded-Port, or the port in X-Forwarded-Host, has it, from a trusted proxy."""
    port = _forwarded(event, b"x-forwarded-port")
    if port is None:
        port = (_forwarded(event, b"x-forwarded-host") or "").rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() and len(port) < 6 else _server_port(event)


@method("request.get_forwarded_path", ANY)
def get_forwarded_path(event: Event) -> str:
    """As X-Forwarded-Path has it, from a trusted proxy."""
    return _forwarded(event, b"x-forwarded-path") or path_of(event)


@method("request.get_forwarded_prefix", ANY)
def get_forwarded_prefix(event: Event) -> str | None:
    """As X-Forwarded-Prefix has it, from a trusted proxy; else what the route has stripped."""
    prefix = _forwarded(event, b"x-forwarded-prefix")
    if prefix is None:
        prefix = event.state.prefix
    return prefix


@method("request.get_http_version", ANY)
def get_http_version(event: Event) -> float:
    """1, 1.1 or 2."""
    version = _variable(event, "server_protocol").rpartition("/")[2]
    return float(version) if re.fullmatch(r"\d(\.\d)?", version) else 1.1


@method("request.get_method", ANY)
def get_method(event: Event) -> str:
    """The method, as plugins have left it."""
    return decoded(event.view.request_headers.get(b":method")) or ""


@method("request.get_path", ANY)
def get_path(event: Event) -> str:
    """The path that the client asked for, normalized."""
    return normalized(path_of(event))


@method("request.get_raw_path", ANY)
def get_raw_path(event: Event) -> str:
    """The path that the client asked for, as it came."""
    return path_of(event)


@method("request.get_path_with_query", ANY)
def get_path_with_query(event: Event) -> str:
    """The path that the client asked for, with the query."""
    query = query_of(event.view)
    return path_of(event) + ("?" + query if query else "")


@method("request.get_raw_query", ANY)
def get_raw_query(event: Event) -> str:
    """The query, without its question mark."""
    return query_of(event.view)


@method("request.get_query_arg", ANY)
def get_query_arg(event: Event, name: Any) -> Any:
    """The first value of an argument; True for one without a value."""
    value = arguments_of(query_of(event.view), 1000).get(a_string(name, "query argument name"))
    return value[0] if isinstance(value, list) else value


@method("request.get_query", ANY)
def get_query(event: Event, max_args: Any) -> dict[str, Any]:
    """All arguments of the query."""
    return arguments_of(query_of(event.view), a_maximum(max_args, "max_args"))


@method("request.get_header", ANY)
def get_header(event: Event, name: Any) -> str | None:
    """The first value of a field."""
    return header_of(event.view.request_headers, a_string(name, "header name"))


@method("request.get_headers", ANY)
def get_headers(event: Event, max_headers: Any) -> dict[str, Any]:
    """All fields."""
    return headers_of(event.view.request_headers, a_maximum(max_headers, "max_headers"))


@method("request.get_raw_body", BODY)
def get_raw_body(event: Event) -> Any:
    """The whole body; waits for it. In the response phase, what was read of it before."""
    if event.state.raw_body is not None:
        return event.state.raw_body
    if event.phase == "response" or event.message is None:
        raise PdkError("the request's body has gone to the service, and no plugin has read it before")
    if event.message.end_of_stream:
        return b""
    return _wait_for_body(event)


async def _wait_for_body(event: Event) -> bytes:
    assert event.message is not None
    body = await event.message.body()
    event.state.raw_body = body
    return body


@method("request.get_body", BODY)
async def get_body(event: Event, mimetype: Any, max_args: Any, _max_file_size: Any) -> Any:
    """The body as a table, by its media type: a form, JSON, or multipart."""
    body = get_raw_body(event)
    if not isinstance(body, bytes):
        body = await body
    content_type = mimetype or header_of(event.view.request_headers, "content-type") or ""
    return parsed(body, a_string(content_type, "mimetype"), a_maximum(max_args, "max_args"))


@method("request.get_start_time", ANY)
def get_start_time(event: Event) -> int:
    """When the request came, in milliseconds since 1970."""
    return int(start_of(event.view) * 1000)


def start_of(view: View) -> float:
    """When the request came, in seconds since 1970."""
    now, took = view.variable("msec"), view.variable("request_time")
    return round(float(now or 0) - float(took or 0), 3)


@method("request.get_uri_captures", ANY)
def get_uri_captures(event: Event) -> dict[str, Any]:
    """What a regular expression of the route has captured: nothing, as routes have none."""
    return {"unnamed": [], "named": {}}
