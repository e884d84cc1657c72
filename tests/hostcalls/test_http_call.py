"""proxy_http_call: what is refused at once, what reaches the upstream, and what comes back to the guest."""

from __future__ import annotations

from typing import Any

import pytest

from abi import BufferType, MapType, Status
from abi.pairs import decode_pairs, encode_pairs
from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin.settings import Isolation, Key
from host.testing import CallFailure, CalloutSettings, ChainHost, HostedStream, PluginHost, WasmPlugin
from host.wasm.vm import VmSettings
from testdata.relay import script
from tests.hostcalls.relays import OUT, PHASES, Run, exchange, start
from tests.plugin.guests import GET, OK, POST, wat

ALL = 0xFFFFFFFF
CALL = "proxy_http_call"
CALLBACK = "http_call_response"
TOKEN = OUT + 64
HEADERS = encode_pairs([(b":method", b"GET"), (b":path", b"/check"), (b":authority", b"auth.test")])


def call(
    upstream: bytes = b"auth",
    headers: bytes | list[tuple[bytes, bytes]] = HEADERS,
    body: bytes = b"",
    trailers: bytes = b"",
    timeout: int = 5000,
    token: int = TOKEN,
) -> tuple[Any, ...]:
    """A step of a script, but for its phase."""
    pairs = headers if isinstance(headers, bytes) else encode_pairs(headers)
    return (CALL, upstream, pairs, body, trailers, timeout, token)


def head(**changed: bytes | None) -> list[tuple[bytes, bytes]]:
    """The pseudo-headers of a call, with these changed; None takes one away."""
    fields: dict[str, bytes | None] = {"method": b"GET", "path": b"/", "authority": b"a.test"} | changed
    return [(b":" + name.encode(), value) for name, value in fields.items() if value is not None]


def request(host: PluginHost) -> HostedStream:
    """A stream whose request headers have come."""
    stream = host.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    return stream


def statuses(host: PluginHost, name: str = CALL) -> list[Status]:
    """The results of all calls of this name so far."""
    rows = Run(host, HostedStream.__new__(HostedStream), "relay.wat").results
    return [Status(result) for _, called, result in rows if called == name]


# --- what is refused at once


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (call(headers=head(method=None)), Status.BAD_ARGUMENT),
        (call(headers=head(path=None)), Status.BAD_ARGUMENT),
        (call(headers=head(authority=None)), Status.BAD_ARGUMENT),
        (call(headers=b""), Status.BAD_ARGUMENT),
        (call(headers=b"\1\0\0\0"), Status.BAD_ARGUMENT),
        (call(headers=head(method=b"GE T")), Status.BAD_ARGUMENT),
        (call(headers=head(method=b"CONNECT")), Status.BAD_ARGUMENT),
        (call(headers=head(path=b"/a\r\nb")), Status.BAD_ARGUMENT),
        (call(headers=head(path=b"no-slash")), Status.BAD_ARGUMENT),
        (call(headers=head(authority=b"")), Status.BAD_ARGUMENT),
        (call(headers=head(authority=b"a b")), Status.BAD_ARGUMENT),
        (call(headers=head(scheme=b"ftp")), Status.BAD_ARGUMENT),
        (call(headers=head(unknown=b"x")), Status.BAD_ARGUMENT),
        (call(headers=[*head(), (b":path", b"/twice")]), Status.BAD_ARGUMENT),
        (call(headers=[*head(), (b"a\nb", b"c")]), Status.BAD_ARGUMENT),
        (call(headers=[*head(), (b"a", b"c\r\nd: e")]), Status.BAD_ARGUMENT),
        (call(headers=[*head(), (b"", b"c")]), Status.BAD_ARGUMENT),
        (call(trailers=encode_pairs([(b":status", b"200")])), Status.BAD_ARGUMENT),
        (call(trailers=encode_pairs([(b"a", b"b\0c")])), Status.BAD_ARGUMENT),
        (call(trailers=b"xx"), Status.BAD_ARGUMENT),
        (call(timeout=-1), Status.BAD_ARGUMENT),
        (call(timeout=-0x80000000), Status.BAD_ARGUMENT),
        (call(upstream=b"\xff"), Status.BAD_ARGUMENT),
        (call(token=0x7FFFFFFF), Status.INVALID_MEMORY_ACCESS),
        (call(token=0xFFFFFFFF), Status.INVALID_MEMORY_ACCESS),
        (call(token=0xFFFFFFFF, headers=b""), Status.INVALID_MEMORY_ACCESS),
        (call(headers=[*head(), (b"scheme", b"x")]), Status.OK),
        (call(headers=head(scheme=b"https")), Status.OK),
        (call(timeout=0x7FFFFFFF), Status.OK),
        (call(upstream=b""), Status.OK),  # any name is one, in the test kit
    ],
)
def test_arguments_are_judged_before_anything_is_sent(step: tuple[Any, ...], status: Status) -> None:
    """BAD_ARGUMENT for what is wrong, INVALID_MEMORY_ACCESS first; nothing is sent then."""
    with start(("request_headers", *step)) as host:
        request(host)
        assert statuses(host) == [status]
        assert len(host.calls) == (status is Status.OK)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize(("address", "size"), [(0x7FFFFFFF, 4), (0, 0x7FFFFFFF), (ALL, ALL), (1, ALL)])
