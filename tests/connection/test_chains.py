"""Several filters on one connection: their order, pauses of several at once, filters in Python beside plugins."""

from __future__ import annotations

from typing import Any

import pytest

from abi import Action, PeerType
from host import BodyLimits, ConnectionContext, ConnectionFilter, PythonFilter
from host.testing import ChainHost, WasmPlugin
from testdata import relay
from tests.connection.relays import DOWNSTREAM, PAUSE, UPSTREAM, WHOLE, tick
from tests.hostcalls.relays import start
from tests.plugin.guests import wat


class Recorder(ConnectionFilter):
    """Notes what it hears, with its name; `holds` names the callbacks that pause."""

    def __init__(self, name: str, heard: list[Any], *holds: str) -> None:
        super().__init__()
        self.name, self.heard, self.holds = name, heard, holds
        self.contexts: list[ConnectionContext] = []

    def _hear(self, event: str, context: ConnectionContext) -> Action:
        self.heard.append((self.name, event))
        if context not in self.contexts:
            self.contexts.append(context)
        return Action.PAUSE if event in self.holds else Action.CONTINUE

    def on_new_connection(self, context: ConnectionContext) -> Action:
        return self._hear("new", context)

    def on_downstream_data(self, context: ConnectionContext, end_of_stream: bool) -> Action:
        return self._hear("down", context)

    def on_upstream_data(self, context: ConnectionContext, end_of_stream: bool) -> Action:
        return self._hear("up", context)

    def on_downstream_connection_close(self, context: ConnectionContext, peer: PeerType) -> None:
        self.heard.append((self.name, "down closed", peer))

    def on_upstream_connection_close(self, context: ConnectionContext, peer: PeerType) -> None:
        self.heard.append((self.name, "up closed", peer))

    def on_log(self, context: ConnectionContext) -> None:
        self._hear("log", context)

    def on_delete(self, context: ConnectionContext) -> None:
        self._hear("delete", context)


class Upper(ConnectionFilter):
    """Writes in capitals."""

    def on_downstream_data(self, context: ConnectionContext, end_of_stream: bool) -> None:
        context.downstream_data = context.downstream_data.upper()

    def on_upstream_data(self, context: ConnectionContext, end_of_stream: bool) -> None:
        context.upstream_data = context.upstream_data.upper()


def plugin(*steps: Any, name: str = "relay") -> WasmPlugin:
    return WasmPlugin(wat("relay"), relay.script(*steps), name=name)


def test_filters_see_both_sides_in_the_order_of_the_chain() -> None:
    """APISIX's order, for data of either side; every callback, and the end, filter by filter."""
    heard: list[Any] = []
    with ChainHost([Recorder("a", heard), Recorder("b", heard)]) as host:
        connection = host.connection()
        connection.new_connection()
        connection.downstream_data(b"x")
        connection.upstream_data(b"y", end_of_stream=True)
        connection.upstream_close()
        connection.close()
    assert heard == [
        *[(name, event) for event in ("new", "down", "up") for name in "ab"],
        *[(name, "up closed", PeerType.REMOTE) for name in "ab"],
        *[(name, "down closed", PeerType.LOCAL) for name in "ab"],
        *[(name, event) for event in ("log", "delete") for name in "ab"],
    ]


def test_the_upstream_side_can_be_reversed() -> None:
    """response_order: reverse, Envoy's order of write filters."""
    heard: list[Any] = []
    filters = [Recorder("a", heard), Recorder("b", heard)]
    with ChainHost(filters, reverse_response=True) as host, host.connection() as connection:
        connection.new_connection()
        connection.upstream_data(b"y")
    assert [name for name, event, *_ in heard if event == "up"] == ["b", "a"]


def test_plugins_and_filters_in_python_change_data_in_turn() -> None:
    """Each sees what those before it have made."""
    changes = plugin(
        ("downstream_data", "proxy_set_buffer_bytes", DOWNSTREAM, 0, 0, b"wasm "),
        ("upstream_data", "proxy_set_buffer_bytes", UPSTREAM, WHOLE, 0, b" wasm"),
    )
    with ChainHost([changes, Upper()]) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"hello")
        connection.upstream_data(b"world")
        assert connection.to_upstream.data == b"WASM HELLO"
        assert connection.to_client.data == b"WORLD WASM"


