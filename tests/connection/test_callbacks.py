"""What a plugin hears of a TCP connection, and in which order."""

from __future__ import annotations

import pytest

from abi import Action, PeerType, Status
from host import ConnectionInfo
from host.testing import PluginHost
from tests.connection.relays import DOWNSTREAM, PAUSE, UPSTREAM, WHOLE, run, tick
from tests.hostcalls.relays import start
from tests.plugin.guests import assemble

CALLBACKS = ("new_connection", "downstream_data", "upstream_data")


def calls(host: PluginHost) -> list[tuple[str, tuple[int, ...]]]:
    """The callbacks of connections, in order, without the one that makes the context."""
    rows = [row for row in host.trace() if row.name.startswith("proxy_on_") and row.context == 2]
    return [(row.name.removeprefix("proxy_on_"), row.arguments) for row in rows]


def test_a_connection_is_told_from_its_beginning_to_its_end() -> None:
    """E context_test: new connection, data both ways, close; then on_done, on_log and on_delete, in TCP's order."""
    outcome = run()
    assert calls(outcome.host) == [
        ("context_create", (2, 1)),
        ("new_connection", (2,)),
        ("downstream_data", (2, 5, 1)),
        ("upstream_data", (2, 5, 1)),
        ("upstream_connection_close", (2, PeerType.REMOTE)),
        ("downstream_connection_close", (2, PeerType.REMOTE)),
        ("done", (2,)),
        ("log", (2,)),
        ("delete", (2,)),
    ]


def test_what_passes_is_what_came() -> None:
    """Without a plugin's doing bytes and ends leave as they came, at once."""
    with start() as host, host.connection() as connection:
        assert connection.new_connection() is Action.CONTINUE
        assert connection.is_connected
        assert connection.downstream_data(b"a") is Action.CONTINUE
        assert connection.downstream_data(b"b") is Action.CONTINUE
        assert connection.to_upstream.chunks == [b"a", b"b"]
        assert connection.upstream_data(b"c", end_of_stream=True) is Action.CONTINUE
        assert (connection.to_client.data, connection.to_client.ended) == (b"c", True)
        assert not connection.to_upstream.ended
        connection.downstream_data(b"", end_of_stream=True)
        assert connection.to_upstream.ended


def test_a_paused_new_connection_connects_no_upstream_and_sees_no_data() -> None:
    """PAUSE in on_new_connection holds everything; resumed, what came meanwhile comes as one piece."""
    steps = [("new_connection", *PAUSE), *tick(("proxy_continue_stream", DOWNSTREAM))]
    with start(*steps) as host, host.connection() as connection:
        assert connection.new_connection() is Action.PAUSE
        connection.downstream_data(b"one ")
        connection.downstream_data(b"two", end_of_stream=True)
        assert not connection.is_connected
        assert host.trace("proxy_on_downstream_data") == []
        host.advance(0.01)
        assert connection.is_connected
        assert (connection.to_upstream.data, connection.to_upstream.ended) == (b"one two", True)
        assert [row.arguments for row in host.trace("proxy_on_downstream_data")] == [(2, 7, 1)]


@pytest.mark.parametrize("side", ["downstream", "upstream"])
def test_paused_data_is_shown_whole_with_what_follows(side: str) -> None:
    """E: the buffer grows while the filter pauses, and each callback has its whole length."""
    with start((f"{side}_data", *PAUSE)) as host, host.connection() as connection:
        connection.new_connection()
        feed = connection.downstream_data if side == "downstream" else connection.upstream_data
        assert feed(b"one ") is Action.PAUSE
        assert feed(b"two", True) is Action.PAUSE
        assert [row.arguments for row in host.trace(f"proxy_on_{side}_data")] == [(2, 4, 0), (2, 7, 1)]
        assert connection.to_upstream.data == connection.to_client.data == b""