def test_ranges_out_of_bounds_are_refused(which: int, address: int, size: int) -> None:
    """Of the upstream, the headers, the body and the trailers."""
    given: list[Any] = [b"auth", HEADERS, b"", b""]
    arguments: list[Any] = []
    for index, value in enumerate(given):
        arguments += [address, size] if index == which else [value]
    with start(("request_headers", CALL, *arguments, 100, TOKEN)) as host:
        request(host)
        assert statuses(host) == [Status.INVALID_MEMORY_ACCESS]
        assert host.calls == []


def test_an_unknown_upstream_is_a_bad_argument_and_is_logged_once() -> None:
    """Envoy's status; the operator reads which one it was."""
    steps = [
        ("request_headers", *call(b"nobody")),
        ("request_headers", *call(b"a b")),
        ("request_headers", *call()),
    ]
    with start(*steps, upstreams=["auth"]) as host:
        request(host)
        request(host)
        assert statuses(host) == [Status.BAD_ARGUMENT, Status.BAD_ARGUMENT, Status.OK] * 2
        assert [event.message for event in host.events] == [
            "no call to 'nobody': it is no configured upstream, and nobody:80 is not in callouts.allow",
            "no call to 'a b': it is no configured upstream, and 'a b' is neither a host name nor an IP address",
        ]
        assert {event.level for event in host.events} == {LogLevel.WARN}


def test_addresses_are_called_where_the_plugin_may() -> None:
    """Configured upstreams come first; a scheme in the headers counts."""
    targets = [b"a.test:81", b"unix:/run/a", b"https://b.test", b"b.test", b"a.test:82"]
    steps = [("request_headers", *call(target)) for target in targets]
    secure = ("request_headers", *call(b"b.test", headers=head(scheme=b"https")))
    allow = ("a.test:81", "unix:/run/a", "https://b.test")
    with start(*steps, secure, upstreams=[], callouts=CalloutSettings(allow=allow)) as host:
        request(host)
        ok, bad = Status.OK, Status.BAD_ARGUMENT
        assert statuses(host) == [ok, ok, ok, bad, bad, ok]
        assert [each.upstream for each in host.calls] == [
            "a.test:81",
            "unix:/run/a",
            "https://b.test",
            "b.test",
        ]


# --- what is sent


def test_the_request_is_as_the_guest_made_it() -> None:
    """Its fields in their order, its body, its trailers; and a token of Envoy's scheme."""
    fields = [*head(method=b"POST"), (b"x-a", b"1"), (b"x-a", b"2")]
    step = call(headers=fields, body=b"hello world", trailers=encode_pairs([(b"x-sum", b"1")]), timeout=250)
    with start(("request_headers", *step)) as host:
        request(host)
        (made,) = host.calls
        assert (made.upstream, made.headers, made.body) == ("auth", fields, b"hello world")
        assert (made.trailers, made.timeout, made.plugin) == ([(b"x-sum", b"1")], 0.25, "relay")
        assert made.get(b"x-a") == b"1"
        assert repr(made) == "<HostedCall 4 to 'auth': POST />"
        assert int.from_bytes(host.read_memory(TOKEN, 4), "little") == made.token == 4


@pytest.mark.parametrize(("timeout", "seconds"), [(0, 60.0), (1, 0.001), (60_001, 60.0), (0x7FFFFFFF, 60.0)])
def test_no_call_takes_longer_than_the_plugin_may_wait(timeout: int, seconds: float) -> None:
    """0 is the longest there is; Envoy has no bound then."""
    with start(("request_headers", *call(timeout=timeout))) as host:
        request(host)
        assert host.calls[0].timeout == seconds


