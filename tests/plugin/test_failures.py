"""Traps, endless loops and memory bombs: what becomes of the stream, of the others, of the plugin."""

from __future__ import annotations

from typing import Any

import pytest

from host.errors import PluginStartError
from host.plugin.plugin import FailurePolicy, Key
from host.testing import ChainHost, HostedStream, Message, PluginHost, WasmPlugin
from host.wasm.vm import FailureKind
from testdata import relay
from tests.hostcalls.relays import exchange, start
from tests.plugin.guests import GET, OK, answer, host, plugin_file, send, wat

CLOSED, OPEN, RELOAD = FailurePolicy.FAIL_CLOSED, FailurePolicy.FAIL_OPEN, FailurePolicy.FAIL_RELOAD
REQUEST_PHASES = ["context_create", "request_headers", "request_body", "request_trailers"]
RESPONSE_PHASES = ["response_headers", "response_body", "response_trailers"]
END = ["log", "done", "delete"]


def assert_failed(stream: HostedStream) -> None:
    """503, no body, once; the reason is for the log alone."""
    assert (stream.to_client.status, stream.to_client.body, stream.to_client.ended) == (503, b"", True)
    assert stream.local_response is not None
    assert stream.local_response.details == "wasm_fail_stream"


def is_served(plugin: ChainHost) -> bool:
    with plugin.http_stream() as stream:
        send(stream)
        answer(stream)
        return stream.to_client == Message(OK, ended=True)


@pytest.mark.parametrize("phase", REQUEST_PHASES + RESPONSE_PHASES)
def test_a_trap_answers_503_once_and_the_next_request_is_served(phase: str) -> None:
    """EH Panic*; EC PanicDuringResponse; EI PanicReturn503; K 007-2,4. Its head had not left."""
    with start((phase, relay.TRAP), hold_response_head=True) as plugin:
        stream = exchange(plugin)
        if phase == "response_trailers":  # the first bytes of the body took the head along
            assert stream.is_reset
            assert stream.to_client.status == 200
        else:
            assert_failed(stream)
        assert plugin.failures == 1
        assert plugin.last_failure is not None
        assert plugin.last_failure.kind is FailureKind.TRAP
        assert plugin.last_failure.reason.startswith(f"proxy_on_{phase}: wasm trap: wasm `unreachable`")
        assert plugin.is_up


@pytest.mark.parametrize("phase", END)
def test_a_trap_at_the_end_harms_no_one(phase: str) -> None:
    """K 005-1: the response is out already; no further call goes into the VM."""
    with start((phase, relay.TRAP)) as plugin:
        stream = exchange(plugin)
        assert stream.to_client.status == 200
        assert stream.to_client.ended
        assert plugin.failures == 1
        called = [
            row.name
            for row in plugin.trace()
            if row.name in ("proxy_on_log", "proxy_on_done", "proxy_on_delete") and row.context == 2
        ]
        assert called == [f"proxy_on_{each}" for each in END[: END.index(phase) + 1]]
        assert plugin.is_up


@pytest.mark.parametrize("kind", ["panic", "index", "nil", "divide", "unreachable", "recursion", "exit"])
def test_every_kind_of_fault_is_one(kind: str) -> None:
    """C runtime Trap, Trap2; EC DivByZero, Segv; an exit behind the start, too."""
    with host("trap", {"phase": "request_headers", "kind": kind, "header": "x-trap"}) as plugin:
        stream = plugin.http_stream()
        send(stream, headers=[*GET, (b"x-trap", b"1")])
        assert_failed(stream)
        assert plugin.last_failure is not None
        expected = FailureKind.EXIT if kind == "exit" else FailureKind.TRAP
        assert plugin.last_failure.kind is expected
        assert is_served(plugin)