def test_filters_may_pause_each_other_out_of_step() -> None:
    """What the first lets go, the second may hold still."""
    heard: list[Any] = []
    first, second = Recorder("a", heard, "down"), Recorder("b", heard, "down")
    with ChainHost([first, second]) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"one")
        assert ("b", "down") not in heard
        first.contexts[0].resume_downstream()
        assert ("b", "down") in heard
        assert connection.to_upstream.data == b""
        connection.downstream_data(b"two")
        second.contexts[0].resume_downstream()
        assert connection.to_upstream.data == b"one"
        first.contexts[0].resume_downstream()
        second.contexts[0].resume_downstream()
        assert connection.to_upstream.data == b"onetwo"


def test_a_paused_new_connection_hides_it_from_the_filters_behind() -> None:
    """They hear of it, and of its end, only when it has come to them."""
    heard: list[Any] = []
    with ChainHost([Recorder("a", heard, "new"), Recorder("b", heard)]) as host:
        connection = host.connection()
        connection.new_connection()
        connection.downstream_close()
        connection.close()
    assert [event for name, event, *_ in heard if name == "b"] == ["log", "delete"]


def test_a_filter_in_python_closes_and_resets() -> None:
    """As plugins do by proxy_close_stream: what it was shown goes no further; a reset leaves nothing to flush."""

    class Closes(ConnectionFilter):
        def on_downstream_data(self, context: ConnectionContext, end_of_stream: bool) -> None:
            context.close() if context.downstream_data == b"close" else context.reset()

    with ChainHost([Closes()]) as host, host.connection() as one, host.connection() as other:
        for each in (one, other):
            each.new_connection()
        one.downstream_data(b"close")
        assert (one.is_closing, one.is_reset, one.to_upstream.data) == (True, False, b"")
        other.downstream_data(b"reset")
        assert (other.is_closing, other.is_reset, other.to_upstream.data) == (False, True, b"")


def test_a_filter_in_python_that_raises_cuts_the_connection_off(caplog: pytest.LogCaptureFixture) -> None:
    """Its fault is the gateway's own: it is logged with its trace."""

    class Raises(ConnectionFilter):
        def on_upstream_data(self, context: ConnectionContext, end_of_stream: bool) -> None:
            raise RuntimeError("a fault")

    with ChainHost([Raises()]) as host, host.connection() as connection:
        connection.new_connection()
        connection.upstream_data(b"x")
        assert connection.is_reset
    assert "a fault" in caplog.text


@pytest.mark.parametrize("side", ["downstream", "upstream"])
def test_a_side_is_blocked_while_its_filter_holds_too_much(side: str) -> None:
    """Back-pressure instead of an end: nothing can tell the peer that it was too much. Bytes that come all the same stay."""
    steps = [
        (f"{side}_data", *PAUSE),
        *tick(("proxy_continue_stream", DOWNSTREAM if side[0] == "d" else UPSTREAM)),
    ]
    with start(*steps, limits=BodyLimits(10, 10)) as host, host.connection() as connection:
        connection.new_connection()
        feed = connection.downstream_data if side == "downstream" else connection.upstream_data
        feed(b"12345")
        assert not connection.downstream_blocked
        assert not connection.upstream_blocked
        feed(b"6789012345")
        assert (connection.downstream_blocked, connection.upstream_blocked) == (
            side[0] == "d",
            side[0] == "u",
        )
        assert not connection.is_reset
        host.advance(0.01)
        assert not connection.downstream_blocked
        assert not connection.upstream_blocked
        sent = connection.to_upstream if side == "downstream" else connection.to_client
        assert sent.data == b"123456789012345"


def test_a_guest_cannot_make_held_data_grow_without_end() -> None:
    """Beyond what its filter may hold the call fails, and says so in the log."""
    steps = ("downstream_data", "proxy_set_buffer_bytes", DOWNSTREAM, 0, 0, b"x" * 100)
    with start(steps, limits=BodyLimits(50, 50)) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"short")
        assert connection.to_upstream.data == b"short"
        assert "the downstream data would be longer than 50 bytes" in host.logs()[0]


def test_a_chain_is_for_streams_of_one_kind() -> None:
    """A filter of the wrong kind is the test's mistake."""
    with ChainHost([Upper()]) as host, pytest.raises(TypeError, match="ConnectionFilter"):
        host.http_stream()
    with ChainHost([PythonFilter()]) as host, pytest.raises(TypeError, match="PythonFilter"):
        host.connection()


def test_ten_thousand_connections_leave_nothing_behind() -> None:
    """Contexts go with their connections, and numbers are used again."""
    with start() as host:
        before = host.vm.contexts
        for _ in range(10_000):
            with host.connection() as connection:
                connection.new_connection()
                connection.downstream_data(b"x", end_of_stream=True)
        assert host.vm.contexts == before
