"""The cases of TCP connections: a guest, and who sends, ends or resets what and when.

As with the exchanges of cases.py, what follows from them on a host is observed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from testdata import relay
from tests.peers.conformance.guest import RELAY, GuestCase

DOWNSTREAM, UPSTREAM = 2, 3
"""Stream types, and the buffers of either side's data."""

OUT = relay.SCRATCH
CONTEXT = 2
"""The id of a VM's first stream context: 1 is the plugin's."""

END, RESET = "end", "reset"

Step = tuple[Literal["client", "origin"], bytes | str]


@dataclass(frozen=True, slots=True)
class TcpCase(GuestCase):
    """One connection. Each step waits a moment for what follows from the last one."""

    steps: tuple[Step, ...]
    """`client` and `origin` send bytes, END their direction, or RESET the connection."""
    refused: bool = False
    """Nobody listens where the origin should be."""


HELLO: tuple[Step, ...] = (("client", b"hello"), ("origin", b"world"), ("client", END), ("origin", END))


def _guest(name: str, configuration: Any, *steps: Step, refused: bool = False) -> TcpCase:
    return TcpCase(name, "connection", json.dumps(configuration), steps or HELLO, refused)


def _relay(name: str, *script: tuple[Any, ...], steps: tuple[Step, ...] = HELLO) -> TcpCase:
    return TcpCase(name, RELAY, "", steps, script=script)


def _everywhere(call: str, *arguments: Any) -> tuple[tuple[Any, ...], ...]:
    """The call in each callback of a connection, so that each says that it ran, and with what status."""
    return tuple((phase, call, *arguments) for phase in PHASES)


PHASES = (
    "new_connection",
    "downstream_data",
    "upstream_data",
    "downstream_connection_close",
    "upstream_connection_close",
    "done",
    "log",
    "delete",
)


def _in_tick(phase: str, *steps: tuple[Any, ...]) -> tuple[tuple[Any, ...], ...]:
    """The steps in a tick that comes once, some time after `phase`, in the hands of the connection."""
    return (
        (phase, "proxy_set_tick_period_milliseconds", 250),
        ("tick", "proxy_set_tick_period_milliseconds", 0),
        ("tick", "proxy_set_effective_context", CONTEXT),
        *(("tick", *step) for step in steps),
    )


TICKING: tuple[Step, ...] = (*HELLO[:2], *([("client", b"")] * 10))
"""Nobody ends before a tick has come."""

LIFE_CYCLE = (
    _guest("tcp-both-ends", {}),
    _guest("tcp-origin-ends-first", {}, *HELLO[:2], ("origin", END), ("client", b"more"), ("client", END)),
    _guest("tcp-origin-speaks-first", {}, ("origin", b"banner"), *HELLO),
    _guest("tcp-client-says-nothing", {}, ("origin", b"banner"), ("client", END), ("origin", END)),
    _guest("tcp-client-resets", {}, *HELLO[:2], ("client", RESET)),
    _guest("tcp-origin-resets", {}, *HELLO[:2], ("origin", RESET)),
    _guest("tcp-refused", {}, ("client", b"hello"), refused=True),
    _relay("tcp-callbacks", *_everywhere("proxy_get_log_level", OUT)),
    _relay("tcp-callbacks-client-resets", *_everywhere("proxy_get_log_level", OUT), steps=(*HELLO[:2], ("client", RESET))),
    _relay("tcp-callbacks-origin-resets", *_everywhere("proxy_get_log_level", OUT), steps=(*HELLO[:2], ("origin", RESET))),
    _relay("tcp-done-is-false", ("done", relay.RETURN, 0), *_everywhere("proxy_get_log_level", OUT)),
)  # fmt: skip

DATA = (
    _guest("tcp-prefix", {"upstream_prefix": "* "}, *HELLO[:2], ("origin", b"again"), *HELLO[2:]),
    *(
        _relay(
            f"tcp-{name}",
            (f"{name}_data", "proxy_get_buffer_status", kind, OUT, OUT + 4),
            (f"{name}_data", "proxy_get_buffer_bytes", kind, 1, 3, OUT, OUT + 4),
            (f"{name}_data", "proxy_get_buffer_bytes", kind, 9, 3, OUT, OUT + 4),
            (f"{name}_data", "proxy_get_buffer_bytes", other, 0, 3, OUT, OUT + 4),
            (f"{name}_data", "proxy_set_buffer_bytes", other, 0, 0, b"x"),
            (f"{name}_data", "proxy_set_buffer_bytes", kind, 0, 0, b"<"),
            (f"{name}_data", "proxy_set_buffer_bytes", kind, 0x7FFFFFFF, 0, b">"),
        )
        for name, kind, other in (("downstream", DOWNSTREAM, UPSTREAM), ("upstream", UPSTREAM, DOWNSTREAM))
    ),
    _relay("tcp-replace", ("downstream_data", "proxy_set_buffer_bytes", DOWNSTREAM, 0, 0x7FFFFFFF, b"other")),
    _relay("tcp-splice", ("downstream_data", "proxy_set_buffer_bytes", DOWNSTREAM, 1, 2, b"-")),
    _relay("tcp-emptied", ("downstream_data", "proxy_set_buffer_bytes", DOWNSTREAM, 0, 0x7FFFFFFF, b"")),
    _relay(
        "tcp-data-elsewhere",
        *(
            step
            for phase in ("new_connection", "downstream_connection_close", "done", "log")
            for kind in (DOWNSTREAM, UPSTREAM)
            for step in (
                (phase, "proxy_get_buffer_bytes", kind, 0, 3, OUT, OUT + 4),
                (phase, "proxy_set_buffer_bytes", kind, 0, 0, b"x"),
            )
        ),
    ),
)

