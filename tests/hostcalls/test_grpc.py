"""proxy_grpc_call, _stream, _send, _close and _cancel: what is refused, what reaches the server, what comes back."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from abi import BufferType, MapType, Status
from abi.grpc_status import GrpcStatus
from abi.pairs import decode_pairs, encode_pairs
from host.testing import CalloutSettings, HostedGrpcCall, HostedStream, PluginHost
from tests.hostcalls.relays import OUT, PHASES, Run, exchange, start
from tests.plugin.guests import GET

ALL = 0xFFFFFFFF
CALL, STREAM, SEND = "proxy_grpc_call", "proxy_grpc_stream", "proxy_grpc_send"
CLOSE, CANCEL = "proxy_grpc_close", "proxy_grpc_cancel"
TOKEN = OUT + 64
INITIAL, RECEIVE = "grpc_receive_initial_metadata", "grpc_receive"
TRAILING, CLOSED = "grpc_receive_trailing_metadata", "grpc_close"
CALLBACKS = [f"proxy_on_{name}" for name in (INITIAL, RECEIVE, TRAILING, CLOSED)]
ENVOY_GRPC_ECHO = b"\x0a\x06\x0a\x04echo"  # GrpcService {envoy_grpc {cluster_name: "echo"}}


def call(
    upstream: bytes = b"echo",
    service: bytes = b"test.Echo",
    method: bytes = b"Unary",
    metadata: bytes | list[tuple[bytes, bytes]] = b"",
    message: bytes = b"question",
    timeout: int = 5000,
    token: int = TOKEN,
) -> tuple[Any, ...]:
    """A step that calls, but for its phase."""
    pairs = metadata if isinstance(metadata, bytes) else encode_pairs(metadata)
    return (CALL, upstream, service, method, pairs, message, timeout, token)


def stream(
    upstream: bytes = b"echo",
    service: bytes = b"test.Echo",
    method: bytes = b"Chat",
    metadata: bytes | list[tuple[bytes, bytes]] = b"",
    token: int = TOKEN,
) -> tuple[Any, ...]:
    """A step that opens a stream, but for its phase."""
    pairs = metadata if isinstance(metadata, bytes) else encode_pairs(metadata)
    return (STREAM, upstream, service, method, pairs, token)


def request(host: PluginHost) -> HostedStream:
    """A stream whose request headers have come."""
    made = host.http_stream()
    made.request_headers(GET, end_of_stream=True)
    return made


def outcome(host: PluginHost) -> Run:
    """What the guest's steps have led to so far."""
    return Run(host, HostedStream.__new__(HostedStream), "relay.wat")


def statuses(host: PluginHost, name: str) -> list[Status]:
    """The results of all calls of this name so far."""
    return [Status(result) for _, called, result in outcome(host).results if called == name]


def callbacks(host: PluginHost) -> list[tuple[str, int, int]]:
    """The callbacks so far: name, token, argument."""
    rows = [row for row in host.trace() if row.name in CALLBACKS]
    return [(row.name.removeprefix("proxy_on_"), row.arguments[1], row.arguments[2]) for row in rows]


# --- what is refused at once


@pytest.mark.parametrize("make", [call, stream])
@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, Status.OK),
        ({"upstream": ENVOY_GRPC_ECHO}, Status.OK),
        ({"upstream": b"nobody"}, Status.PARSE_FAILURE),
        ({"upstream": b""}, Status.PARSE_FAILURE),
        ({"upstream": b"\xff\xff"}, Status.PARSE_FAILURE),
        ({"upstream": b"\x0a\x08\x0a\x06nobody"}, Status.PARSE_FAILURE),
        ({"service": b""}, Status.INTERNAL_FAILURE),
        ({"service": b"a b"}, Status.INTERNAL_FAILURE),
        ({"service": b"a/b"}, Status.INTERNAL_FAILURE),
        ({"method": b"a\r\nb"}, Status.INTERNAL_FAILURE),
        ({"method": b"a?b"}, Status.INTERNAL_FAILURE),
        ({"metadata": b"\1\0\0\0"}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b"a", b"b\r\nc: d")]}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b"a b", b"c")]}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b":path", b"/other")]}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b"te", b"gzip")]}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b"Connection", b"close")]}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b"grpc-timeout", b"9H")]}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b"content-type", b"text/plain")]}, Status.INTERNAL_FAILURE),
        ({"metadata": [(b"content-type", b"application/grpc+proto")]}, Status.OK),
        ({"token": 0x7FFFFFFF}, Status.INVALID_MEMORY_ACCESS),
        ({"token": ALL, "upstream": b"nobody"}, Status.INVALID_MEMORY_ACCESS),
    ],
)
def test_arguments_are_judged_before_anything_is_sent(make: Any, changed: Any, status: Status) -> None:
    """PARSE_FAILURE where nobody is named whom the plugin may call, INTERNAL_FAILURE for what cannot be sent: the
    statuses that the Rust SDK survives. EH BadCall."""
    step = make(**changed)
    with start(("request_headers", *step), upstreams=["echo"]) as host:
        request(host)
        assert statuses(host, step[0]) == [status]
        assert len(host.grpc_calls) == (status is Status.OK)