@pytest.mark.parametrize("phase", PHASES)
def test_calls_are_made_from_every_phase(phase: str) -> None:
    """Those of a stream, of ticks, of the plugin's start, and of a stream's end. K 130-16, K contexts, rust-sdk#54."""
    steps: list[Any] = [(CALLBACK, "proxy_log", 2, b"answered")]
    if phase == "tick":
        steps.append(("configure", "proxy_set_tick_period_milliseconds", 1000))
    at_start = [("vm_start", *call())] if phase == "vm_start" else []
    if phase != "vm_start":
        steps.append((phase, *call()))
    with start(*steps, vm_steps=at_start) as host:
        host.advance(1)
        exchange(host)
        assert set(statuses(host)) == {Status.OK}
        for made in host.calls:
            made.respond()
        assert "answered" in host.logs()
        assert host.failures == 0


# --- what comes back


def callback(host: PluginHost) -> list[tuple[int, ...]]:
    """Arguments of the callbacks so far: token, header fields, body bytes, trailer fields."""
    return [row.arguments[1:] for row in host.trace("proxy_on_http_call_response")]


def test_the_response_is_there_in_the_callback() -> None:
    """Headers with :status and repeated fields, body, trailers. EH AsyncCall; K 130-46, 130-47; A callback 1, 2."""
    read = [
        (CALLBACK, "proxy_get_header_map_pairs", MapType.HTTP_CALL_RESPONSE_HEADERS, OUT, OUT + 4),
        (CALLBACK, "proxy_get_buffer_bytes", BufferType.HTTP_CALL_RESPONSE_BODY, 0, ALL, OUT + 8, OUT + 12),
        (CALLBACK, "proxy_get_header_map_pairs", MapType.HTTP_CALL_RESPONSE_TRAILERS, OUT + 16, OUT + 20),
        (CALLBACK, "proxy_get_status", OUT + 24, OUT + 28, OUT + 32),
    ]
    with start(("request_headers", *call()), *read) as host:
        stream = request(host)
        made = host.calls[0]
        made.respond(500, [(b"set-cookie", b"a"), (b"set-cookie", b"b")], b"answer", [(b"x-sum", b"9")])
        outcome = Run(host, stream, "relay.wat")
        assert set(outcome.statuses) == {Status.OK}
        fields = [(b":status", b"500"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
        assert decode_pairs(outcome.given()) == fields
        assert outcome.given(OUT + 8) == b"answer"
        assert decode_pairs(outcome.given(OUT + 16)) == [(b"x-sum", b"9")]
        assert outcome.number(at=OUT + 24) == 0
        assert callback(host) == [(4, 3, 6, 1)]
        assert not made.is_pending
        assert host.calls == []


def test_a_response_without_body_or_trailers_has_an_empty_body_and_no_trailers() -> None:
    """Envoy's statuses."""
    read = [
        (CALLBACK, "proxy_get_buffer_bytes", BufferType.HTTP_CALL_RESPONSE_BODY, 0, ALL, OUT, OUT + 4),
        (CALLBACK, "proxy_get_header_map_value", MapType.HTTP_CALL_RESPONSE_TRAILERS, b"a", OUT, OUT + 4),
    ]
    with start(("request_headers", *call()), *read) as host:
        stream = request(host)
        host.calls[0].respond(204)
        assert Run(host, stream, "relay.wat").statuses[1:] == [Status.OK, Status.BAD_ARGUMENT]
        assert callback(host) == [(4, 1, 0, 0)]


def test_nothing_of_one_response_is_in_the_next() -> None:
    """What one has brought is used again for another."""
    read = [
        (CALLBACK, "proxy_get_header_map_pairs", MapType.HTTP_CALL_RESPONSE_HEADERS, OUT, OUT + 4),
        (
            CALLBACK,
            "proxy_get_header_map_value",
            MapType.HTTP_CALL_RESPONSE_TRAILERS,
            b"x-sum",
            OUT + 8,
            OUT + 12,
        ),
    ]
    with start(("request_headers", *call()), *read) as host:
        for _ in range(3):
            stream = request(host)
            host.calls[0].respond(200, [(b"x-secret", b"1")], b"long body", [(b"x-sum", b"9")])
            request(host)
            host.calls[0].respond(204)
            assert decode_pairs(Run(host, stream, "relay.wat").given()) == [(b":status", b"204")]
        assert [row[1:] for row in callback(host)] == [(2, 9, 1), (1, 0, 0)] * 3
        outcome = statuses(host, "proxy_get_header_map_value")
        assert outcome == [Status.OK, Status.BAD_ARGUMENT] * 3


@pytest.mark.parametrize("failure", CallFailure)
def test_a_failure_tells_its_reason(failure: CallFailure) -> None:
    """0, 0, 0; the status of Envoy with a text, and ngx_wasm_module's pseudo-field. EH AsyncCallFailure; K 130."""
    read = [
        (CALLBACK, "proxy_get_status", OUT, OUT + 4, OUT + 8),
        (CALLBACK, "proxy_get_header_map_value", MapType.HTTP_CALL_RESPONSE_HEADERS, b":dispatch_status", OUT + 16, OUT + 20),
        (CALLBACK, "proxy_get_header_map_value", MapType.HTTP_CALL_RESPONSE_HEADERS, b":status", OUT + 24, OUT + 28),
        (CALLBACK, "proxy_get_buffer_bytes", BufferType.HTTP_CALL_RESPONSE_BODY, 0, ALL, OUT + 24, OUT + 28),
    ]  # fmt: skip
    with start(("request_headers", *call()), *read) as host:
        stream = request(host)
        host.calls[0].fail(failure, "because")
        outcome = Run(host, stream, "relay.wat")
        assert outcome.statuses[1:] == [Status.OK, Status.OK, Status.NOT_FOUND, Status.NOT_FOUND]
        assert outcome.number() == 11
        assert outcome.given(OUT + 4) == f"{failure.value}: because".encode()
        assert outcome.given(OUT + 16) == failure.value.encode()
        assert callback(host) == [(4, 0, 0, 0)]


def test_a_call_ends_when_its_time_is_over() -> None:
    """On the host's clock; an answer would come too late."""
    with start(("request_headers", *call(timeout=100))) as host:
        request(host)
        made = host.calls[0]
        host.advance(0.099)
        assert made.is_pending
        host.advance(0.001)
        assert callback(host) == [(4, 0, 0, 0)]
        assert host.calls == []
        with pytest.raises(LookupError, match="waits for no answer"):
            made.respond()
        with pytest.raises(LookupError):
            made.fail()


def test_a_response_over_the_limit_is_a_failure() -> None:
    """Not a truncated body."""
    read = (CALLBACK, "proxy_get_status", OUT, OUT + 4, OUT + 8)
    with start(("request_headers", *call()), read, callouts=CalloutSettings(max_response_size=10)) as host:
        stream = request(host)
        host.calls[0].respond(body=b"ten bytes!")
        assert callback(host) == [(4, 1, 10, 0)]
        request(host)
        host.calls[0].respond(body=b"more bytes!")
        assert callback(host)[1] == (8, 0, 0, 0)
        assert Run(host, stream, "relay.wat").given(OUT + 4) == b"response too large"


# --- streams that wait


def test_a_paused_request_goes_on_when_its_call_is_answered() -> None:
    """The callback is the plugin context's: the guest makes the stream effective first. J HttpAuthRandom."""
    steps = [
        ("request_headers", *call()),
        ("request_headers", "return", 4),
        (CALLBACK, "proxy_set_effective_context", 2),
        (CALLBACK, "proxy_continue_stream", 0),
    ]
    with start(*steps) as host:
        stream = request(host)
        assert stream.request_paused
        assert not stream.to_upstream.ended
        host.calls[0].respond()
        assert not stream.request_paused
        assert stream.to_upstream.ended


def test_a_paused_response_goes_on_when_its_call_is_answered() -> None:
    """Response phases call too, as in Envoy."""
    steps = [
        ("response_headers", *call()),
        ("response_headers", "return", 4),
        (CALLBACK, "proxy_set_effective_context", 2),
        (CALLBACK, "proxy_add_header_map_value", MapType.HTTP_RESPONSE_HEADERS, b"x-checked", b"yes"),
        (CALLBACK, "proxy_continue_stream", 1),
    ]
    with start(*steps) as host:
        stream = request(host)
        stream.response_headers(OK, end_of_stream=True)
        assert stream.to_client.headers is None
        host.calls[0].respond()
        assert stream.to_client.get(b"x-checked") == b"yes"
        assert stream.to_client.ended


def test_a_callback_may_answer_the_request() -> None:
    """403 by what the callee says. X forward-auth; K 133-4."""
    steps = [
        ("request_headers", *call()),
        ("request_headers", "return", 4),
        (CALLBACK, "proxy_set_effective_context", 2),
        (CALLBACK, "proxy_send_local_response", 403, b"", b"no", b"", -1),
    ]
    with start(*steps) as host:
        stream = request(host)
        host.calls[0].respond(401)
        assert stream.local_response is not None
        assert (stream.local_response.status, stream.local_response.body) == (403, b"no")
        assert stream.to_upstream.headers is None


def test_a_paused_body_may_be_replaced_by_the_callback() -> None:
    """All of what is buffered, not an insertion at its front (rust-sdk#116)."""
    steps = [
        ("request_body", *call()),
        ("request_body", "return", 1),
        (CALLBACK, "proxy_set_effective_context", 2),
        (CALLBACK, "proxy_set_buffer_bytes", BufferType.HTTP_REQUEST_BODY, 0, ALL, b"new"),
        (CALLBACK, "proxy_continue_stream", 0),
    ]
    with start(*steps) as host:
        stream = host.http_stream()
        stream.request_headers(POST)
        stream.request_body(b"old and longer", end_of_stream=True)
        assert stream.to_upstream.body == b""
        host.calls[0].respond()
        assert stream.to_upstream.body == b"new"
        assert stream.to_upstream.ended


def test_a_stream_that_is_gone_cannot_be_made_effective() -> None:
    """The answer still comes: the call belongs to the plugin context."""
    steps = [
        ("request_headers", *call()),
        ("request_headers", "return", 4),
        (CALLBACK, "proxy_set_effective_context", 2),
        (CALLBACK, "proxy_continue_stream", 0),
    ]
    with start(*steps) as host:
        request(host).close()
        host.calls[0].respond()
        assert statuses(host, "proxy_set_effective_context") == [Status.BAD_ARGUMENT]
        assert statuses(host, "proxy_continue_stream") == [Status.OK]
        assert host.failures == 0


# --- several calls


def test_ten_calls_in_parallel_are_answered_in_any_order() -> None:
    """Each callback has the token of its call. K 130-44, 133-2; J MultipleDispatches."""
    with start(*[("request_headers", *call(token=TOKEN + 4 * index)) for index in range(10)]) as host:
        request(host)
        made = host.calls
        tokens = [4 * index for index in range(1, 11)]
        assert [each.token for each in made] == tokens
        for each in reversed(made):
            each.respond()
        assert [row[0] for row in callback(host)] == tokens[::-1]


def test_a_callback_may_call_again() -> None:
    """Three deep, and on. K 133-5; A callback 9."""
    with start(("request_headers", *call()), (CALLBACK, *call(b"next"))) as host:
        request(host)
        for depth in range(1, 4):
            (made,) = host.calls
            assert made.upstream == ("auth" if depth == 1 else "next")
            made.respond()
            assert [row[0] for row in callback(host)] == [4 * index for index in range(1, depth + 1)]
        assert len(host.calls) == 1


def test_a_call_that_fails_inside_a_callback_is_delivered_behind_it() -> None:
    """No callback runs inside another: a guest is never entered from inside its own call."""
    with start(("request_headers", *call()), (CALLBACK, *call(timeout=1))) as host:
        request(host)
        host.calls[0].fail()
        host.advance(0.0015)
        depths = [row.name for row in host.trace() if row.name in (CALL, "proxy_on_http_call_response")]
        assert depths[:4] == [CALL, CALL, "proxy_on_http_call_response", CALL]


def test_a_flood_of_calls_is_bounded() -> None:
    """INTERNAL_FAILURE, which every SDK knows, and one line for the operator; room comes back with each end."""
    steps = [("request_headers", *call(token=TOKEN)) for _ in range(100)]
    with start(*steps, callouts=CalloutSettings(max_calls=300)) as host:
        for _ in range(100):
            request(host)
        outcome = statuses(host)
        assert outcome == [Status.OK] * 300 + [Status.INTERNAL_FAILURE] * 9700
        assert [event.message for event in host.events] == [
            "300 calls are in flight, as many as callouts.max_calls allows: further ones fail until some have ended"
        ]
        for made in host.calls[:20]:
            made.respond()
        request(host)
        assert statuses(host)[10_000:].count(Status.OK) == 20
        host.advance(5)
        assert host.calls == []
        assert len(callback(host)) == 320


def test_bodies_in_flight_hold_no_more_memory_than_the_guest() -> None:
    """Else a guest of a megabyte could have the host keep a gigabyte."""
    step = ("request_headers", *call(body=b"x" * 40_000))
    with start(step, memory_limit=1 << 20) as host:
        for _ in range(40):
            request(host)
        assert statuses(host) == [Status.OK] * 26 + [Status.INTERNAL_FAILURE] * 14
        assert "hold as many bytes as the plugin may" in host.events[0].message


# --- ends


def test_calls_end_with_their_plugin_context_without_a_callback() -> None:
    """EH AsyncCallAfterDestroyed."""
    with start(("request_headers", *call())) as host:
        request(host)
        made = host.calls[0]
        host.close()
        assert not made.is_pending
        assert host.calls == []
        assert callback(host) == []


def test_calls_end_with_a_vm_that_fails() -> None:
    """Those of its other streams too; the VM that takes over is never told of them (envoy PR 38865)."""
    steps = [("request_headers", *call()), ("response_headers", "unreachable")]
    with start(*steps) as host:
        stream = request(host)
        request(host)
        first, second = host.calls
        stream.response_headers(OK, end_of_stream=True)
        assert host.failures == 1
        assert host.is_up
        assert not first.is_pending
        assert not second.is_pending
        host.advance(10)
        assert callback(host) == []


def test_a_trap_in_the_callback_fails_the_streams_that_wait() -> None:
    """K 130-42; A http_call 5."""
    steps = [("request_headers", *call()), ("request_headers", "return", 4), (CALLBACK, "unreachable")]
    with start(*steps) as host:
        stream = request(host)
        host.calls[0].respond()
        assert host.failures == 1
        assert stream.local_response is not None
        assert stream.local_response.status == 503


def test_calls_of_a_plugin_that_starts_wait_until_it_serves() -> None:
    """A VM that stands by calls nobody; when it takes over, it does."""
    steps = [("configure", *call()), ("request_headers", "unreachable")]
    with start(*steps, keep_spare=True) as host:
        assert len(host.calls) == 1
        first = host.calls[0]
        request(host)
        assert not first.is_pending
        assert len(host.calls) == 1
        host.calls[0].respond()
        assert len(callback(host)) == 1


def test_a_plugin_that_refuses_its_configuration_calls_nobody() -> None:
    """There is no context for the answer."""
    with start() as host:
        with pytest.raises(PluginStartError):
            host.plugin.context(Key(script(("configure", *call()), ("configure", "return", 0))))
        assert host.calls == []


def test_an_answer_by_one_callback_leaves_the_other_calls_alone() -> None:
    """They belong to the plugin context, as in Envoy; the first answer of a stream wins."""
    steps = [
        ("request_headers", *call()),
        ("request_headers", *call(token=TOKEN + 4)),
        ("request_headers", "return", 4),
        (CALLBACK, "proxy_set_effective_context", 2),
        (CALLBACK, "proxy_send_local_response", 403, b"", b"no", b"", -1),
    ]
    with start(*steps) as host:
        stream = request(host)
        first, second = host.calls
        first.respond(401)
        assert second.is_pending
        second.respond(401)
        assert [row[0] for row in callback(host)] == [4, 8]
        assert stream.to_client.body == b"no"
        assert host.failures == 0


# --- who shares what


@pytest.mark.parametrize("isolation", [Isolation.STREAM, Isolation.FILTER, Isolation.ROUTE])
def test_the_bound_is_the_plugins_however_many_vms_it_has(isolation: Isolation) -> None:
    """A VM for each stream must not mean a bound for each stream."""
    allowed = CalloutSettings(max_calls=3)
    with start(("request_headers", *call()), callouts=allowed, isolation=isolation) as host:
        streams = [request(host) for _ in range(5)]
        assert len(host.calls) == 3
        streams[0].close()
        if isolation is not Isolation.ROUTE:  # the stream's VM has gone, and its call with it
            assert len(host.calls) == 2
            request(host)
            assert len(host.calls) == 3


def test_plugins_that_share_a_vm_have_each_their_own_allowance() -> None:
    """What one may call, another one on the same VM may not."""
    steps = script(("request_headers", *call(b"a.test")))
    vm = VmSettings(vm_id="both", log_level=LogLevel.TRACE)
    chain = [
        WasmPlugin(wat("relay"), steps, name="first", vm=vm, callouts=CalloutSettings(allow=("a.test",))),
        WasmPlugin(wat("relay"), steps, name="second", vm=vm),
    ]
    with ChainHost(chain, upstreams=[]) as host:
        assert host.plugins["first"].vm is host.plugins["second"].vm
        host.http_stream().request_headers(GET, end_of_stream=True)
        assert [each.plugin for each in host.calls] == ["first"]
        assert [event.plugin for event in host.events] == ["second"]