def test_a_failure_names_the_guests_functions() -> None:
    """C runtime Trap: the frames, innermost first."""
    with host("trap", {"phase": "request_headers"}) as plugin:
        send(plugin.http_stream())
        assert plugin.last_failure is not None
        first, *frames = plugin.last_failure.reason.splitlines()
        assert first.startswith("proxy_on_request_headers: ")
        assert len(frames) > 2
        assert any("proxy_on_request_headers" in frame for frame in frames)


@pytest.mark.parametrize("phase", ["tick", "configure", "vm_start"])
def test_a_trap_of_a_plugin_context_fails_the_vm_or_the_start(phase: str) -> None:
    """K 003-8: the plugin goes on ticking on its next VM."""
    if phase == "tick":
        steps = [("configure", "proxy_set_tick_period_milliseconds", 10), ("tick", relay.TRAP)]
        with start(*steps, reload_pause=0.001) as plugin:
            plugin.advance(0.05)
            assert plugin.failures > 1
            assert is_served(plugin)
        return
    steps = [(phase, relay.TRAP)]
    with pytest.raises(PluginStartError, match=f"proxy_on_{phase}: wasm trap"):
        start(*(steps if phase == "configure" else []), vm_steps=steps if phase == "vm_start" else [])


def streams_in_flight(policy: FailurePolicy) -> tuple[PluginHost, dict[str, HostedStream]]:
    """Streams in all states, and then one that brings the VM down."""
    plugin = host(
        "trap",
        {"phase": "request_headers", "header": "x-trap"},
        failure_policy=policy,
        hold_response_head=False,
    )
    found = {name: plugin.http_stream() for name in ("request", "head", "done")}
    for stream in found.values():
        send(stream)
    found["head"].response_headers(OK)
    answer(found["done"])
    found["culprit"] = plugin.http_stream()
    send(found["culprit"], headers=[*GET, (b"x-trap", b"1")])
    return plugin, found


@pytest.mark.parametrize("policy", [RELOAD, CLOSED])
def test_the_other_streams_of_a_dead_vm_get_503_or_are_cut(policy: FailurePolicy) -> None:
    """E: all streams of that VM; the one whose head is out is reset, a complete one is left alone."""
    plugin, found = streams_in_flight(policy)
    assert_failed(found["culprit"])
    assert_failed(found["request"])
    assert found["head"].is_reset
    assert found["done"].to_client == Message(OK, ended=True)
    assert not found["done"].is_reset
    plugin.close()


def test_a_plugin_that_fails_open_lets_untouched_streams_pass() -> None:
    """The crashing one still gets 503; those of which the plugin held and changed nothing go on without it."""
    plugin, found = streams_in_flight(OPEN)
    assert_failed(found["culprit"])
    assert not found["request"].is_local
    answer(found["request"], b"passed")
    assert found["request"].to_client == Message(OK, [b"passed"], ended=True)
    found["head"].response_body(b"rest", end_of_stream=True)
    assert found["head"].to_client == Message(OK, [b"rest"], ended=True)
    assert not plugin.is_up
    assert is_served(plugin)
    plugin.close()


@pytest.mark.parametrize("how", ["paused", "changed"])
def test_a_plugin_that_fails_open_does_not_let_go_what_it_touched(how: str) -> None:
    """Half a rewrite, or a request that waits for a verdict, is no request that may pass."""
    step = (
        ("request_headers", relay.RETURN, 1)
        if how == "paused"
        else ("request_headers", "proxy_add_header_map_value", 0, b"x-half", b"1")
    )
    ticks = ("configure", "proxy_set_tick_period_milliseconds", 10)
    with start(ticks, step, ("tick", relay.TRAP), failure_policy=OPEN) as plugin:
        stream = plugin.http_stream()
        send(stream)
        plugin.advance(0.01)
        assert_failed(stream)


def test_a_plugin_that_fails_closed_stays_down() -> None:
    """EC FailClosed: 503 for new streams, and no new VM."""
    with host("trap", {"phase": "request_headers", "header": "x-trap"}, failure_policy=CLOSED) as plugin:
        send(plugin.http_stream(), headers=[*GET, (b"x-trap", b"1")])
        assert not plugin.is_up
        plugin.advance(3600)
        stream = plugin.http_stream()
        send(stream)
        assert_failed(stream)
        assert len(plugin.trace("_start")) == 1


