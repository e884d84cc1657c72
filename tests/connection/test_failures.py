"""A plugin that fails under connections: what it may harm, and what it may not."""

from __future__ import annotations

import pytest

from abi import Action, LogLevel
from host import FailurePolicy
from host.testing import ChainHost, WasmPlugin
from testdata import relay
from tests.connection.relays import PAUSE
from tests.hostcalls.relays import start
from tests.plugin.guests import wat

PHASES = ["context_create", "new_connection", "downstream_data", "upstream_data"]
POLICIES = list(FailurePolicy)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("step", [relay.TRAP, relay.LOOP])
@pytest.mark.parametrize("phase", PHASES)
def test_a_connection_whose_plugin_fails_is_cut_off(phase: str, step: str, policy: FailurePolicy) -> None:
    """Whatever the policy: what the guest has seen or changed of this connection cannot be made good."""
    with start((phase, step), failure_policy=policy) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"up")
        connection.upstream_data(b"down")
        assert connection.is_reset
        assert host.failures == 1
        assert connection.downstream_data(b"more") is Action.PAUSE


@pytest.mark.parametrize("phase", ["downstream_connection_close", "upstream_connection_close", "done", "log"])
def test_a_plugin_that_fails_at_the_end_harms_nobody(phase: str) -> None:
    """The bytes have left by then."""
    with start((phase, relay.TRAP)) as host:
        connection = host.connection()
        connection.new_connection()
        connection.downstream_data(b"up", end_of_stream=True)
        connection.upstream_data(b"down", end_of_stream=True)
        connection.close()
        assert (connection.to_upstream.data, connection.to_client.data) == (b"up", b"down")
        assert not connection.is_reset
        assert host.failures == 1
        assert host.is_up


def trap_beside(policy: FailurePolicy, *steps: tuple[object, ...]) -> tuple[ChainHost, WasmPlugin]:
    script = relay.script(*steps, ("upstream_data", relay.TRAP))  # type: ignore[arg-type]
    plugin = WasmPlugin(wat("relay"), script, name="relay", failure_policy=policy)
    return ChainHost([plugin]), plugin


@pytest.mark.parametrize(
    ("policy", "survives"),
    [
        (FailurePolicy.FAIL_RELOAD, False),
        (FailurePolicy.FAIL_CLOSED, False),
        (FailurePolicy.FAIL_OPEN, True),
    ],
)
def test_other_connections_of_the_dead_vm_meet_the_policy(policy: FailurePolicy, survives: bool) -> None:
    """With fail_open they go on without the plugin, if it held and changed nothing of theirs."""
    host, _ = trap_beside(policy)
    with host, host.connection() as other, host.connection() as connection:
        for each in (other, connection):
            each.new_connection()
            each.downstream_data(b"up")
        connection.upstream_data(b"the trap")
        assert connection.is_reset
        assert other.is_reset is not survives
        other.upstream_data(b"down")
        assert other.to_client.data == (b"down" if survives else b"")


def test_what_is_held_cannot_be_passed_by() -> None:
    """fail_open: a connection of which the plugin holds bytes is cut off, as what it would have made of them is lost."""
    host, _ = trap_beside(FailurePolicy.FAIL_OPEN, ("downstream_data", *PAUSE))
    with host, host.connection() as other, host.connection() as connection:
        for each in (other, connection):
            each.new_connection()
        other.downstream_data(b"held")
        connection.upstream_data(b"the trap")
        assert other.is_reset
        assert other.to_upstream.data == b""


@pytest.mark.parametrize(
    ("policy", "passes"),
    [(FailurePolicy.FAIL_CLOSED, False), (FailurePolicy.FAIL_OPEN, True), (FailurePolicy.FAIL_RELOAD, True)],
)
def test_new_connections_behind_a_failure(policy: FailurePolicy, passes: bool) -> None:
    """fail_closed refuses them, fail_open passes them by, fail_reload has the next VM."""
    host, _ = trap_beside(policy)
    with host, host.connection() as first:
        first.new_connection()
        first.upstream_data(b"the trap")
        with host.connection() as second:
            second.new_connection()
            second.downstream_data(b"up")
            assert second.is_connected is passes
            assert second.is_reset is not passes
            assert second.to_upstream.data == (b"up" if passes else b"")


def test_the_reason_names_plugin_and_callback() -> None:
    """As everywhere: the event names the callback that failed."""
    with start(("downstream_data", relay.TRAP)) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"x")
        (event,) = [event for event in host.events if event.level is LogLevel.ERROR]
        assert event.plugin == "relay"
        assert "proxy_on_downstream_data" in event.message


def test_a_resume_without_end_does_not_hang_the_host() -> None:
    """A filter that pauses and resumes in one callback passes once (Envoy), and is not asked again for no bytes."""
    steps = [("downstream_data", "proxy_continue_stream", 2), ("downstream_data", *PAUSE)]
    with start(*steps) as host, host.connection() as connection:
        connection.new_connection()
        for piece in (b"a", b"b"):
            connection.downstream_data(piece)
        assert connection.to_upstream.data == b"ab"
        assert len(host.trace("proxy_on_downstream_data")) == 2
