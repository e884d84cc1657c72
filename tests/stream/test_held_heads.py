"""allow_on_headers_stop_iteration: a head is held alone, while the callbacks see the body that follows it."""

from __future__ import annotations

from typing import Any

import pytest

from abi import Action, encode_pairs
from host import FilterContext, PythonFilter
from host.chain import BodyLimits
from host.testing import ChainHost, HostedStream, Message, PluginHost, WasmPlugin
from testdata import relay
from tests.hostcalls.relays import start
from tests.plugin.guests import GET, OK, POST, answer, assemble, plugin_file, send, wat

SIDES = ["request", "response"]
TRAILERS = [(b"x-sum", b"1")]
TICK = ("configure", "proxy_set_tick_period_milliseconds", 10)
STOP_ITERATION, STOP_ALL_AND_BUFFER, STOP_ALL_AND_WATERMARK = 1, 3, 4
BUFFER, WATERMARK, NO_BUFFER = 1, 2, 3


def holding(side: str, *steps: Any, body: int | None = None, **options: Any) -> PluginHost:
    """A relay that holds the side's head alone, and resumes it at a tick."""
    bodies = [] if body is None else [(f"{side}_body", relay.RETURN, body)]
    return start(
        TICK,
        (f"{side}_headers", relay.RETURN, STOP_ITERATION),
        *bodies,
        *steps,
        ("tick", "proxy_set_effective_context", 2),
        ("tick", "proxy_continue_stream", SIDES.index(side)),
        allow_on_headers_stop_iteration=True,
        **options,
    )


def feed(stream: HostedStream, side: str, *body: bytes, trailers: Any = None) -> Message:
    """A message on this side; returns what has left."""
    if side == "request":
        send(stream, *body, trailers=trailers)
        return stream.to_upstream
    send(stream)
    answer(stream, *body, trailers=trailers)
    return stream.to_client


def head(side: str) -> Any:
    return POST if side == "request" else OK


def lengths(plugin: ChainHost, side: str) -> list[tuple[int, ...]]:
    return [row.arguments[1:] for row in plugin.trace(f"proxy_on_{side}_body")]


@pytest.mark.parametrize("side", SIDES)
def test_body_callbacks_run_while_the_head_is_held(side: str) -> None:
    """What they hold of the body goes with the head, and they do not see it a second time."""
    with holding(side, body=BUFFER) as plugin, plugin.http_stream() as stream:
        message = feed(stream, side, b"one", b"two")
        assert message == Message()
        assert lengths(plugin, side) == [(3, 0), (6, 1)]
        plugin.advance(0.01)
        assert message == Message(head(side), [b"onetwo"], ended=True)
        assert len(lengths(plugin, side)) == 2


@pytest.mark.parametrize("side", SIDES)
def test_a_body_callback_that_continues_lets_the_head_go(side: str) -> None:
    """As in Envoy, where Continue for data resumes a filter that has stopped at the headers."""
    with holding(side) as plugin, plugin.http_stream() as stream:
        message = feed(stream, side, b"one", b"two")
        assert message == Message(head(side), message.chunks, ended=True)
        assert message.body == b"onetwo"
        assert lengths(plugin, side) == [(3, 0), (3, 1)]


def test_the_body_decides_on_the_requests_head() -> None:
    """spec#63, cpp-host#143: the routing field is written when the body is known."""
    steps = ("request_body", "proxy_add_header_map_value", 0, b"x-kind", b"json")
    with holding("request", steps) as plugin, plugin.http_stream() as stream:
        send(stream, b"{}")
        assert stream.to_upstream == Message([*POST, (b"x-kind", b"json")], [b"{}"], ended=True)
        assert "00000000" in plugin.logs()[-1]


def test_the_body_decides_on_the_responses_status() -> None:
    """With hold_response_head off: it is the plugin that holds the head, not the gateway for the length's sake."""
    steps = ("response_body", "proxy_replace_header_map_value", 2, b":status", b"503")
    with holding("response", steps, hold_response_head=False) as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream, b"error")
        assert (stream.to_client.status, stream.to_client.body) == (503, b"error")


@pytest.mark.parametrize("side", SIDES)
def test_the_body_is_answered_before_the_head_has_left(side: str) -> None:
    """A status of its own, which is what a plugin that inspects bodies is for."""
    steps = (f"{side}_body", "proxy_send_local_response", 403, b"", b"no", encode_pairs([]), -1)
    with holding(side, steps, hold_response_head=False) as plugin, plugin.http_stream() as stream:
        feed(stream, side, b"secret", b"more")
        assert (stream.to_client.status, stream.to_client.body) == (403, b"no")
        assert stream.to_upstream.headers == (None if side == "request" else GET)


