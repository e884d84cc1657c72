"""Actions: what pauses is held and, once resumed, goes on whole and in order."""

from __future__ import annotations

from typing import Any

import pytest

from abi import Action
from host.testing import ChainHost, HostedStream, Message, PluginHost, WasmPlugin
from testdata import relay
from tests.hostcalls.relays import start
from tests.plugin.guests import GET, OK, POST, answer, host, plugin_file, send

TRAILERS = [(b"x-sum", b"1")]
PHASES = [f"{side}_{part}" for side in ("request", "response") for part in ("headers", "body", "trailers")]


def pausing(*phases: str, resume: str = "tick", ticks: int = 1) -> dict[str, Any]:
    return {"pause": list(phases), "resume": resume, "ticks": ticks, "tick_period_milliseconds": 10}


def whole(stream: HostedStream) -> None:
    send(stream, b"first", b"second", trailers=TRAILERS)
    answer(stream, b"third", b"fourth", trailers=TRAILERS)


def feed(stream: HostedStream, phase: str) -> None:
    """A message for this phase; one that pauses in its body ends with it, as trailers would let it go."""
    trailers = None if phase.endswith("body") else TRAILERS
    if phase.startswith("request"):
        send(stream, b"first", b"second", trailers=trailers)
    else:
        answer(stream, b"first", b"second", trailers=trailers)


def assert_complete(stream: HostedStream, phase: str) -> None:
    message, head = (stream.to_upstream, POST) if phase.startswith("request") else (stream.to_client, OK)
    trailers = [] if phase.endswith("body") else TRAILERS
    assert (message.headers, message.body, message.trailers, message.ended) == (
        head,
        b"firstsecond",
        trailers,
        True,
    )


@pytest.mark.parametrize("phase", PHASES)
def test_what_pauses_is_held_and_resumed_by_a_tick(phase: str) -> None:
    """K 006-1..4; PAUSE in any phase of either direction. A tick makes the stream effective and continues it."""
    side = phase.partition("_")[0]
    with host("pause_resume", pausing(phase)) as plugin:
        stream = plugin.http_stream()
        if side == "response":
            send(stream)
        feed(stream, phase)
        message = stream.to_upstream if side == "request" else stream.to_client
        assert (stream.request_paused, stream.response_paused) == (side == "request", side == "response")
        assert not message.ended
        for _ in range(3):  # a body pauses again with the bytes that came meanwhile
            plugin.advance(0.01)
        assert_complete(stream, phase)


@pytest.mark.parametrize("phase", ["request_headers", "response_headers"])
def test_behind_a_paused_head_no_callback_runs(phase: str) -> None:
    """E: after PAUSE on headers no body callback until it is resumed; then the body comes at once."""
    side = phase.partition("_")[0]
    with host("pause_resume", pausing(phase)) as plugin:
        stream = plugin.http_stream()
        if side == "response":
            send(stream)
        feed(stream, phase)
        assert plugin.trace(f"proxy_on_{side}_body") == []
        plugin.advance(0.01)
        (row,) = plugin.trace(f"proxy_on_{side}_body")
        assert row.arguments == (2, 11, 0)
        assert len(plugin.trace(f"proxy_on_{side}_trailers")) == 1


@pytest.mark.parametrize("phase", PHASES)
def test_a_resume_in_the_callback_that_pauses_counts(phase: str) -> None:
    """It runs behind the callback, as in Envoy."""
    side = phase.partition("_")[0]
    with host("pause_resume", pausing(phase, resume="at_once")) as plugin:
        stream = plugin.http_stream()
        if side == "response":
            send(stream)
        feed(stream, phase)
        assert_complete(stream, phase)


def test_a_resume_before_the_pause_does_not_disarm_it() -> None:
    """go-sdk#158: resumed in request_headers, paused in request_body."""
    with (
        host("pause_resume", pausing("request_body", resume="early")) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream, b"first", b"second")
        assert stream.request_paused
        plugin.advance(1)
        assert stream.request_paused


