"""Formats of access logs: nginx's `log_format` syntax, `$name` or `${name}` in a text.

What the variables are worth is the exchange's matter; here is which there are, so that a configuration with an unknown
one can be refused by who knows nothing of exchanges.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final

VARIABLES: Final = frozenset(
    {
        "args", "balancer_ip", "balancer_port", "binary_remote_addr", "body_bytes_sent", "connection",
        "connection_requests", "host", "hostname", "http_host", "is_args", "msec", "pid", "query_string", "remote_addr",
        "remote_port", "remote_user", "request", "request_id", "request_method", "request_time", "request_uri",
        "response_code_details", "route_id", "route_name", "scheme", "server_addr", "server_port", "server_protocol",
        "service_id", "status", "time_iso8601", "time_local", "upstream_addr", "upstream_host",
        "upstream_response_time", "upstream_scheme", "upstream_status", "upstream_uri", "uri",
    }
)  # fmt: skip
"""nginx's and APISIX's names, but for `response_code_details`, which is Envoy's."""

PREFIXES: Final = ("http_", "sent_http_", "arg_", "cookie_", "property.")
"""Families: a field of the request or response, an argument of the query, a cookie, a property of a filter's making."""

DEFAULT: Final = (
    '$remote_addr - $remote_user [$time_local] $http_host "$request" $status $body_bytes_sent $request_time '
    '"$http_referer" "$http_user_agent" $upstream_addr $upstream_status $upstream_response_time '
    '"$upstream_scheme://$upstream_host$upstream_uri"'
)
"""APISIX's."""

_TOKEN = re.compile(r"\$(?:\{([^{}]*)\}|([A-Za-z0-9_]*))")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable in a format: its name, and for one of a family the family and what of it."""

    name: str
    family: str = ""
    member: str = ""


def parse_format(text: str) -> list[str | Variable]:
    """Return the format's texts and variables in order. Raises ValueError for an unknown variable, and says which."""
    parts: list[str | Variable] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match.start() > at:
            parts.append(text[at : match.start()])
        parts.append(parse_variable(match.group(1) if match.group(1) is not None else match.group(2)))
        at = match.end()
    if at < len(text):
        parts.append(text[at:])
    return parts


def parse_variable(name: str) -> Variable:
    """Return the variable of this name. Raises ValueError where there is none, with one that may be meant."""
    if name in VARIABLES:
        return Variable(name)
    for prefix in PREFIXES:
        if name.startswith(prefix) and len(name) > len(prefix):
            return Variable(name, prefix, name.removeprefix(prefix))
    close = difflib.get_close_matches(name, VARIABLES, 1)
    raise ValueError(f"unknown variable ${name}" + (f"; did you mean ${close[0]}?" if close else ""))
