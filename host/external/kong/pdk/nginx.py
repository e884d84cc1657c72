"""kong.nginx: variables, and values that belong to a request or to the gateway."""

from __future__ import annotations

from typing import Any, Final

from host.external.kong.pdk.ctx import plain, store
from host.external.kong.pdk.registry import a_string, decoded, method
from host.external.kong.pdk.request import start_of
from host.external.kong.pdk.state import Event

_MOST_TEXT: Final = 200


@method("nginx.get_var")
def get_var(event: Event, name: Any) -> str | None:
    """A variable, or None where there is none of that name."""
    return decoded(event.view.variable(a_string(name, "name")[:_MOST_TEXT]))


@method("nginx.get_tls1_version_str")
def get_tls1_version_str(event: Event) -> str | None:
    """The version of TLS of the client's connection; None without TLS."""
    return decoded(event.view.variable("ssl_protocol"))


@method("nginx.get_ctx")
def get_ctx(event: Event, key: Any) -> Any:
    """A value that a plugin has set for this request."""
    name = a_string(key, "key")
    return plain(event.state.ctx.get(name)) if name[:1] != "\0" else None


@method("nginx.set_ctx")
def set_ctx(event: Event, key: Any, value: Any) -> None:
    """Set a value for this request."""
    store(event.state.ctx, a_string(key, "key").lstrip("\0"), value)


@method("nginx.req_start_time")
def req_start_time(event: Event) -> float:
    """When the request came, in seconds since 1970."""
    return start_of(event.view)


@method("nginx.get_subsystem")
def get_subsystem(event: Event) -> str:
    """`http`, or `stream` for TCP connections."""
    return "stream" if event.phase == "preread" else "http"


@method("nginx.shared.get")
def shared_get(event: Event, key: Any) -> Any:
    """A value of this worker, whatever the request."""
    return event.gateway.shared.get(a_string(key, "key"))


@method("nginx.shared.set")
def shared_set(event: Event, key: Any, value: Any) -> None:
    """Set a value of this worker; None removes it."""
    store(event.gateway.shared, a_string(key, "key"), value)


@method("nginx.get_statistics")
def get_statistics(event: Event) -> dict[str, int]:
    """The numbers of connections and requests of this worker, under the names of nginx's variables."""
    return dict(event.gateway.statistics())