@pytest.mark.parametrize(("side", "kind"), [("downstream", DOWNSTREAM), ("upstream", UPSTREAM)])
def test_a_tick_resumes_what_is_paused(side: str, kind: int) -> None:
    """rust-sdk#80: held until something else says so. Envoy cannot resume the upstream's side (UNIMPLEMENTED)."""
    steps = [(f"{side}_data", *PAUSE), *tick(("proxy_continue_stream", kind))]
    with start(*steps) as host, host.connection() as connection:
        connection.new_connection()
        feed = connection.downstream_data if side == "downstream" else connection.upstream_data
        sent = connection.to_upstream if side == "downstream" else connection.to_client
        feed(b"held", True)
        assert (sent.data, sent.ended) == (b"", False)
        host.advance(0.01)
        assert (sent.data, sent.ended) == (b"held", True)
        assert len(host.trace(f"proxy_on_{side}_data")) == 1  # the filter that held it need not see it again


def test_the_other_side_goes_on_while_one_is_paused() -> None:
    """The sides of a connection are apart."""
    with start(("downstream_data", *PAUSE)) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"held")
        assert connection.upstream_data(b"passes") is Action.CONTINUE
        assert connection.to_client.data == b"passes"


@pytest.mark.parametrize(("side", "kind"), [("downstream", DOWNSTREAM), ("upstream", UPSTREAM)])
def test_data_can_be_read_and_rewritten_in_its_callback(side: str, kind: int) -> None:
    """Buffers 2 and 3, as bodies: the SDKs' Get/ReplaceDownstreamData."""
    outcome = run(
        (f"{side}_data", "proxy_get_buffer_bytes", kind, 1, 3, 0x1000, 0x1004),
        (f"{side}_data", "proxy_set_buffer_bytes", kind, 0, WHOLE, b"other"),
    )
    assert outcome.statuses == [Status.OK, Status.OK]
    assert outcome.given() == (b"ell" if side == "downstream" else b"orl")
    connection = outcome.stream
    assert connection.to_upstream.data == (b"other" if side == "downstream" else b"hello")  # type: ignore[attr-defined]
    assert connection.to_client.data == (b"other" if side == "upstream" else b"world")  # type: ignore[attr-defined]


def test_held_data_can_be_rewritten_from_elsewhere() -> None:
    """Envoy PR 17280, for connections: a callback of another context changes the whole of what is held."""
    steps = [
        ("downstream_data", *PAUSE),
        *tick(
            ("proxy_set_buffer_bytes", DOWNSTREAM, 0, WHOLE, b"rewritten"),
            ("proxy_continue_stream", DOWNSTREAM),
        ),
    ]
    with start(*steps) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"held")
        host.advance(0.01)
        assert connection.to_upstream.data == b"rewritten"


@pytest.mark.parametrize("phase", [*CALLBACKS, "downstream_connection_close", "log"])
def test_a_connection_has_no_header_maps_and_no_bodies_of_messages(phase: str) -> None:
    """As in Envoy: an absent map has no pairs and takes none; buffers 0 and 1 are empty; an answer goes nowhere."""
    outcome = run(
        (phase, "proxy_get_header_map_pairs", 0, 0x1000, 0x1004),
        (phase, "proxy_add_header_map_value", 0, b"a", b"b"),
        (phase, "proxy_get_buffer_bytes", 0, 0, WHOLE, 0x1000, 0x1004),
        (phase, "proxy_set_buffer_bytes", 1, 0, WHOLE, b"x"),
        (phase, "proxy_send_local_response", 403, 0, 0, 0, 0, 0, 0, -1),
    )
    assert outcome.statuses == [
        Status.OK,
        Status.BAD_ARGUMENT,
        Status.OK,
        Status.BAD_ARGUMENT,
        Status.OK,
    ]
    connection = outcome.stream
    assert (connection.to_upstream.data, connection.to_client.data) == (b"hello", b"world")  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [0, 1])
def test_an_exchange_is_not_what_a_connection_closes_or_resumes(kind: int) -> None:
    """The calls are OK, as SDKs panic on anything else, and change nothing."""
    outcome = run(
        ("downstream_data", "proxy_close_stream", kind), ("downstream_data", "proxy_continue_stream", kind)
    )
    assert outcome.statuses == [Status.OK, Status.OK]
    assert outcome.stream.to_upstream.data == b"hello"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [DOWNSTREAM, UPSTREAM])
