"""kong.service.response: what the service has answered, whatever plugins have made of it since."""

from __future__ import annotations

from typing import Any

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import RESPONSE, a_maximum, a_string, method
from host.external.kong.pdk.state import Event
from host.external.kong.pdk.tables import header_of, headers_of, parsed
from host.headers import HeaderMap


@method("service.response.get_status", RESPONSE)
def get_status(event: Event) -> int | None:
    """Its status; None where it has not answered."""
    head = event.state.service_head
    return head[0] if head is not None else None


@method("service.response.get_header", RESPONSE)
def get_header(event: Event, name: Any) -> str | None:
    """The first value of a field."""
    head = event.state.service_head
    return header_of(HeaderMap(head[1]), a_string(name, "name")) if head is not None else None


@method("service.response.get_headers", RESPONSE)
def get_headers(event: Event, max_headers: Any) -> dict[str, Any]:
    """All fields."""
    head = event.state.service_head
    return headers_of(head[1] if head is not None else (), a_maximum(max_headers, "max_headers"))


@method("service.response.get_raw_body", frozenset({"response"}))
async def get_raw_body(event: Event) -> bytes:
    """The whole body."""
    assert event.message is not None
    return await event.message.body()


@method("service.response.get_body", frozenset({"response"}))
async def get_body(event: Event, mimetype: Any, max_args: Any) -> Any:
    """The body as a table, by its media type."""
    assert event.message is not None
    body = await event.message.body()
    kind = mimetype or header_of(event.view.response_headers, "content-type") or ""
    if not kind:
        raise PdkError("missing Content-Type")
    return parsed(body, a_string(kind, "mimetype"), a_maximum(max_args, "max_args"))
