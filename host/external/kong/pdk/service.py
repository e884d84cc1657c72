"""kong.service: where the request goes."""

from __future__ import annotations

from typing import Any

from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import REQUEST, a_string, an_integer, method
from host.external.kong.pdk.state import Event
from host.reach import UpstreamChange

_LONGEST = 24 * 3600 * 1000  # milliseconds


@method("service.set_upstream", frozenset({"access"}))
def set_upstream(event: Event, host: Any) -> bool:
    """Send it to another upstream of the configuration, by its name or id; False where there is none."""
    return event.view.reach(UpstreamChange(upstream=a_string(host, "host")))


@method("service.set_target", frozenset({"access"}))
def set_target(event: Event, host: Any, port: Any) -> None:
    """Send it to this server."""
    name = a_string(host, "host")
    if not name:
        raise PdkError("host must be a string with something in it")
    number = an_integer(port, "port", 1, 65535)
    if not event.view.reach(UpstreamChange(host=name, port=number)):
        raise PdkError(f"the request cannot be sent to {name}:{number}")


@method("service.set_retries", frozenset({"access"}))
def set_retries(event: Event, retries: Any) -> None:
    """Try so many further servers."""
    event.view.reach(UpstreamChange(retries=an_integer(retries, "retries", 0, 32767)))


@method("service.set_timeouts", frozenset({"access"}))
def set_timeouts(event: Event, connect: Any, write: Any, read: Any) -> None:
    """Wait so many milliseconds."""
    times = (
        None if value is None else an_integer(value, what, 1, _LONGEST) / 1000
        for value, what in ((connect, "connect_timeout"), (write, "write_timeout"), (read, "read_timeout"))
    )
    connect_timeout, send_timeout, read_timeout = times
    event.view.reach(
        UpstreamChange(connect_timeout=connect_timeout, send_timeout=send_timeout, read_timeout=read_timeout)
    )


def set_scheme(event: Event, scheme: Any) -> None:
    """Speak `http` or `https` to the service."""
    if scheme == "http":
        event.view.reach(UpstreamChange(scheme="http"))
    elif scheme == "https":
        event.view.reach(UpstreamChange(scheme="https"))
    else:
        raise PdkError("invalid scheme: expected http or https")


method("service.request.set_scheme", REQUEST)(set_scheme)