@pytest.mark.parametrize(("name", "which"), [(CALL, 5), (STREAM, 4), (SEND, 1)])
@pytest.mark.parametrize(("address", "size"), [(0x7FFFFFFF, 4), (0, 0x7FFFFFFF), (ALL, ALL), (1, ALL)])
def test_ranges_out_of_bounds_are_refused(name: str, which: int, address: int, size: int) -> None:
    """Each of the byte ranges."""
    for index in range(which):
        ranges: list[Any] = []
        for at in range(which):
            ranges += [address, size] if at == index else [b"echo" if at < 3 else b""]
        rest = {CALL: [100, TOKEN], STREAM: [TOKEN], SEND: [0]}[name]
        arguments = [6, *ranges, *rest] if name == SEND else [*ranges, *rest]
        with start(("request_headers", name, *arguments)) as host:
            request(host)
            assert statuses(host, name) == [Status.INVALID_MEMORY_ACCESS]
            assert host.grpc_calls == []


@pytest.mark.parametrize(
    ("token", "send", "end"),
    [
        (0xFF00, Status.BAD_ARGUMENT, Status.BAD_ARGUMENT),  # of an http call
        (0xFF01, Status.BAD_ARGUMENT, Status.NOT_FOUND),  # of a call, to which nothing more is sent
        (0xFF02, Status.NOT_FOUND, Status.NOT_FOUND),  # of a stream
        (0xFF03, Status.BAD_ARGUMENT, Status.BAD_ARGUMENT),  # of nothing
        (0, Status.BAD_ARGUMENT, Status.BAD_ARGUMENT),
    ],
)
def test_tokens_of_the_wrong_kind(token: int, send: Status, end: Status) -> None:
    """EH GrpcCall and GrpcStream: the low two bits tell the kind."""
    steps = [("request_headers", SEND, token, b"a", 0)]
    steps += [("request_headers", name, token) for name in (CLOSE, CANCEL)]
    with start(*steps) as host:
        request(host)
        assert statuses(host, SEND) == [send]
        assert statuses(host, CLOSE) == statuses(host, CANCEL) == [end]


def test_tokens_are_envoys() -> None:
    """Calls 5, 9, …, streams 6, 10, …: told apart from http calls, which have 4, 8, …"""
    steps = [("request_headers", *make()) for make in (call, stream, call, stream)]
    with start(*steps) as host:
        request(host)
        assert [made.token for made in host.grpc_calls] == [5, 6, 9, 10]
        assert outcome(host).number(at=TOKEN) == 10


# --- a call


def test_the_request_is_as_the_guest_made_it() -> None:
    """Service, method, metadata, the message, and that no more come."""
    step = call(ENVOY_GRPC_ECHO, metadata=[(b"x-a", b"1"), (b"x-a", b"2")], timeout=250)
    with start(("request_headers", *step)) as host:
        request(host)
        (made,) = host.grpc_calls
        assert (made.upstream, made.service, made.method) == ("echo", "test.Echo", "Unary")
        assert made.metadata == [(b"x-a", b"1"), (b"x-a", b"2")]
        assert (made.messages, made.is_half_closed, made.timeout) == ([b"question"], True, 0.25)
        assert repr(made) == "<HostedGrpcCall call 5 to 'echo': /test.Echo/Unary>"


@pytest.mark.parametrize(("timeout", "seconds"), [(0, 60.0), (1, 0.001), (60_001, 60.0), (ALL, 60.0)])
def test_no_call_takes_longer_than_the_plugin_may_wait(timeout: int, seconds: float) -> None:
    """0 is the longest there is."""
    with start(("request_headers", *call(timeout=timeout))) as host:
        request(host)
        assert host.grpc_calls[0].timeout == seconds


