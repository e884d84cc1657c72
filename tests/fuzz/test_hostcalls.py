"""Any host call with any arguments in any phase: an answer that SDKs survive, and an exchange that ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from abi import Status, WasiErrno, encode_pairs
from abi.signature import HostFunction
from host.testing import HostedStream
from testdata import relay
from tests.hostcalls.relays import OUT, PHASES, Run, exchange, start
from tests.hostcalls.test_delivery import full, root_of
from tests.plugin.guests import POST, Fields

END = 8 * 65536
OK, NF, BA, IMA, UN = (
    Status.OK,
    Status.NOT_FOUND,
    Status.BAD_ARGUMENT,
    Status.INVALID_MEMORY_ACCESS,
    Status.UNIMPLEMENTED,
)
# What each call may answer to arguments that no SDK makes: BAD_ARGUMENT and INVALID_MEMORY_ACCESS tell the guest's fault.
ALLOWED = {
    "proxy_get_header_map_value": {OK, NF, BA, IMA},
    "proxy_get_buffer_bytes": {OK, NF, BA, IMA},
    "proxy_get_buffer_status": {OK, NF, BA, IMA},
    "proxy_set_buffer_bytes": {OK, NF, BA, IMA},
    "proxy_get_property": {OK, NF, IMA},
    "proxy_set_property": {OK, NF, BA, IMA, Status.INTERNAL_FAILURE},
    "proxy_continue_stream": {OK, BA, UN},
    "proxy_done": {OK, NF},
    "proxy_get_shared_data": {OK, NF, IMA},
    "proxy_set_shared_data": {OK, Status.CAS_MISMATCH, IMA},
    "proxy_register_shared_queue": {OK, IMA},
    "proxy_resolve_shared_queue": {OK, NF, IMA},
    "proxy_enqueue_shared_queue": {OK, NF, IMA},
    "proxy_dequeue_shared_queue": {OK, NF, Status.EMPTY, IMA},
    "proxy_http_call": {OK, BA, Status.INTERNAL_FAILURE, IMA},
    "proxy_grpc_call": {OK, BA, Status.PARSE_FAILURE, Status.INTERNAL_FAILURE, IMA},
    "proxy_grpc_stream": {OK, BA, Status.PARSE_FAILURE, Status.INTERNAL_FAILURE, IMA},
    "proxy_grpc_send": {OK, NF, BA, IMA},
    "proxy_grpc_close": {OK, NF, BA},
    "proxy_grpc_cancel": {OK, NF, BA},
    "proxy_increment_metric": {OK, NF, BA},
    "proxy_record_metric": {OK, NF, BA},
    "proxy_get_metric": {OK, NF, BA, IMA},
    "proxy_call_foreign_function": {OK, NF, BA, Status.SERIALIZATION_FAILURE, IMA},
}
ORDINARY = {OK, BA, IMA}

addresses = st.sampled_from(
    [0, 1, 4, OUT, OUT + 1, 0x30000, END - 1, END, END + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
)
numbers = st.one_of(
    st.integers(0, 10),
    addresses,
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([100, 200, 403, 500, 999, 1000, 0xFFFFFFFE]),
)
texts = st.sampled_from(
    [
        *(
            b"x-a",
            b":path",
            b":status",
            b"host",
            b"content-length",
            b"request\0path",
            b"my\0state",
            b"/new",
            b"200",
            b"1",
        ),
        *(
            b"a\r\nb",
            b"\0",
            b"\xff" * 20,
            encode_pairs([(b"a", b"b")]),
            encode_pairs([(b":path", b"/"), (b"c", b"d")]),
            b"\1\0\0\0",
        ),
    ]
)


@st.composite
def steps(draw: st.DrawFn, file: str, phases: Sequence[str] = PHASES[1:]) -> tuple[Any, ...]:
    """One call of a script; ranges are good ones half the time, else two numbers."""
    function: HostFunction = draw(st.sampled_from(relay.calls(file)))
    names = [parameter.name for parameter in function.parameters]
    arguments: list[int | bytes] = []
    at = 0
    while at < len(names):
        is_range = names[at].endswith("_data") and at + 1 < len(names) and not names[at].startswith("return_")
        if is_range and draw(st.booleans()):
            arguments.append(draw(texts))
            at += 2
        elif names[at].startswith("return_") and draw(st.booleans()):
            arguments.append(OUT + 16 * at)
            at += 1
        else:
            arguments.append(draw(numbers))
            at += 1
    return (draw(st.sampled_from(phases)), function.name, *arguments)


results = st.tuples(
    st.sampled_from(PHASES[4:10]), st.just(relay.RETURN), st.sampled_from([0, 0, 0, 1, 2, 3, 4, 0xFFFFFFFF])
)


OF_PLUGIN_CONTEXTS = (
    *("vm_start", "configure", "queue_ready", "http_call_response", "foreign_function"),
    *("grpc_receive_initial_metadata", "grpc_receive", "grpc_receive_trailing_metadata", "grpc_close"),
)
OF_CONNECTIONS = (
    *("new_connection", "downstream_data", "upstream_data"),
    *("downstream_connection_close", "upstream_connection_close", "done", "log", "delete"),
)


def scripts_in(phases: Sequence[str]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Calls in these callbacks; connections also pause."""
    pauses = st.tuples(st.sampled_from(phases), st.just(relay.RETURN), st.sampled_from([0, 1, 4, 0xFFFFFFFF]))
    calls = steps("relay.wat", phases)
    return st.lists(st.one_of(calls, calls, pauses) if phases is OF_CONNECTIONS else calls, max_size=12)


