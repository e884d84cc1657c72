"""kong.response: what the client gets."""

from __future__ import annotations

import json
from typing import Any, Final

from host.external.framing import FRAMING
from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.fields import fields_of, name_of, set_field, value_of
from host.external.kong.pdk.registry import (
    BODY,
    RESPONSE,
    a_maximum,
    a_string,
    an_integer,
    encoded,
    method,
)
from host.external.kong.pdk.state import Event
from host.external.kong.pdk.tables import header_of, headers_of

JSON: Final = b"application/json; charset=utf-8"

_MESSAGES: Final = {
    400: "Bad request",
    401: "Unauthorized",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timeout",
    411: "Length required",
    412: "Precondition failed",
    413: "Payload too large",
    414: "URI too long",
    417: "Expectation failed",
    426: "Upgrade required",
    494: "Request header or cookie too large",
    500: "An unexpected error occurred",
    502: "An invalid response was received from the upstream server",
    503: "The upstream server is currently unavailable",
    504: "The upstream server is timing out",
}  # fmt: skip


@method("response.get_status", RESPONSE)
def get_status(event: Event) -> int:
    """The status."""
    return int(event.view.response_headers.get(b":status") or 0)


@method("response.get_header", RESPONSE)
def get_header(event: Event, name: Any) -> str | None:
    """The first value of a field."""
    return header_of(event.view.response_headers, a_string(name, "header name"))


@method("response.get_headers", RESPONSE)
def get_headers(event: Event, max_headers: Any) -> dict[str, Any]:
    """All fields."""
    return headers_of(event.view.response_headers, a_maximum(max_headers, "max_headers"))


@method("response.get_source", RESPONSE)
def get_source(event: Event) -> str:
    """Who made the response: the `service`, a plugin (`exit`), or the gateway for want of one (`error`)."""
    if event.state.has_exited:
        return "exit"
    return "error" if event.view.is_local_response else "service"


@method("response.set_status", BODY)
def set_status(event: Event, status: Any) -> None:
    """Set the status. Before there is a response it has none to be set on: the service's own will stand."""
    code = an_integer(status, "code", 100, 599)
    if event.phase == "response":
        if code < 200:
            raise PdkError("code must be that of a final response, 200 to 599")
        event.view.response_headers.set(b":status", b"%d" % code)


@method("response.set_header", BODY)
def set_header(event: Event, name: Any, value: Any) -> None:
    """Leave a field with one value; before there is a response, in whatever response will come."""
    field = name_of(name)
    _set(event, field, [value_of(field, value)])


@method("response.add_header", BODY)
def add_header(event: Event, name: Any, value: Any) -> None:
    """Add a field beside those of the same name."""
    field = name_of(name)
    data = value_of(field, value)
    if field.lower() in FRAMING:
        return
    if event.phase == "response":
        event.view.response_headers.add(field, data)
    else:
        event.state.response.append((field, data))


@method("response.clear_header", BODY)
def clear_header(event: Event, name: Any) -> None:
    """Remove a field; before there is a response, what plugins have set of it."""
    field = name_of(name)
    if field.lower() in FRAMING:
        return
    if event.phase == "response":
        event.view.response_headers.remove(field)
    else:
        _forget(event, field)


@method("response.set_headers", BODY)
def set_headers(event: Event, headers: Any) -> None:
    """Leave each of the fields with these values."""
    for name, values in fields_of(headers):
        _set(event, name, values)


def _set(event: Event, name: bytes, values: list[bytes]) -> None:
    if name.lower() in FRAMING:
        return
    if event.phase == "response":
        set_field(event.view.response_headers, name, values)
    else:
        _forget(event, name)
        event.state.replaced.add(name.lower())
        event.state.response += [(name, value) for value in values]


def _forget(event: Event, name: bytes) -> None:
    wanted = name.lower()
    event.state.replaced.discard(wanted)
    event.state.response = [each for each in event.state.response if each[0].lower() != wanted]


@method("response.exit", BODY | {"preread"})
def exit_(event: Event, status: Any, body: Any, headers: Any) -> None:
    """Answer the client; the request goes no further. A table is sent as JSON."""
    code = an_integer(status, "code", 100, 599)
    if code < 200:
        raise PdkError("code must be that of a final response, 200 to 599")
    fields = [] if headers is None else fields_of(headers)
    if isinstance(body, dict | list):
        content = json.dumps(body, default=str, separators=(",", ":")).encode("utf-8", "surrogateescape")
        if not any(name.lower() == b"content-type" for name, _ in fields):
            fields.append((b"Content-Type", [JSON]))
    elif body is None or isinstance(body, str | bytes):
        content = encoded(body or b"")
    else:
        raise PdkError("body must be a nil, string or table")
    _answer(event, code, content, fields)


def _answer(event: Event, status: int, content: bytes, fields: list[tuple[bytes, list[bytes]]]) -> None:
    if event.message is None:
        raise PdkError("headers have already been sent")
    flat = [(name, value) for name, values in fields for value in values if name.lower() not in FRAMING]
    event.state.has_exited = event.is_over = True
    event.message.respond(status, flat, content, "kong_exit")


@method("response.error", BODY)
def error(event: Event, status: Any, message: Any, headers: Any) -> None:
    """Answer the client with an error, in the form that it takes: JSON, XML, HTML or plain text."""
    code = an_integer(status, "code", 400, 599)
    fields = [] if headers is None else fields_of(headers)
    if isinstance(message, dict | list):
        message = json.dumps(message, default=str)
    text = (
        _MESSAGES.get(code, f"The upstream server responded with {code}")
        if message is None
        else a_string(message, "message")
    )
    given = next((values[0] for name, values in fields if name.lower() == b"content-type" and values), None)
    wanted = (
        given.decode("latin-1")
        if given is not None
        else header_of(event.view.request_headers, "accept") or ""
    )
    kind, content = error_page(text, wanted)
    if given is None:
        fields.append((b"Content-Type", [kind]))
    _answer(event, code, content, fields)


def error_page(text: str, wanted: str) -> tuple[bytes, bytes]:
    """Return media type and content of an error, in the form that a Content-Type or Accept asks for."""
    safe = text.encode("utf-8", "replace").decode()
    escaped = safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if "application/json" in wanted or not wanted or "*/*" in wanted:
        return JSON, json.dumps({"message": safe}, separators=(",", ":"), ensure_ascii=False).encode()
    if "text/html" in wanted:
        page = f"<!doctype html>\n<title>Error</title>\n<p>{escaped}</p>\n"
        return b"text/html; charset=utf-8", page.encode()
    if "application/xml" in wanted:
        page = f'<?xml version="1.0" encoding="UTF-8"?>\n<error>\n  <message>{escaped}</message>\n</error>\n'
        return b"application/xml", page.encode()
    if "text/plain" in wanted:
        return b"text/plain; charset=utf-8", safe.encode() + b"\n"
    return JSON, json.dumps({"message": safe}, separators=(",", ":"), ensure_ascii=False).encode()


@method("response.get_raw_body", frozenset({"response"}))
async def get_raw_body(event: Event) -> bytes:
    """The whole body."""
    assert event.message is not None
    return await event.message.body()


@method("response.set_raw_body", frozenset({"response"}))
def set_raw_body(event: Event, body: Any) -> None:
    """Send another body."""
    if not isinstance(body, str | bytes):
        raise PdkError("body must be a string")
    assert event.message is not None
    event.message.replace_body(encoded(body))
