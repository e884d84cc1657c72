"""The cases of gRPC calls, to a real server (tests/grpc/server.py): a guest of the Rust SDK, and relays.

The server is known to the hosts as `grpc`, a port where nobody listens as `nobody`, one that connects and says nothing as
`silent`: a real server would end a call that is over in time by itself, as `grpc-timeout` tells it.
"""

from __future__ import annotations

from typing import Any

from abi.pairs import encode_pairs
from testdata import relay
from tests.peers.conformance.cases import Case, get, relayed

OUT, TOKEN = relay.SCRATCH, relay.SCRATCH + 0x100
CONTEXT = 2
"""The id of a VM's first stream context: 1 is the plugin's."""

HTTP_HEAD = encode_pairs([(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a.test")])

WAITS = ("request_headers", relay.RETURN, 1)
GOES_ON = (
    ("grpc_close", "proxy_set_effective_context", CONTEXT),
    ("grpc_close", "proxy_continue_stream", 0),
)
CALLBACKS = tuple(phase for phase in relay.PHASES if phase.startswith("grpc_"))

# Envoy's tokens: a plugin's first call is 5 and its first stream 6; 0xFF00 and more are none that it has given.
CALL, STREAM = 5, 6


def _check(name: str, *fields: str, server: str = "grpc", path: str = "/a") -> Case:
    case = get(name, "grpc_check", "", *fields, line=f"GET {path} HTTP/1.1")
    return Case(case.name, case.plugin, server, case.request)


def _call(
    method: bytes, message: bytes = b"ping", *, server: bytes = b"grpc", **more: Any
) -> tuple[Any, ...]:
    metadata = more.get("metadata", (0, 0))
    timeout, to = more.get("timeout", 2000), more.get("to", TOKEN)
    return (
        "request_headers",
        "proxy_grpc_call",
        server,
        b"test.Echo",
        method,
        *metadata,
        message,
        timeout,
        to,
    )


def _stream(method: bytes = b"Chat", *, server: bytes = b"grpc") -> tuple[Any, ...]:
    return ("request_headers", "proxy_grpc_stream", server, b"test.Echo", method, 0, 0, TOKEN)


def _callbacks(*leave_out: str) -> tuple[tuple[Any, ...], ...]:
    """What each callback can read: metadata of both kinds, the message, the status."""
    reads: tuple[tuple[Any, ...], ...] = (
        ("proxy_get_header_map_pairs", 4, OUT, OUT + 4),
        ("proxy_get_header_map_value", 4, b"x-initial", OUT, OUT + 4),
        ("proxy_get_header_map_value", 5, b"grpc-status", OUT, OUT + 4),
        ("proxy_get_buffer_bytes", 5, 0, 0x7FFFFFFF, OUT, OUT + 4),
        ("proxy_get_status", OUT, OUT + 4, OUT + 8),
    )
    return tuple((phase, *read) for phase in CALLBACKS if phase not in leave_out for read in reads)


GRPC_CASES: tuple[Case, ...] = (
    _check("grpc-call"),
    _check("grpc-call-refused", "x-grpc-method: Refuse"),
    _check("grpc-call-unimplemented", "x-grpc-method: Missing"),
    _check("grpc-call-hangs", server="silent"),
    _check("grpc-stream", path="/stream"),
    _check("grpc-unknown-upstream", server="unknown"),
    _check("grpc-stream-unknown-upstream", server="unknown", path="/stream"),
    _check("grpc-nobody", server="nobody"),
    _check("grpc-stream-nobody", server="nobody", path="/stream"),
    relayed(
        "grpc-call-callbacks",
        _call(b"Unary"),
        WAITS,
        *_callbacks(),
        *(("grpc_receive", *step[1:]) for step in GOES_ON),
    ),
    relayed(
        "grpc-call-two-messages",
        _call(b"Count", b"2"),
        WAITS,
        *_callbacks(),
        *GOES_ON,
        *(("grpc_receive", *step[1:]) for step in GOES_ON),
    ),
    relayed("grpc-call-no-message", _call(b"Count", b"0"), WAITS, *_callbacks(), *GOES_ON),
    relayed("grpc-refused-callbacks", _call(b"Refuse"), WAITS, *_callbacks(), *GOES_ON),
    relayed(
        "grpc-stream-callbacks",
        _stream(),
        ("request_headers", "proxy_grpc_send", STREAM, b"one", 0),
        ("request_headers", "proxy_grpc_send", STREAM, b"two", 1),
        WAITS,
        *_callbacks(),
        *GOES_ON,
    ),
    relayed(
        "grpc-stream-closed-locally",
        _stream(),
        ("request_headers", "proxy_grpc_send", STREAM, b"one", 0),
        ("request_headers", "proxy_grpc_close", STREAM),
        ("request_headers", "proxy_grpc_close", STREAM),
        ("request_headers", "proxy_grpc_send", STREAM, b"late", 0),
        WAITS,
        *_callbacks(),
        *GOES_ON,
    ),
    relayed(
        "grpc-stream-cancelled",
        _stream(),
        ("request_headers", "proxy_grpc_send", STREAM, b"one", 0),
        ("request_headers", "proxy_grpc_cancel", STREAM),
        ("request_headers", "proxy_grpc_cancel", STREAM),
        ("request_headers", "proxy_grpc_send", STREAM, b"late", 0),
        *_callbacks(),
    ),
    relayed(
        "grpc-stream-of-errors",
        _stream(b"Missing"),
        WAITS,
        *_callbacks(),
        *GOES_ON,
    ),
    relayed(
        "grpc-call-cancelled",
        _call(b"Unary"),
        ("request_headers", "proxy_grpc_cancel", CALL),
        ("request_headers", "proxy_grpc_cancel", CALL),
        ("request_headers", "proxy_grpc_close", CALL),
        *_callbacks(),
    ),
    relayed(
        "grpc-call-closed",
        _call(b"Unary"),
        ("request_headers", "proxy_grpc_close", CALL),
        ("request_headers", "proxy_grpc_close", CALL),
        *_callbacks(),
    ),
    relayed(
        "grpc-wrong-tokens",
        _call(b"Hang"),
        _stream(),
        ("request_headers", "proxy_http_call", b"grpc", HTTP_HEAD, 0, 0, 0, 0, 1000, TOKEN),
        *(
            ("request_headers", call, token, *rest)
            for token in (0, CALL, 4, 8, 0xFF00, 0xFF01, 0xFF02)
            for call, *rest in (("proxy_grpc_send", b"x", 0), ("proxy_grpc_close",), ("proxy_grpc_cancel",))
        ),
    ),
    # Not here: an empty name of the server, which Envoy 1.40 dies of.
    relayed(
        "grpc-arguments",
        _call(b"Unary", server=b"\x0a\x03abc"),
        _call(b"", to=0x7FFFFFF0),
        _call(b"Unary", metadata=(b"no pairs",)),
        _call(b"Unary", timeout=-1),
        ("request_headers", "proxy_grpc_stream", b"unknown", b"test.Echo", b"Chat", 0, 0, TOKEN),
    ),
    relayed("grpc-trap-in-callback", _call(b"Unary"), WAITS, ("grpc_receive", relay.TRAP)),
    relayed("grpc-trap-in-close", _call(b"Refuse"), WAITS, ("grpc_close", relay.TRAP)),
)