def test_a_call_brings_its_message_and_nothing_else() -> None:
    """EH GrpcCall: one callback; neither metadata nor a close come with it."""
    steps = [
        ("request_headers", *call()),
        (RECEIVE, "proxy_get_buffer_bytes", BufferType.GRPC_CALL_MESSAGE, 0, ALL, OUT, OUT + 4),
        (RECEIVE, "proxy_get_status", OUT + 8, OUT + 12, OUT + 16),
    ]
    with start(*steps) as host:
        request(host)
        host.grpc_calls[0].respond(b"answer")
        assert callbacks(host) == [(RECEIVE, 5, 6)]
        assert outcome(host).given() == b"answer"
        assert outcome(host).number(at=OUT + 8) == 0
        assert host.grpc_calls == []


def test_a_call_that_fails_brings_its_status_and_nothing_else() -> None:
    """EH GrpcCallFailure: on_grpc_close with the status, its text by proxy_get_status; the message is empty then."""
    steps = [
        ("request_headers", *call()),
        (CLOSED, "proxy_get_status", OUT, OUT + 4, OUT + 8),
        (CLOSED, "proxy_get_buffer_bytes", BufferType.GRPC_CALL_MESSAGE, 0, ALL, OUT + 16, OUT + 20),
    ]
    with start(*steps) as host:
        request(host)
        host.grpc_calls[0].close(GrpcStatus.PERMISSION_DENIED, "not you", [(b"x-a", b"b")])
        assert callbacks(host) == [(CLOSED, 5, 7)]
        assert outcome(host).number() == 7
        assert outcome(host).given(OUT + 4) == b"not you"
        assert statuses(host, "proxy_get_buffer_bytes") == [Status.OK]
        assert outcome(host).number(at=OUT + 20) == 0


def test_a_message_of_a_call_that_fails_is_dropped() -> None:
    """As in every gRPC client: the status decides."""
    with start(("request_headers", *call())) as host:
        request(host)
        made = host.grpc_calls[0]
        made.send(b"half an answer")
        made.close(GrpcStatus.ABORTED)
        assert callbacks(host) == [(CLOSED, 5, 10)]


def test_a_call_has_exactly_one_message() -> None:
    """None is a failure as in Envoy, and so is a second."""
    with start(("request_headers", *call())) as host:
        request(host)
        host.grpc_calls[0].close()
        assert callbacks(host) == [(CLOSED, 5, GrpcStatus.INTERNAL)]
        request(host)
        made = host.grpc_calls[0]
        made.send(b"one")
        made.send(b"two")
        assert callbacks(host)[1:] == [(CLOSED, 9, GrpcStatus.INTERNAL)]
        assert not made.is_pending


def test_a_call_ends_when_its_time_is_over() -> None:
    """DEADLINE_EXCEEDED, as gRPC has it."""
    with start(("request_headers", *call(timeout=100))) as host:
        request(host)
        made = host.grpc_calls[0]
        host.advance(0.1)
        assert callbacks(host) == [(CLOSED, 5, GrpcStatus.DEADLINE_EXCEEDED)]
        with pytest.raises(LookupError, match="is over"):
            made.respond(b"")


@pytest.mark.parametrize("name", [CLOSE, CANCEL])
def test_a_call_that_is_closed_or_cancelled_says_nothing_more(name: str) -> None:
    """EH GrpcCallCancel, GrpcCallClose: both cancel it; its token is unknown then."""
    steps = [("request_headers", *call()), *[("request_headers", name, 5)] * 2]
    with start(*steps) as host:
        request(host)
        assert statuses(host, name) == [Status.OK, Status.NOT_FOUND]
        assert host.grpc_calls == []
        host.advance(60)
        assert callbacks(host) == []


def test_a_message_over_the_limit_ends_the_call() -> None:
    """The bound is that of responses."""
    with start(("request_headers", *call()), callouts=CalloutSettings(max_response_size=10)) as host:
        request(host)
        host.grpc_calls[0].respond(b"more bytes!")
        assert callbacks(host) == [(CLOSED, 5, GrpcStatus.RESOURCE_EXHAUSTED)]


# --- a stream


