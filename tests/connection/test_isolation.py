"""Connections of plugins with VMs of their own."""

from __future__ import annotations

import pytest

from host.plugin.plugin import Isolation
from host.testing import PluginHost
from testdata import relay
from tests.connection.relays import PAUSE, tick
from tests.plugin.guests import wat


@pytest.mark.parametrize("isolation", list(Isolation))
def test_a_connection_passes_in_every_isolation(isolation: Isolation) -> None:
    """Pausing, a tick that resumes, and the end: with a VM shared, or one for each connection."""
    steps = [
        ("downstream_data", *PAUSE),
        *tick(("proxy_continue_stream", 2)),
    ]
    host = PluginHost(wat("relay"), relay.script(*steps), isolation=isolation)
    with host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"held", end_of_stream=True)
        assert connection.to_upstream.data == b""
        host.advance(0.01)
        assert (connection.to_upstream.data, connection.to_upstream.ended) == (b"held", True)
        connection.upstream_data(b"back", end_of_stream=True)
        assert connection.to_client.data == b"back"


def test_a_trap_is_the_connections_own_where_each_has_a_vm() -> None:
    """Isolation per stream: no other connection notices."""
    script = relay.script(("upstream_data", relay.TRAP))
    host = PluginHost(wat("relay"), script, isolation=Isolation.STREAM)
    with host, host.connection() as one, host.connection() as other:
        for each in (one, other):
            each.new_connection()
            each.downstream_data(b"x")
        one.upstream_data(b"the trap")
        assert one.is_reset
        assert not other.is_reset
        other.downstream_data(b"y")
        assert other.to_upstream.data == b"xy"