@pytest.mark.parametrize("phase", CALLBACKS)
def test_closing_ends_the_connection_behind_what_has_left(phase: str, kind: int) -> None:
    """E CloseDownstream, CloseUpstream: close with flush. What the callback itself was shown goes no further."""
    with start((phase, "proxy_close_stream", kind)) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"up")
        connection.upstream_data(b"down")
        assert connection.is_closing
        assert connection.to_upstream.data == (b"up" if phase == "upstream_data" else b"")
        assert connection.to_client.data == b""
        connection.close()
        closed = ["downstream_connection_close"]
        if phase != "new_connection":  # then no upstream was ever connected
            closed.append("upstream_connection_close")
        ends = calls(host)[-len(closed) - 3 :]
        assert [name for name, _ in ends] == [*closed, "done", "log", "delete"]
        assert {arguments for _, arguments in ends[: len(closed)]} == {(2, PeerType.LOCAL)}


def test_closing_drops_what_is_held() -> None:
    """Only what has left the chain is flushed."""
    steps = [("downstream_data", *PAUSE), *tick(("proxy_close_stream", DOWNSTREAM))]
    with start(*steps) as host, host.connection() as connection:
        connection.new_connection()
        connection.downstream_data(b"held")
        host.advance(0.01)
        assert connection.is_closing
        assert connection.to_upstream.data == b""
        assert connection.downstream_data(b"late") is Action.PAUSE
        assert connection.to_upstream.data == b""


def test_the_upstream_is_not_told_closed_when_it_was_never_connected() -> None:
    """A connection that ends while it is paused has a client's end alone."""
    with start(("new_connection", *PAUSE)) as host:
        connection = host.connection()
        connection.new_connection()
        connection.downstream_close()
        connection.close()
        names = [name for name, _ in calls(host)]
        assert "upstream_connection_close" not in names
        assert names[-4:] == ["downstream_connection_close", "done", "log", "delete"]


def test_a_plugin_that_takes_nothing_but_the_log_gets_its_context_first() -> None:
    """Each filter that the connection reaches has a context, whatever it exports."""
    quiet = assemble(
        """(module (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
           (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
           (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
           (func (export "proxy_on_context_create") (param i32 i32))
           (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
           (func (export "proxy_on_log") (param i32)))"""
    )
    with PluginHost(quiet) as host:
        with host.connection() as connection:
            connection.new_connection()
            connection.downstream_data(b"passes")
            assert connection.to_upstream.data == b"passes"
        assert [name for name, _ in calls(host)] == ["context_create", "done", "log"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (b"source\0address", b"198.51.100.9:4711"),
        (b"source\0port", (4711).to_bytes(8, "little")),
        (b"destination\0address", b"192.0.2.1:9100"),
        (b"destination\0port", (9100).to_bytes(8, "little")),
        (b"connection\0mtls", b"\1"),
        (b"connection\0tls_version", b"TLSv1.3"),
        (b"connection\0requested_server_name", b"a.test"),
        (b"upstream\0address", b"203.0.113.5:5432"),
        (b"upstream\0port", (5432).to_bytes(8, "little")),
        (b"plugin_name", b"relay"),
        (b"request\0protocol", None),
        (b"request\0headers", b""),
        (b"request\0headers\0host", None),
        (b"connection\0subject_peer_certificate", None),
    ],
)
def test_properties_of_a_connection(path: bytes, value: bytes | None) -> None:
    """Addresses, TLS and the upstream are there; what belongs to a request is not."""
    tls = {
        b"connection\0mtls": b"\1",
        b"connection\0tls_version": b"TLSv1.3",
        b"connection\0requested_server_name": b"a.test",
    }
    with start(("downstream_data", "proxy_get_property", path, 0x1000, 0x1004)) as host:
        connection = host.connection(
            client=ConnectionInfo("198.51.100.9:4711", "192.0.2.1:9100", tls),
            upstream=ConnectionInfo("203.0.113.5:5432"),
        )
        connection.new_connection()
        connection.downstream_data(b"x")
        (row,) = host.trace("proxy_get_property")
        if value is None:
            assert row.result == Status.NOT_FOUND
        else:
            assert row.result == Status.OK
            pointer, size = (int.from_bytes(host.read_memory(at, 4), "little") for at in (0x1000, 0x1004))
            assert host.read_memory(pointer, size) == value