def script_of(file: str) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.one_of(steps(file), steps(file), results), max_size=12)


def run(file: str, script: Sequence[tuple[Any, ...]]) -> Run:
    try:
        host = start(*script, file=file, callback_deadline=1000)
    except ValueError:  # a script longer than a relay's room
        host = start(file=file)
    stream = exchange(host)
    if any(step[0] == "tick" for step in script):
        host.advance(1)
    return Run(host, stream, file)


def check_exchange(stream: HostedStream) -> None:
    """One head at most, bytes and an end only behind it; nothing on the wire that could start another line."""
    for message in (stream.to_upstream, stream.to_client):
        if message.headers is None:
            assert not message.chunks
            assert not message.ended
        fields: Fields = [*(message.headers or []), *message.trailers]
        assert not [field for field in fields if any(byte in b"\r\n\0" for byte in field[0] + field[1])]
    if stream.to_client.headers is not None:
        status = stream.to_client.status
        assert status is not None
        assert 200 <= status <= 999
    if stream.to_upstream.headers is not None:
        names = [name for name, _ in stream.to_upstream.headers]
        assert [names.count(name) for name in (b":method", b":path", b":authority", b":scheme")] == [
            1,
            1,
            1,
            1,
        ]
        assert b"host" not in names
        assert names.count(b"content-length") <= 1


@settings(max_examples=300)
@given(script_of("relay.wat"))
def test_host_calls_bear_any_arguments_in_any_phase(script: list[tuple[Any, ...]]) -> None:
    """The VM lives, the statuses are among those that the call has, the exchange is a possible one."""
    outcome = run("relay.wat", script)
    assert outcome.host.failures == 0
    for _, call, result in outcome.results:
        assert Status(result) in ALLOWED.get(call, ORDINARY) or Status(result) is UN
    check_exchange(outcome.stream)
    assert outcome.host.vm.contexts == 1
    outcome.host.close()


@settings(max_examples=100)
@given(script_of("relay_0_1_0.wat"))
def test_host_calls_of_0_1_0_bear_any_arguments(script: list[tuple[Any, ...]]) -> None:
    """With the extensions of Envoy and Emscripten."""
    outcome = run("relay_0_1_0.wat", script)
    assert outcome.host.failures == 0
    check_exchange(outcome.stream)
    outcome.host.close()


@settings(max_examples=200)
@given(script_of("relay_wasi.wat"))
def test_wasi_bears_any_arguments(script: list[tuple[Any, ...]]) -> None:
    """An errno, or the guest's own end."""
    # Random bytes may well land on the relay's own script: what it does then is no concern of the host.
    may_fail = any(step[1] in ("proc_exit", "random_get") for step in script)
    outcome = run("relay_wasi.wat", [step for step in script if step[0] != "configure"])
    if not may_fail:
        assert outcome.host.failures == 0
        names = {function.name for function in relay.calls("relay_wasi.wat")[2:]}
        assert all(result in set(WasiErrno) for _, call, result in outcome.results if call in names)
    check_exchange(outcome.stream)
    outcome.host.close()


@settings(max_examples=300)
@given(scripts_in(OF_PLUGIN_CONTEXTS))
def test_host_calls_bear_any_arguments_in_callbacks_of_plugin_contexts(script: list[tuple[Any, ...]]) -> None:
    """At the start, and in what queues, calls and foreign functions bring: with no stream, and with one made effective."""
    at_start = [step for step in script if step[0] == "vm_start"]
    queue = ("configure", "proxy_register_shared_queue", b"q", OUT)
    effective = [(phase, "proxy_set_effective_context", 2) for phase in OF_PLUGIN_CONTEXTS[2::2]]
    steps = [queue, *effective, *(step for step in script if step[0] != "vm_start")]
    try:
        host = start(*steps, vm_steps=at_start, callback_deadline=1000)
    except ValueError:  # a script longer than a relay's room
        return
    with host:
        stream = host.http_stream()
        stream.request_headers(POST)
        root = root_of(host)
        for callback, *arguments in (
            ("proxy_on_http_call_response", 4, 1, 2, 3),
            ("proxy_on_grpc_receive_initial_metadata", 6, 1),
            ("proxy_on_grpc_receive", 6, 4),
            ("proxy_on_grpc_receive_trailing_metadata", 6, 1),
            ("proxy_on_grpc_close", 6, 0),
            ("proxy_on_foreign_function", 1, 4),
        ):
            root.deliver(callback, full(), *arguments)
        host.shared_queue(b"q").enqueue(b"item")
        host.advance(0.1)
        stream.close()
        assert host.failures == 0
        check_exchange(stream)
        assert host.vm.contexts == 1


@settings(max_examples=300)
@given(scripts_in(OF_CONNECTIONS))
def test_host_calls_bear_any_arguments_on_connections(script: list[tuple[Any, ...]]) -> None:
    """Bytes leave once each at most, in order, and nothing behind the end."""
    try:
        host = start(*script, callback_deadline=1000)
    except ValueError:
        return
    with host:
        connection = host.connection()
        connection.new_connection()
        connection.downstream_data(b"hello")
        connection.upstream_data(b"world", end_of_stream=True)
        connection.downstream_data(b"", end_of_stream=True)
        connection.upstream_close()
        connection.downstream_close()
        host.advance(1)
        connection.close()
        assert host.failures == 0
        if not any(
            step[1] in ("proxy_set_buffer_bytes", relay.RETURN, "proxy_close_stream") for step in script
        ):
            assert (connection.to_upstream.data, connection.to_client.data) == (b"hello", b"world")
        assert host.vm.contexts == 1