PAUSES = (
    _guest("tcp-held", {"hold": True, "tick_period_milliseconds": 20}, *TICKING),
    *(
        _relay(
            f"tcp-pause-{phase.replace('_', '-')}",
            (phase, relay.RETURN, 1),
            *_everywhere("proxy_get_log_level", OUT),
            *_in_tick(phase, ("proxy_continue_stream", kind)),
            steps=TICKING,
        )
        for phase, kind in (
            ("new_connection", DOWNSTREAM),
            ("downstream_data", DOWNSTREAM),
            ("upstream_data", UPSTREAM),
        )
    ),
    _relay("tcp-pause-for-ever", ("downstream_data", relay.RETURN, 1), steps=(*HELLO[:2], ("client", b"more"))),
    _relay(
        "tcp-resume-at-once",
        ("downstream_data", "proxy_continue_stream", DOWNSTREAM),
        ("downstream_data", relay.RETURN, 1),
    ),
)  # fmt: skip

CLOSES = (
    _guest("tcp-quit", {"quit": "bye"}, *HELLO[:2], ("client", b"good bye")),
    *(
        _relay(
            f"tcp-close-{kind}-in-{phase.replace('_', '-')}",
            (phase, "proxy_close_stream", kind),
            *_everywhere("proxy_get_log_level", OUT),
            steps=HELLO[:2] if phase != "new_connection" else HELLO[:1],
        )
        for phase in ("new_connection", "downstream_data", "upstream_data")
        for kind in (DOWNSTREAM, UPSTREAM)
    ),
    _relay(
        "tcp-close-paused",
        ("downstream_data", relay.RETURN, 1),
        *_in_tick("downstream_data", ("proxy_close_stream", DOWNSTREAM)),
        *_everywhere("proxy_get_log_level", OUT),
        steps=TICKING,
    ),
)

CALLS = (
    _relay(
        "tcp-stream-types",
        *(("downstream_data", "proxy_continue_stream", kind) for kind in (0, 1, 2, 3, 4, 9999)),
        *(("downstream_data", "proxy_close_stream", kind) for kind in (0, 1, 4, 9999)),
    ),
    _relay(
        "tcp-without-http",
        *(
            step
            for phase in ("new_connection", "downstream_data", "log")
            for step in (
                (phase, "proxy_get_header_map_pairs", 0, OUT, OUT + 4),
                (phase, "proxy_get_header_map_size", 0, OUT),
                (phase, "proxy_get_header_map_value", 0, b"a", OUT, OUT + 4),
                (phase, "proxy_add_header_map_value", 0, b"a", b"b"),
                (phase, "proxy_get_buffer_bytes", 0, 0, 9, OUT, OUT + 4),
                (phase, "proxy_set_buffer_bytes", 1, 0, 9, b"x"),
            )
        ),
    ),
    _relay(
        "tcp-local-response",
        ("downstream_data", "proxy_send_local_response", 403, 0, 0, 0, 0, 0, 0, -1),
        *_everywhere("proxy_get_log_level", OUT),
    ),
    *(
        _relay(
            f"tcp-properties-{phase.replace('_', '-')}",
            *(
                (phase, "proxy_get_property", path.replace(".", "\0").encode(), OUT, OUT + 4)
                for path in (
                    *("source.address", "source.port", "destination.address", "destination.port"),
                    *("connection.id", "connection_id", "connection.mtls", "connection.tls_version"),
                    *("connection.requested_server_name", "connection.termination_details"),
                    *("upstream.address", "upstream.port", "upstream.local_address", "plugin_name"),
                    *("request.protocol", "request.headers", "request.time", "response.code", "none"),
                )
            ),
        )
        for phase in ("new_connection", "downstream_data", "upstream_data", "log")
    ),
    _relay(
        "tcp-set-property",
        ("new_connection", "proxy_set_property", b"mine", b"v"),
        ("downstream_data", "proxy_get_property", b"mine", OUT, OUT + 4),
        ("log", "proxy_get_property", b"mine", OUT, OUT + 4),
        ("downstream_data", "proxy_set_property", b"source\0address", b"v"),
    ),
)

TRAPS = tuple(
    _relay(
        f"tcp-trap-{phase.replace('_', '-')}",
        *_everywhere("proxy_get_log_level", OUT),
        (phase, relay.TRAP),
    )
    for phase in PHASES
)

TCP_CASES: tuple[TcpCase, ...] = (*LIFE_CYCLE, *DATA, *PAUSES, *CLOSES, *CALLS, *TRAPS)