def test_a_stream_that_is_resumed_twice_goes_on_once() -> None:
    """In one callback and in later ones: the head leaves once, and what pauses behind it still does."""
    twice = [("tick", "proxy_continue_stream", 0)] * 2
    steps = [
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("request_headers", relay.RETURN, 1),
        ("request_body", relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        *twice,
    ]
    with start(*steps) as plugin, plugin.http_stream() as stream:
        stream.request_headers(POST)
        plugin.advance(0.01)
        assert stream.to_upstream.headers is not None
        plugin.advance(0.03)  # nothing is paused now
        stream.request_body(b"body", end_of_stream=True)
        assert stream.request_paused
        plugin.advance(0.03)
        assert (stream.to_upstream.chunks, stream.to_upstream.ended) == ([b"body"], True)
        assert (
            len(plugin.trace("proxy_on_request_headers")) == len(plugin.trace("proxy_on_request_body")) == 1
        )


@pytest.mark.parametrize("first", ["resume", "answer"])
def test_a_stream_that_is_resumed_and_answered_at_once_is_answered(first: str) -> None:
    """Whatever comes first: an answer ends the request, so that there is nothing to resume."""
    both = [
        ("tick", "proxy_continue_stream", 0),
        ("tick", "proxy_send_local_response", 403, 0, 0, 0, 0, 0, 0, -1),
    ]
    steps = [
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("request_headers", relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        *(both if first == "resume" else reversed(both)),
    ]
    with start(*steps) as plugin, plugin.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        plugin.advance(0.05)
        assert stream.to_client.status == 403
        assert stream.to_upstream.headers is None


def test_a_body_that_pauses_grows_until_its_end() -> None:
    """EH BufferBody: each call sees all that came so far, and CONTINUE lets all of it go."""
    with (
        host("pause_resume", pausing("request_body", resume="end")) as plugin,
        plugin.http_stream() as stream,
    ):
        assert stream.request_headers(POST) is Action.CONTINUE
        assert stream.request_body(b"one") is Action.PAUSE
        assert stream.request_body(b"two") is Action.PAUSE
        assert stream.to_upstream == Message(POST)
        assert stream.request_body(b"three", end_of_stream=True) is Action.CONTINUE
        assert stream.to_upstream == Message(POST, [b"onetwothree"], ended=True)
        assert [row.arguments for row in plugin.trace("proxy_on_request_body")] == [
            (2, 3, 0),
            (2, 6, 0),
            (2, 11, 1),
        ]


def test_behind_a_flush_chunks_come_one_by_one_again() -> None:
    """The filter holds nothing any more."""
    with (
        host("pause_resume", pausing("request_body", resume="end")) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream, b"one", b"two", trailers=TRAILERS)
        assert stream.to_upstream.body == b"onetwo"
        assert plugin.trace("proxy_on_request_trailers")


def test_trailers_let_a_held_body_go() -> None:
    """Envoy's: the trailers callback continues, and with it the body before them."""
    with (
        host("pause_resume", pausing("response_body", resume="end")) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream)
        answer(stream, b"one", b"two", trailers=TRAILERS)
        assert stream.to_client == Message(OK, [b"onetwo"], TRAILERS, ended=True)


def test_what_is_never_resumed_waits_without_harm() -> None:
    """K 008-15; the exchange is ended from outside, by a timeout for instance."""
    with host("pause_resume", pausing("request_headers", resume="never")) as plugin:
        stream = plugin.http_stream()
        send(stream, b"body")
        plugin.advance(60)
        assert stream.to_upstream == Message()
        stream.gateway_response(504)
        assert stream.to_client.status == 504
        stream.close()
        assert plugin.vm.contexts == 1


def test_one_filter_holds_headers_and_then_the_body() -> None:
    """Resumed twice, once for each."""
    with (
        host("pause_resume", pausing("request_headers", "request_body")) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream, b"all")
        assert stream.to_upstream == Message()
        plugin.advance(0.01)
        assert (stream.to_upstream.headers, stream.to_upstream.body) == (POST, b"")
        plugin.advance(0.01)
        assert stream.to_upstream == Message(POST, [b"all"], ended=True)


def chain_of(*configurations: dict[str, Any], **options: Any) -> ChainHost:
    plugins = [
        WasmPlugin(plugin_file("pause_resume"), configuration, name=f"f{index}")
        for index, configuration in enumerate(configurations)
    ]
    return ChainHost(plugins, **options)


@pytest.mark.parametrize("phase", PHASES)
def test_several_filters_pause_one_behind_the_other(phase: str) -> None:
    """Each is resumed by its own tick; what the first lets go the next one holds."""
    side = phase.partition("_")[0]
    configurations = [pausing(phase, ticks=3), pausing(phase, ticks=1), pausing(phase, ticks=2)]
    with chain_of(*configurations) as chain, chain.http_stream() as stream:
        if side == "response":
            send(stream)
        feed(stream, phase)
        for _ in range(20):
            chain.advance(0.01)
        assert_complete(stream, phase)


def test_filters_in_different_phases_pause_at_once() -> None:
    """The first holds the second piece of a body, while the next still holds the head."""
    with (
        chain_of(pausing("request_body"), pausing("request_headers", ticks=2)) as chain,
        chain.http_stream() as stream,
    ):
        stream.request_headers(POST)
        stream.request_body(b"one")
        chain.advance(0.01)  # the first lets the body go: the second still holds the head
        assert stream.to_upstream == Message()
        stream.request_body(b"two", end_of_stream=True)
        chain.advance(0.01)
        chain.advance(0.01)
        assert (stream.to_upstream.headers, stream.to_upstream.body, stream.to_upstream.ended) == (
            POST,
            b"onetwo",
            True,
        )


def test_a_paused_request_does_not_hold_the_other_streams() -> None:
    """Pausing is a stream's own."""
    with host("pause_resume", pausing("request_headers", ticks=5)) as plugin:
        first, second = plugin.http_stream(), plugin.http_stream()
        send(first)
        for _ in range(3):
            plugin.advance(0.01)
        send(second)
        plugin.advance(0.02)
        assert first.to_upstream.ended
        assert not second.to_upstream.ended
        plugin.advance(0.03)
        assert second.to_upstream.ended


@pytest.mark.parametrize(
    ("result", "paused"),
    [
        (0, False),
        (1, True),
        (2, False),
        (3, True),
        (4, True),
        (5, True),
        (0x7FFFFFFF, True),
        (0xFFFFFFFF, True),
    ],
)
@pytest.mark.parametrize("side", ["request", "response"])
def test_results_of_header_callbacks_are_envoys(side: str, result: int, paused: bool) -> None:
    """Continue, StopIteration (as 4), ContinueAndEndStream (as Continue), StopAllIterationAnd…; others are as 4."""
    with start((f"{side}_headers", relay.RETURN, result)) as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream)
        assert (stream.request_paused, stream.response_paused) == (
            paused and side == "request",
            paused and side == "response",
        )


@pytest.mark.parametrize(
    ("result", "paused", "kept"),
    [
        (0, False, True),
        (1, True, True),
        (2, True, True),
        (3, True, False),
        (4, True, False),
        (-1, True, False),
    ],
)
def test_results_of_body_callbacks_are_envoys(result: int, paused: bool, kept: bool) -> None:
    """Continue, StopIterationAndBuffer, …AndWatermark, …NoBuffer: the last one, and all others, give the bytes up."""
    steps = [("request_body", relay.RETURN, result), ("tick", "proxy_set_effective_context", 2)]
    with (
        start(
            ("configure", "proxy_set_tick_period_milliseconds", 10),
            *steps,
            ("tick", "proxy_continue_stream", 0),
        ) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream, b"bytes")
        assert stream.request_paused == paused
        plugin.advance(0.01)
        assert (stream.to_upstream.body, stream.to_upstream.ended) == (b"bytes" if kept else b"", True)


@pytest.mark.parametrize(("result", "paused"), [(0, False), (1, True), (2, True), (-1, True)])
def test_trailers_continue_or_pause(result: int, paused: bool) -> None:
    """There are two results."""
    with start(("request_trailers", relay.RETURN, result)) as plugin, plugin.http_stream() as stream:
        send(stream, b"x", trailers=TRAILERS)
        assert stream.request_paused == paused


def test_a_paused_stream_is_answered_by_a_tick() -> None:
    """J PostponeRequests."""
    with (
        host("pause_resume", pausing("request_headers", resume="answer")) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream, b"never seen")
        plugin.advance(0.01)
        assert stream.local_response is not None
        assert (stream.local_response.status, stream.local_response.body) == (202, b"answered by a tick\n")
        assert stream.to_upstream == Message()


def test_a_paused_response_is_answered_by_a_tick() -> None:
    """The upstream's own is dropped, with what is still to come of it."""
    with (
        host("pause_resume", pausing("response_headers", resume="answer")) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream)
        stream.response_headers(OK)
        stream.response_body(b"held")
        plugin.advance(0.01)
        stream.response_body(b"late", end_of_stream=True)
        assert (stream.to_client.status, stream.to_client.body) == (202, b"answered by a tick\n")


def test_held_bytes_leave_no_memory_behind() -> None:
    """Streams are used again: the next exchange of one begins empty."""
    with PluginHost(plugin_file("pause_resume"), pausing("request_body", resume="never")) as plugin:
        for _ in range(3):
            with plugin.http_stream() as stream:
                send(stream, b"x" * 1000)
        assert [row.arguments[1] for row in plugin.trace("proxy_on_request_body")] == [1000, 1000, 1000]


def test_a_whole_exchange_passes_when_no_one_pauses() -> None:
    """The measure of the tests above."""
    with host("pause_resume", pausing(resume="never")) as plugin, plugin.http_stream() as stream:
        whole(stream)
        assert stream.to_upstream == Message(POST, [b"first", b"second"], TRAILERS, ended=True)
        assert stream.to_client == Message(OK, [b"third", b"fourth"], TRAILERS, ended=True)


def test_a_get_that_pauses_ends_with_its_head() -> None:
    """There is no body to wait for."""
    with host("pause_resume", pausing("request_headers")) as plugin, plugin.http_stream() as stream:
        assert stream.request_headers(GET, end_of_stream=True) is Action.PAUSE
        plugin.advance(0.01)
        assert stream.to_upstream == Message(GET, ended=True)
        assert plugin.trace("proxy_on_request_body") == []
