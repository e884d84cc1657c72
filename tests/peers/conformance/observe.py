"""Runs one case on a gateway and puts what was seen into a form that two hosts can be compared in."""

from __future__ import annotations

import re
import socket
import time
from typing import Any

from tests.peers.conformance.cases import Case
from tests.peers.conformance.catalogue import AnyCase
from tests.peers.conformance.gateways import Gateway
from tests.peers.conformance.guest import GuestCase, readable
from tests.peers.conformance.message import Closed, Fields, Message, Reader
from tests.peers.conformance.origin import Origin, send_pieces
from tests.peers.conformance.servers import Servers
from tests.peers.conformance.tcp_cases import TcpCase
from tests.peers.conformance.tcp_origin import connect_and_run

PATIENCE = 5.0  # seconds for an answer
QUIET = 0.3  # seconds without a new line of log, after which nothing more is expected

Observation = dict[str, Any]

# What hosts add or move by their own taste, and what framing already tells.
OWN = {"connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding"} | {
    f"x-{name}"
    for name in ("forwarded-for", "forwarded-host", "forwarded-port", "forwarded-proto", "real-ip")
}

# A callback of the guest `lifecycle`: its first argument is a context id, which each host counts in its own way, and so
# is the second of proxy_on_context_create.
_ADDRESS = re.compile(r"127\.0\.0\.1:\d{5}")  # five digits, so that the length of a body stays
_CREATED = re.compile(r"(proxy_on_context_create\()\d+, \d+")
_CALLED = re.compile(r"(proxy_on_\w+\()\d+")


def _fields(fields: Fields) -> list[str]:
    return [f"{name}: {value}" for name, value in fields if name not in OWN]


def _request(message: Message | None) -> Observation | None:
    if message is None:
        return None
    return {
        "line": message.start_line,
        "host": message.get("host"),
        "headers": _fields(message.headers),
        "framing": message.framing,
        "body": message.body,
        "trailers": _fields(message.trailers),
    }


def _response(message: Message | str) -> Observation | str:
    if isinstance(message, str):
        return message
    return {
        "status": message.status,
        "headers": _fields(message.headers),
        "framing": message.framing,
        "body": _ADDRESS.sub("ADDRESS", message.body),
        "trailers": _fields(message.trailers),
    }


def _comparable(lines: list[str]) -> list[str]:
    """Return the lines of the guest without the host's own ids of contexts and its own field of the request."""
    return [
        _CALLED.sub(r"\1id", _CREATED.sub(r"\1id, root", readable(line)))
        for line in lines
        if "--> x-forwarded-proto:" not in line
    ]


def _exchange(case: Case, port: int) -> Message | str:
    """Send the case's request and return the answer, or what came instead: `closed` or `timeout`."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        send_pieces(client, case.request)
        try:
            return Reader(client).message(bodiless=case.request[0].startswith(b"HEAD "))
        except Closed:
            return "closed"
        except TimeoutError:
            return "timeout"


def _settled_log(case: GuestCase, gateway: Gateway, before: int, expected: list[str] | None) -> list[str]:
    """Return the case's lines of log after the first `before`, once they are as expected or none come any more."""
    lines: list[str] = []
    last_change = time.monotonic()
    while time.monotonic() < last_change + QUIET:
        now = _comparable(gateway.log(case)[before:])
        if now != lines:
            lines, last_change = now, time.monotonic()
        if lines == expected:
            break
        time.sleep(0.02)
    return lines


def _http(case: Case, port: int, origin: Origin) -> Observation:
    origin.requests.clear()
    origin.answer = case.answer
    response = _exchange(case, port)
    request = origin.requests[0] if origin.requests else None
    return {"upstream": _request(request), "client": _response(response)}


def observe(
    case: AnyCase, gateway: Gateway, servers: Servers, expected: Observation | None = None
) -> Observation:
    """Run `case` and return what reached the origin, the client and the log. `expected` only spares waiting."""
    before = len(gateway.log(case))
    port = gateway.port(case)
    seen = (
        connect_and_run(case, port, servers.tcp)
        if isinstance(case, TcpCase)
        else _http(case, port, servers.origin)
    )
    return {**seen, "log": _settled_log(case, gateway, before, expected["log"] if expected else None)}