def test_a_stream_brings_metadata_messages_trailing_metadata_and_its_end() -> None:
    """EH GrpcStream, CloseRemote: in this order, with the counts of fields and bytes, each readable in its callback."""
    steps = [
        ("request_headers", *stream()),
        (INITIAL, "proxy_get_header_map_pairs", MapType.GRPC_CALL_INITIAL_METADATA, OUT, OUT + 4),
        (RECEIVE, "proxy_get_buffer_bytes", BufferType.GRPC_CALL_MESSAGE, 0, ALL, OUT + 8, OUT + 12),
        (TRAILING, "proxy_get_header_map_pairs", MapType.GRPC_CALL_TRAILING_METADATA, OUT + 16, OUT + 20),
        (CLOSED, "proxy_get_status", OUT + 24, OUT + 28, OUT + 32),
        (CLOSED, SEND, 6, b"late", 0),
    ]
    with start(*steps) as host:
        request(host)
        made = host.grpc_calls[0]
        assert made.is_stream
        assert made.timeout is None
        made.send_initial_metadata([(b"x-a", b"1")])
        made.send(b"one")
        made.send(b"")
        made.send(b"three")
        made.close(GrpcStatus.OK, "fine", [(b"x-b", b"2")])
        assert callbacks(host) == [
            (INITIAL, 6, 2),
            (RECEIVE, 6, 3),
            (RECEIVE, 6, 0),
            (RECEIVE, 6, 5),
            (TRAILING, 6, 1),
            (CLOSED, 6, 0),
        ]
        run = outcome(host)
        assert decode_pairs(run.given()) == [(b":status", b"200"), (b"x-a", b"1")]
        assert run.given(OUT + 8) == b"three"
        assert decode_pairs(run.given(OUT + 16)) == [(b"x-b", b"2")]
        assert run.given(OUT + 28) == b"fine"
        assert statuses(host, SEND) == [Status.NOT_FOUND]


def test_messages_go_out_until_the_guest_ends_them() -> None:
    """By the last message's flag, or by closing; more are a bad argument, another close is none. EH CloseLocal."""
    steps = [
        ("request_headers", *stream()),
        ("request_headers", SEND, 6, b"one", 0),
        (RECEIVE, SEND, 6, b"two", 1),
        (RECEIVE, SEND, 6, b"three", 0),
        (RECEIVE, CLOSE, 6),
    ]
    with start(*steps) as host:
        request(host)
        made = host.grpc_calls[0]
        assert (made.messages, made.is_half_closed) == ([b"one"], False)
        made.send(b"go on")
        assert (made.messages, made.is_half_closed) == ([b"one", b"two"], True)
        assert statuses(host, SEND) == [Status.OK, Status.OK, Status.BAD_ARGUMENT]
        assert statuses(host, CLOSE) == [Status.OK]
        made.close()
        assert callbacks(host)[-1] == (CLOSED, 6, 0)


def test_a_closed_stream_still_hears_the_server() -> None:
    """Close is a half-close: of the guest's side alone."""
    steps = [
        ("request_headers", *stream()),
        ("request_headers", CLOSE, 6),
        ("request_headers", SEND, 6, b"a", 0),
    ]
    with start(*steps) as host:
        request(host)
        made = host.grpc_calls[0]
        assert made.is_half_closed
        assert made.is_pending
        assert statuses(host, SEND) == [Status.BAD_ARGUMENT]
        made.send(b"still here")
        assert callbacks(host) == [(RECEIVE, 6, 10)]


@pytest.mark.parametrize("phase", [INITIAL, RECEIVE, TRAILING])
def test_a_stream_that_is_cancelled_from_its_own_callback_says_nothing_more(phase: str) -> None:
    """EH GrpcStreamCancel; the callbacks that would have come next are not made."""
    with start(("request_headers", *stream()), (phase, CANCEL, 6)) as host:
        request(host)
        made = host.grpc_calls[0]
        made.send_initial_metadata()
        if made.is_pending:
            made.send(b"a")
        if made.is_pending:
            made.close()
        assert callbacks(host)[-1][0] == phase
        assert not made.is_pending
        assert host.grpc_calls == []


# --- whose they are, and their ends


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("make", [call, stream])
def test_calls_are_made_from_every_phase(make: Any, phase: str) -> None:
    """Also while the plugin starts: then they are begun when it serves, with what was sent meanwhile."""
    step = make()
    steps: list[Any] = [(CLOSED, "proxy_log", 2, b"ended")]
    more = [] if make is call else [(phase, SEND, 6, b"early", 1)]
    if phase == "tick":
        steps.append(("configure", "proxy_set_tick_period_milliseconds", 1000))
    at_start = [(phase, *step), *more] if phase == "vm_start" else []
    if phase != "vm_start":
        steps += [(phase, *step), *more]
    with start(*steps, vm_steps=at_start) as host:
        host.advance(1)
        exchange(host)
        assert set(statuses(host, step[0])) == {Status.OK}
        made = host.grpc_calls
        assert made
        assert made[0].messages == [b"question" if make is call else b"early"]
        assert made[0].is_half_closed
        for each in made:
            each.close(GrpcStatus.CANCELLED)
        assert "ended" in host.logs()
        assert host.failures == 0


