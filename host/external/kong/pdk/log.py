"""kong.log: lines of plugins, and what a logging plugin writes of a request. kong.telemetry, as far as it is lines."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from host.external.kong.pdk.client import authenticated
from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import LOG, a_string, decoded, method
from host.external.kong.pdk.request import get_method, get_query, start_of
from host.external.kong.pdk.router import met_by
from host.external.kong.pdk.state import Event, View
from host.external.kong.pdk.tables import headers_of

logger = logging.getLogger("sluiceway.kong")

MAX_LINE: Final = 3800
"""Characters of a line that are written."""

_LEVELS: Final = {
    "alert": logging.CRITICAL,
    "crit": logging.CRITICAL,
    "err": logging.ERROR,
    "warn": logging.WARNING,
    "notice": logging.INFO,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}

VARIABLES: Final = (
    "args", "body_bytes_sent", "bytes_sent", "connection", "host", "is_args", "msec", "remote_addr", "remote_port",
    "request_id", "request_length", "request_method", "request_time", "request_uri", "route_id", "route_name", "scheme",
    "server_addr", "server_port", "server_protocol", "service_id", "ssl_protocol", "status", "upstream_addr",
    "upstream_host", "upstream_response_time", "upstream_scheme", "upstream_status", "upstream_uri", "uri",
)  # fmt: skip
"""Those that a snapshot for the log phase keeps."""


def _write(event: Event, level: int, parts: tuple[Any, ...], between: str = "") -> None:
    if logger.isEnabledFor(level):
        line = between.join(each if isinstance(each, str) else _shown(each) for each in parts)[:MAX_LINE]
        logger.log(level, "%s", line, extra={"fields": {"plugin": event.plugin.name}})


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return decoded(value) or ""
    return (
        json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    )


def _level(name: str) -> None:
    level = _LEVELS[name]

    def log(event: Event, *parts: Any) -> None:
        _write(event, level, parts)

    log.__doc__ = f"Write a line at `{name}`."
    method(f"log.{name}")(log)


for _name in _LEVELS:
    _level(_name)


@method("log")
def log(event: Event, *parts: Any) -> None:
    """Write a line at `notice`."""
    _write(event, logging.INFO, parts)


@method("log.deprecation")
def deprecation(event: Event, *parts: Any) -> None:
    """Write a line that something is deprecated; a table behind says since and until when."""
    _write(event, logging.WARNING, parts, " ")


@method("log.inspect")
def inspect(event: Event, *parts: Any) -> None:
    """Write values as they are."""
    _write(event, logging.DEBUG, tuple(json.dumps(each, default=str) for each in parts), " ")


@method("telemetry.log")
def telemetry_log(
    event: Event, plugin: Any, _configuration: Any, kind: Any, message: Any, attributes: Any
) -> None:
    """Write a line: nothing collects telemetry here."""
    _write(event, logging.INFO, (kind, message, attributes), " ")


@method("log.set_serialize_value")
def set_serialize_value(event: Event, key: Any, value: Any, options: Any) -> None:
    """Change what `serialize` gives: dots in the key lead into tables; None removes."""
    mode = options.get("mode", "set") if isinstance(options, dict) else "set"
    if mode not in ("set", "add", "replace"):
        raise PdkError("mode must be 'set', 'add' or 'replace'")
    if len(event.state.serialize_values) >= 1000:
        raise PdkError("no more than 1000 values are kept")
    event.state.serialize_values.append((a_string(key, "key"), value, mode))


@method("log.serialize", LOG)
def serialize(event: Event) -> str:
    """The request and its response as JSON, for logging plugins."""
    return json.dumps(serialized(event), default=str, separators=(",", ":"), ensure_ascii=False)


def serialized(event: Event) -> dict[str, Any]:
    """What `serialize` gives, before it is JSON."""
    view, state = event.view, event.state
    route, service = met_by(event)
    started = start_of(view)
    uri = _text(view, "request_uri")
    waited = _seconds(view, "upstream_response_time")
    whole = float(view.variable("request_time") or 0) * 1000
    head: dict[str, Any] = {
        "request": {
            "id": _text(view, "request_id"),
            "uri": uri,
            "url": f"{_text(view, 'scheme')}://{_text(view, 'host')}:{_text(view, 'server_port')}{uri}",
            "querystring": get_query(event, 1000),
            "method": get_method(event),
            "headers": headers_of(view.request_headers, 1000),
            "size": _number(view, "request_length"),
        },
        "upstream_uri": _text(view, "upstream_uri"),
        "upstream_status": _text(view, "upstream_status"),
        "response": {
            "status": _number(view, "status"),
            "headers": headers_of(view.response_headers, 1000),
            "size": _number(view, "bytes_sent") or _number(view, "body_bytes_sent"),
        },
        "latencies": {
            "request": round(whole),
            "proxy": round(waited * 1000) if waited is not None else -1,
            "kong": round(max(0.0, whole - (waited or 0.0) * 1000)),
        },
        "tries": _tries(view),
        "authenticated_entity": _entity(authenticated(event, "credential")),
        "route": route,
        "service": service,
        "consumer": authenticated(event, "consumer"),
        "client_ip": _text(view, "remote_addr"),
        "started_at": round(started * 1000),
        "source": "exit" if state.has_exited else "error" if view.is_local_response else "upstream",
        "workspace": "default",
    }
    if version := _text(view, "ssl_protocol"):
        head["request"] = {**head["request"], "tls": {"version": version}}
    result = {key: value for key, value in head.items() if value is not None}
    redacted = [
        (f"request.headers.{name}", "REDACTED", "replace")
        for name in ("authorization", "proxy-authorization")
    ]
    for key, value, mode in [*redacted, *state.serialize_values]:
        _edit(result, key.split("."), value, mode)
    return result


def _edit(root: dict[str, Any], path: list[str], value: Any, mode: str) -> None:
    node = root
    for name in path[:-1]:
        if name not in node and mode != "replace":
            node[name] = {}
        following = node.get(name)
        if not isinstance(following, dict):
            return
        node = following
    name = path[-1]
    if mode == "set" or (mode == "add") == (name not in node):
        if value is None:
            node.pop(name, None)
        else:
            node[name] = value


def _text(view: View, name: str) -> str:
    return decoded(view.variable(name)) or ""


def _number(view: View, name: str) -> int:
    value = view.variable(name) or b""
    return int(value) if value.isdigit() else 0


def _seconds(view: View, name: str) -> float | None:
    value = _text(view, name).rpartition(", ")[2]
    return float(value) if value.replace(".", "", 1).isdigit() else None


def _tries(view: View) -> list[dict[str, Any]]:
    tries = []
    addresses = [each for each in _text(view, "upstream_addr").split(", ") if each]
    for address, status in zip(addresses, _text(view, "upstream_status").split(", "), strict=False):
        host, _, port = address.rpartition(":")
        entry: dict[str, Any] = {"ip": host.strip("[]"), "port": int(port) if port.isdigit() else 0}
        tries.append(entry | ({"code": int(status)} if status.isdigit() else {"state": "failed"}))
    return tries


def _entity(credential: dict[str, Any] | None) -> dict[str, Any] | None:
    return {key: credential.get(key) for key in ("id", "consumer_id")} if credential else None
