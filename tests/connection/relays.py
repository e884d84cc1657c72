"""Connections through a relay guest, whose script says what it does in each callback."""

from __future__ import annotations

from typing import Any

from testdata import relay
from tests.hostcalls.relays import Run, start

DOWNSTREAM, UPSTREAM = 2, 3
"""Stream types, and the buffers of either's data, have the same numbers."""

PAUSE = (relay.RETURN, 1)
WHOLE = 0x7FFFFFFF


def tick(*steps: Any) -> list[Any]:
    """Steps of a tick in the hands of the first connection (context 2), with what makes it come after 10 ms."""
    arm = ("configure", "proxy_set_tick_period_milliseconds", 10)
    return [arm, ("tick", "proxy_set_effective_context", 2), *(("tick", *step) for step in steps)]


def run(*steps: Any, upstream: bytes = b"world", **options: Any) -> Run:
    """A relay through a whole connection: hello up, world down, both ends closed by their peers."""
    host = start(*steps, **options)
    connection = host.connection()
    connection.new_connection()
    connection.downstream_data(b"hello", end_of_stream=True)
    connection.upstream_data(upstream, end_of_stream=True)
    connection.upstream_close()
    connection.downstream_close()
    connection.close()
    return Run(host, connection, "relay.wat")  # type: ignore[arg-type]