def test_calls_outlive_the_stream_that_made_them() -> None:
    """They are the plugin context's."""
    with start(("request_headers", *call())) as host:
        request(host).close()
        host.grpc_calls[0].respond(b"a")
        assert callbacks(host) == [(RECEIVE, 5, 1)]


def test_calls_end_with_their_plugin_context() -> None:
    """EH GrpcCallAfterDestroyed, GrpcStreamOpenAtShutdown: cancelled, and no callback is made."""
    host = start(("request_headers", *call()), ("request_headers", *stream()))
    request(host).close()
    made = host.grpc_calls
    host.close()
    assert [each.is_pending for each in made] == [False, False]
    assert host.grpc_calls == []
    assert callbacks(host) == []
    for each in made:
        with pytest.raises(LookupError):
            each.close()


@pytest.mark.parametrize("phase", [INITIAL, RECEIVE, TRAILING, CLOSED])
def test_a_trap_in_a_callback_ends_the_calls_of_its_vm(phase: str) -> None:
    """The next VM knows nothing of them and takes new ones."""
    with start(("request_headers", *stream()), (phase, "unreachable")) as host:
        request(host)
        request(host)
        first, second = host.grpc_calls
        for step in (first.send_initial_metadata, lambda: first.send(b"a"), first.close):
            if first.is_pending:
                step()
        assert host.failures == 1
        assert not first.is_pending
        assert not second.is_pending
        host.advance(1)
        request(host)
        assert [each.token for each in host.grpc_calls] == [6]


def test_one_plugin_context_cannot_reach_anothers_calls() -> None:
    """Tokens are the VM's, calls a plugin context's."""
    with start(("request_headers", *stream())) as host:
        request(host)
        guest = host.grpc_calls[0]._call._calls
        assert guest.send(0, 6, b"a", False) is Status.NOT_FOUND
        assert guest.end(0, 6, True) is Status.NOT_FOUND
        assert host.grpc_calls[0].is_pending


def test_no_callback_runs_inside_another() -> None:
    """A call made in a callback is begun there; what the server says comes behind it."""
    steps = [("request_headers", *call()), (RECEIVE, *call()), (RECEIVE, "proxy_log", 2, b"end of callback")]
    with start(*steps) as host:
        request(host)
        for _ in range(3):
            host.grpc_calls[0].respond(b"a")
        rows = [row.name for row in host.trace() if row.name in (CALL, *CALLBACKS)]
        assert rows == [CALL, *[CALL, f"proxy_on_{RECEIVE}"] * 3]


# --- ceilings


def test_a_flood_of_calls_is_bounded() -> None:
    """INTERNAL_FAILURE, which every SDK knows; room comes back with each end."""
    steps = [("request_headers", *make()) for make in [call, stream] * 20]
    with start(*steps, callouts=CalloutSettings(max_calls=10)) as host:
        request(host)
        results = statuses(host, CALL) + statuses(host, STREAM)
        assert (results.count(Status.OK), results.count(Status.INTERNAL_FAILURE)) == (10, 30)
        assert len(host.grpc_calls) == 10
        assert sum("callouts.max_calls" in event.message for event in host.events) == 1
        for each in host.grpc_calls:
            each.close(1)
        request(host)
        assert len(host.grpc_calls) == 10


def test_messages_that_wait_are_bounded_by_the_plugins_memory() -> None:
    """Over all of its calls: here those of a server that takes nothing."""
    steps = [("request_headers", *stream())]
    steps += [("request_headers", SEND, 6, 0, 60_000, 0) for _ in range(12)]
    with start(*steps, memory_limit=10 * 65_536) as host:
        host._services.grpc_call = _Stuck  # type: ignore[method-assign]
        request(host)
        results = statuses(host, SEND)
        assert results == [Status.OK] * 10 + [Status.BAD_ARGUMENT] * 2


class _Stuck:
    """A server that takes nothing."""

    def __init__(self, call: Any) -> None:
        self.unsent = 0

    def send(self, message: bytes, end: bool) -> bool:
        self.unsent += len(message)
        return True

    def half_close(self) -> None: ...

    def cancel(self) -> None: ...


def test_answers_to_many_streams_come_in_any_order() -> None:
    """Each callback has its own token."""
    steps = [("request_headers", *stream(token=TOKEN)) for _ in range(10)]
    with start(*steps) as host:
        request(host)
        made = host.grpc_calls
        for each in reversed(made):
            each.close(each.token % 17)
        ends = [row for row in callbacks(host) if row[0] == CLOSED]
        tokens = list(itertools.islice(itertools.count(6, 4), 10))
        assert ends == [(CLOSED, token, token % 17) for token in reversed(tokens)]
        assert isinstance(made[0], HostedGrpcCall)