def crash(plugin: PluginHost) -> None:
    send(plugin.http_stream(), headers=[*GET, (b"x-trap", b"1")])


def test_a_spare_takes_over_at_once() -> None:
    """New streams do not wait for a VM to be built: the next spare comes off the loop."""
    options: dict[str, Any] = {"keep_spare": True, "background_on_demand": True}
    with host("trap", {"phase": "request_headers", "header": "x-trap"}, **options) as plugin:
        assert plugin.plugin.spare is None
        assert plugin.run_background() == 1
        spare = plugin.plugin.spare
        assert spare is not None
        crash(plugin)
        assert plugin.vm is spare
        assert is_served(plugin)
        assert plugin.plugin.spare is None
        plugin.run_background()
        assert plugin.plugin.spare is not None


def test_traps_in_a_row_are_answered_with_growing_pauses() -> None:
    """EC FailReload: after the first at once, then after 0.5..1, 1..2, 2..4 seconds; meanwhile 503."""
    with host("trap", {"phase": "request_headers", "header": "x-trap"}, reload_pause=1.0) as plugin:
        crash(plugin)
        assert plugin.is_up
        for shortest in (0.5, 1.0, 2.0):
            crash(plugin)
            assert not plugin.is_up
            stream = plugin.http_stream()
            send(stream)
            assert_failed(stream)
            plugin.advance(shortest * 0.99)
            assert not plugin.is_up
            plugin.advance(shortest * 1.02)
            assert plugin.is_up
            assert is_served(plugin)


def test_a_vm_that_does_not_come_up_again_is_tried_again() -> None:
    """A plugin whose start fails at times; the event says so."""
    with host("trap", {"phase": "request_headers", "header": "x-trap"}) as plugin:
        attempts: list[int] = []
        build = plugin.plugin.supply._build

        def fails_twice(keys: Any) -> Any:
            attempts.append(1)
            if len(attempts) < 3:
                raise PluginStartError("trap", "no")
            return build(keys)

        plugin.plugin.supply._build = fails_twice  # type: ignore[method-assign]
        crash(plugin)
        assert not plugin.is_up
        plugin.advance(60)
        assert len(attempts) == 3
        assert plugin.is_up
        assert sum("did not come up" in event.message for event in plugin.events) == 2


def test_other_plugins_of_the_chain_do_not_notice() -> None:
    """Each has its own VM."""
    filters = [
        WasmPlugin(plugin_file("lifecycle"), name="healthy"),
        WasmPlugin(plugin_file("trap"), {"phase": "request_headers"}, name="trap"),
    ]
    with ChainHost(filters) as chain:
        vm = chain.plugins["healthy"].vm
        with chain.http_stream() as stream:
            send(stream)
            assert_failed(stream)
        assert chain.plugins["healthy"].vm is vm
        seen = [line.partition("(")[0] for line in chain.logs(plugin="healthy")[-5:]]
        assert seen == [
            f"proxy_on_{name}" for name in ("request_headers", "response_headers", "log", "done", "delete")
        ]


def test_a_trap_in_the_response_pass_of_a_local_response_makes_no_second_one() -> None:
    """Envoy PR 40166: one head reaches the client; the plugin that failed did not see its own 503."""
    answerer = {"responses": [{"phase": "request_headers", "code": 403}]}
    filters = [
        WasmPlugin(plugin_file("local_response"), answerer, name="answers"),
        WasmPlugin(plugin_file("trap"), {"phase": "response_headers"}, name="traps"),
    ]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        send(stream)
        assert_failed(stream)