@pytest.mark.parametrize("side", SIDES)
def test_without_the_setting_stop_iteration_stops_all(side: str) -> None:
    """E, cpp-host#143: 1 is 4 by default, and body callbacks do not run."""
    with start((f"{side}_headers", relay.RETURN, STOP_ITERATION)) as plugin, plugin.http_stream() as stream:
        feed(stream, side, b"one")
        assert lengths(plugin, side) == []


@pytest.mark.parametrize("result", [STOP_ALL_AND_BUFFER, STOP_ALL_AND_WATERMARK, 5, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("side", SIDES)
def test_the_other_results_stop_all_even_so(side: str, result: int) -> None:
    """What is greater than 4 is 4."""
    with (
        start((f"{side}_headers", relay.RETURN, result), allow_on_headers_stop_iteration=True) as plugin,
        plugin.http_stream() as stream,
    ):
        assert feed(stream, side, b"one") == Message()
        assert lengths(plugin, side) == []


@pytest.mark.parametrize("result", [STOP_ALL_AND_BUFFER, STOP_ALL_AND_WATERMARK])
@pytest.mark.parametrize("side", SIDES)
def test_buffer_has_a_limit_and_watermark_blocks_the_reader(side: str, result: int) -> None:
    """StopAllIterationAndBuffer: 413, or 502; StopAllIterationAndWatermark: no more is read."""
    limits = BodyLimits(4, 4)
    with (
        start((f"{side}_headers", relay.RETURN, result), limits=limits) as plugin,
        plugin.http_stream() as stream,
    ):
        feed(stream, side, b"12", b"345")
        is_watermark = result == STOP_ALL_AND_WATERMARK
        assert (stream.request_blocked, stream.response_blocked) == (
            is_watermark and side == "request",
            is_watermark and side == "response",
        )
        assert stream.to_client.status == (None if is_watermark else 413 if side == "request" else 502)


@pytest.mark.parametrize("result", [BUFFER, WATERMARK])
@pytest.mark.parametrize("side", SIDES)
def test_the_same_holds_for_bodies_behind_a_held_head(side: str, result: int) -> None:
    """The result of the body's callback is what counts then."""
    with holding(side, body=result, limits=BodyLimits(4, 4)) as plugin, plugin.http_stream() as stream:
        feed(stream, side, b"12", b"345")
        is_watermark = result == WATERMARK
        assert (stream.request_blocked or stream.response_blocked) == is_watermark
        assert stream.to_client.status == (None if is_watermark else 413 if side == "request" else 502)


@pytest.mark.parametrize("side", SIDES)
def test_bytes_that_are_not_buffered_are_gone(side: str) -> None:
    """StopIterationNoBuffer: the filter has taken them, and the head with an empty body is what is left."""
    with holding(side, body=NO_BUFFER) as plugin, plugin.http_stream() as stream:
        message = feed(stream, side, b"one", b"two")
        assert lengths(plugin, side) == [(3, 0), (3, 1)]
        plugin.advance(0.01)
        assert message == Message(head(side), [], ended=True)


@pytest.mark.parametrize("side", SIDES)
def test_trailers_that_continue_let_all_go(side: str) -> None:
    """In order: head, body, trailers."""
    with holding(side, body=BUFFER) as plugin, plugin.http_stream() as stream:
        message = feed(stream, side, b"one", b"two", trailers=TRAILERS)
        assert message == Message(head(side), [b"onetwo"], TRAILERS, ended=True)
        assert len(plugin.trace(f"proxy_on_{side}_trailers")) == 1


@pytest.mark.parametrize("side", SIDES)
def test_trailers_can_be_held_as_well(side: str) -> None:
    """They were seen, so the resume passes them on without a further callback."""
    with (
        holding(side, (f"{side}_trailers", relay.RETURN, 1), body=BUFFER) as plugin,
        plugin.http_stream() as stream,
    ):
        message = feed(stream, side, b"one", trailers=TRAILERS)
        assert message == Message()
        plugin.advance(0.01)
        assert message == Message(head(side), [b"one"], TRAILERS, ended=True)
        assert len(plugin.trace(f"proxy_on_{side}_trailers")) == 1


@pytest.mark.parametrize("side", SIDES)
def test_a_resume_before_the_body_lets_the_head_go(side: str) -> None:
    """What comes later passes the callbacks as always."""
    with holding(side) as plugin, plugin.http_stream() as stream:
        if side == "request":
            stream.request_headers(POST)
        else:
            send(stream)
            stream.response_headers(OK)
        assert stream.request_paused or stream.response_paused
        plugin.advance(0.01)
        assert (stream.request_paused, stream.response_paused) == (False, False)
        push = stream.request_body if side == "request" else stream.response_body
        assert push(b"one", end_of_stream=True) is Action.CONTINUE
        assert (stream.to_upstream if side == "request" else stream.to_client).body == b"one"


@pytest.mark.parametrize("side", SIDES)
def test_a_message_without_a_body_waits_for_a_resume(side: str) -> None:
    """No callback of a body will come: end_of_stream says so."""
    with holding(side) as plugin, plugin.http_stream() as stream:
        message = feed(stream, side)
        assert message == Message()
        plugin.advance(0.01)
        assert message == Message(GET if side == "request" else OK, ended=True)


def test_a_plugin_without_callbacks_for_bodies_holds_them_too() -> None:
    """There is nothing that could let the head go but continue_stream."""
    module = assemble(
        """(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
          (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1)))"""
    )
    filters = [WasmPlugin(module, allow_on_headers_stop_iteration=True), WasmPlugin(wat("relay"), name="r")]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        send(stream, b"one")
        assert stream.request_paused
        assert stream.to_upstream == Message()


def test_the_next_filter_gets_the_head_and_then_the_body() -> None:
    """And can stop both by itself; filters before it saw the body pass."""
    filters = [
        WasmPlugin(plugin_file("lifecycle"), name="before"),
        WasmPlugin(
            wat("relay"),
            relay.script(("request_headers", relay.RETURN, 1), ("request_body", relay.RETURN, 0)),
            name="holder",
            allow_on_headers_stop_iteration=True,
        ),
        WasmPlugin(
            plugin_file("pause_resume"),
            {"pause": ["request_headers"], "resume": "tick", "ticks": 1, "tick_period_milliseconds": 10},
            name="behind",
        ),
    ]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        stream.request_headers(POST)
        assert not any("request_headers" in line for line in chain.logs(plugin="behind"))
        stream.request_body(b"one")
        stream.request_body(b"two", end_of_stream=True)
        assert stream.to_upstream == Message()
        chain.advance(0.01)
        assert stream.to_upstream == Message(POST, [b"onetwo"], ended=True)
        assert [line for line in chain.logs(plugin="before") if "request_body" in line] == [
            "proxy_on_request_body(2, 3, 0)",
            "proxy_on_request_body(2, 3, 1)",
        ]


class _Reader(PythonFilter):
    """Decides on the head when it has seen a whole line."""

    allow_on_headers_stop_iteration = True

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action:
        return Action.PAUSE

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> Action:
        line, found, _ = context.request_body.partition(b"\n")
        if not found and not end_of_stream:
            return Action.PAUSE
        context.request_headers.set(b"x-first-line", line)
        return Action.CONTINUE


def test_a_filter_in_python_decides_on_the_head_when_it_has_seen_the_body() -> None:
    """The same setting, as an attribute of the class."""
    with ChainHost([_Reader()]) as chain, chain.http_stream() as stream:
        stream.request_headers(POST)
        stream.request_body(b"hel")
        assert stream.to_upstream == Message()
        stream.request_body(b"lo\nworld")
        stream.request_body(b"!", end_of_stream=True)
        assert stream.to_upstream == Message(
            [*POST, (b"x-first-line", b"hello")], [b"hello\nworld", b"!"], ended=True
        )


def test_a_module_can_ask_for_it_itself() -> None:
    """So that what is compiled for this host needs no setting of the operator's."""
    text = """(module
      (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
      (func (export "malloc") (param i32) (result i32) (i32.const 1024)) %s
      (func (export "proxy_on_context_create") (param i32 i32))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
      (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0)))"""
    for marker, is_seen in (("", False), ('(func (export "sluiceway_holds_heads"))', True)):
        with PluginHost(assemble(text % marker)) as plugin, plugin.http_stream() as stream:
            assert feed(stream, "request", b"one").ended is is_seen
            assert bool(lengths(plugin, "request")) is is_seen