@pytest.mark.parametrize("kind", ["compute", "hostcalls", "log"])
def test_an_endless_loop_is_ended_by_its_deadline(kind: str) -> None:
    """C runtime TerminateExecution. CPU time counts, in the guest and in host calls."""
    configuration = {"phase": "request_headers", "kind": kind, "header": "x-loop"}
    with host("endless_loop", configuration, callback_deadline=20) as plugin:
        stream = plugin.http_stream()
        send(stream, headers=[*GET, (b"x-loop", b"1")])
        assert_failed(stream)
        assert plugin.last_failure is not None
        assert plugin.last_failure.kind is FailureKind.DEADLINE
        assert "deadline of 20 ms CPU time exceeded" in plugin.last_failure.reason
        assert is_served(plugin)


@pytest.mark.parametrize("phase", ["request_body", "response_headers", "log", "tick", "context_create"])
def test_a_loop_is_ended_in_every_phase(phase: str) -> None:
    """The deadline is one for all callbacks."""
    steps = [("configure", "proxy_set_tick_period_milliseconds", 1000), (phase, relay.LOOP)]
    with start(*steps, callback_deadline=5) as plugin:
        exchange(plugin)
        plugin.advance(1)
        assert plugin.failures >= 1
        assert plugin.last_failure is not None
        assert plugin.last_failure.kind is FailureKind.DEADLINE


@pytest.mark.parametrize("phase", ["configure", "vm_start"])
def test_a_loop_at_the_start_is_ended_by_the_starts_deadline(phase: str) -> None:
    """Which is longer, and off the loop."""
    steps = [(phase, relay.LOOP)]
    with pytest.raises(PluginStartError, match="deadline of 50 ms"):
        start(
            *(steps if phase == "configure" else []),
            vm_steps=steps if phase == "vm_start" else [],
            start_deadline=50,
        )


def test_a_memory_bomb_meets_the_cap() -> None:
    """C runtime WasmMemoryLimit: the guest sees that there is no more, and aborts."""
    configuration = {"phase": "request_headers", "header": "x-bomb", "block": 65536}
    with host("memory_bomb", configuration, memory_limit=4 << 20, callback_deadline=5000) as plugin:
        bombed = plugin.vm
        stream = plugin.http_stream()
        send(stream, headers=[*GET, (b"x-bomb", b"1")])
        assert_failed(stream)
        assert bombed.memory_size <= 4 << 20
        assert bombed.memory_size > 3 << 20
        assert is_served(plugin)


def test_a_guest_that_bears_the_cap_goes_on() -> None:
    """memory.grow answers -1: the relay does not mind."""
    with start(("request_headers", relay.GROW, 60000), memory_limit=1 << 20) as plugin:
        exchange(plugin)
        assert plugin.failures == 0
        assert plugin.memory_size == 8 * 65536


def test_a_table_cannot_grow_without_end() -> None:
    """It is memory, too: table.grow answers -1, and the guest goes on."""
    with PluginHost(wat("table_grow"), callback_deadline=2000) as plugin:
        assert is_served(plugin)
        assert plugin.failures == 0


def test_a_memory_grows_up_to_the_cap_and_no_page_further() -> None:
    """The guest counts its pages: 0x20 of 64 KiB are 2 MiB."""
    with PluginHost(wat("memory_grow"), memory_limit=2 << 20) as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream)
        assert stream.to_client.get(b"x-pages") == b"00000020"


def test_a_configuration_that_traps_does_not_harm_the_others() -> None:
    """bfe#1287: the old one keeps serving."""
    wasm = wat("relay")
    with PluginHost(wasm, name="relay") as plugin:
        with pytest.raises(PluginStartError, match="unreachable"):
            plugin.plugin.context(Key(relay.script(("configure", relay.TRAP))))
        plugin.run_background()
        assert is_served(plugin)
        with pytest.raises(PluginStartError, match="proxy_on_configure returned false"):
            plugin.plugin.context(Key(relay.script(("configure", relay.RETURN, 0))))
        assert is_served(plugin)
