"""proxy_get_property and proxy_set_property."""

from __future__ import annotations

import struct

import pytest

from abi import Status, decode_pairs, encode_pairs
from host.peer import ConnectionInfo
from tests.hostcalls.relays import OUT, REQUEST, RESPONSE, Run, exchange, expect, in_phases, run, start
from tests.plugin.guests import GET, answer, plugin_file, send

GET_PROPERTY, SET_PROPERTY = "proxy_get_property", "proxy_set_property"
ENDS = dict.fromkeys(["vm_start", "configure", "tick"], Status.NOT_FOUND)
BEFORE_A_RESPONSE = ENDS | dict.fromkeys(
    ["context_create", "request_headers", "request_body", "request_trailers"], Status.NOT_FOUND
)


def path(name: str) -> bytes:
    return name.replace(".", "\0").encode()


def read(name: str, phase: str = "log", **options: str) -> bytes | None:
    outcome = run((phase, GET_PROPERTY, path(name), OUT, OUT + 4), **options)
    return None if outcome.statuses == [Status.NOT_FOUND] else outcome.given()


def number(value: int) -> bytes:
    return struct.pack("<q", value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("request.path", b"/a?b=c"),
        ("request.url_path", b"/a"),
        ("request.query", b"b=c"),
        ("request.host", b"example.test"),
        ("request.scheme", b"http"),
        ("request.method", b"POST"),
        ("request.protocol", b"HTTP/1.1"),
        ("request.headers.x-a", b"1,2"),
        ("request.headers.X-A", b"1,2"),
        ("request.headers", encode_pairs(REQUEST)),
        ("request.size", number(5)),
        ("request.total_size", number(5 + sum(len(n) + len(v) for n, v in REQUEST))),
        ("response.code", number(200)),
        ("response.code_details", b"via_upstream"),
        ("response.flags", number(0)),
        ("response.size", number(5)),
        ("response.headers.server", b"origin"),
        ("response.headers", encode_pairs(RESPONSE)),
        ("response.trailers.x-check", b"20"),
        ("response.trailers", encode_pairs([(b"x-check", b"20")])),
        ("source.address", b"203.0.113.7:50000"),
        ("source.port", number(50000)),
        ("destination.address", b"192.0.2.1:9080"),
        ("destination.port", number(9080)),
        ("connection.mtls", b"\0"),
        ("plugin_name", b"relay"),
        ("plugin_root_id", b""),
        ("plugin_vm_id", b""),
    ],
)
def test_well_known_properties_have_envoys_binary_form(name: str, value: bytes) -> None:
    """EH Property. Eight bytes for integers (coraza fails on fewer); addresses with their port; nothing decoded."""
    assert read(name) == value


@pytest.mark.parametrize(
    "name", ["request.id", "request.referer", "request.useragent", "response.grpc_status"]
)
def test_properties_of_headers_that_are_absent_are_not_found(name: str) -> None:
    """An empty string would say that the header is there and empty."""
    assert read(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "request",
        "request.nonsense",
        "nonsense",
        "request.headers.missing",
        "upstream.address",
        "upstream.port",
        "metadata.none",
        "xds.upstream_host_metadata",
    ],
)
def test_what_is_unknown_or_absent_is_not_found(name: str) -> None:
    """K 117-9,18; A property 2."""
    assert in_phases(GET_PROPERTY, path(name), OUT, OUT + 4) == expect(Status.NOT_FOUND)


def test_properties_of_the_request_are_there_from_the_first_phase_to_the_last() -> None:
    """K 117-1..3: Envoy loses the path between the headers and the log; ours keeps it."""
    assert in_phases(GET_PROPERTY, path("request.path"), OUT, OUT + 4) == expect(Status.OK, **ENDS)


def test_properties_of_the_response_are_there_from_its_head_on() -> None:
    """There is no code before."""
    assert in_phases(GET_PROPERTY, path("response.code"), OUT, OUT + 4) == expect(
        Status.OK, **BEFORE_A_RESPONSE
    )


def test_the_plugins_names_are_there_without_a_stream() -> None:
    """K 117-12,16,17; AssemblyScript reads plugin_root_id before anything else."""
    assert in_phases(GET_PROPERTY, b"plugin_root_id", OUT, OUT + 4) == expect(Status.OK)


def test_the_root_id_is_the_configured_one() -> None:
    """It chooses among the root contexts of a module."""
    host = start(("configure", GET_PROPERTY, b"plugin_root_id", OUT, OUT + 4), root_id="second")
    assert Run(host, host.http_stream(), "relay.wat").given() == b"second"


def test_the_duration_is_known_at_the_end() -> None:
    """Nanoseconds as an int64."""
    assert read("request.duration", "response_headers") is None
    duration = read("request.duration")
    assert duration is not None
    assert 0 < struct.unpack("<q", duration)[0] < 60 * 10**9


def test_what_a_client_has_encoded_stays_encoded() -> None:
    """K 117-13, where nginx decodes it: raw, as in Envoy."""
    raw = b"/a%20b%2Fc?q=%7B%22a%22%3A1%7D&r=a+b"
    with start(
        *(
            ("request_headers", GET_PROPERTY, path(f"request.{name}"), OUT + 8 * at, OUT + 8 * at + 4)
            for at, name in enumerate(("path", "url_path", "query"))
        )
    ) as host:
        stream = host.http_stream()
        stream.request_headers([(name, raw if name == b":path" else value) for name, value in GET])
        outcome = Run(host, stream, "relay.wat")
        whole = [outcome.given(OUT + 8 * at) for at in range(3)]
    assert whole == [raw, b"/a%20b%2Fc", b"q=%7B%22a%22%3A1%7D&r=a+b"]


def test_the_backends_latency_is_known_at_the_end_of_its_response() -> None:
    """A duration, from when an upstream was got to its last byte; none for what has no upstream or is not over."""
    steps = [
        (phase, GET_PROPERTY, path("response.backend_latency"), OUT, OUT + 4)
        for phase in ("request_headers", "response_headers", "response_body", "response_trailers", "log")
    ]
    with start(*steps) as host:
        stream = host.http_stream(upstream=ConnectionInfo("198.51.100.1:81"))
        send(stream)
        answer(stream, b"first", b"second")
        stream.close()
        statuses = [row.result for row in host.trace(GET_PROPERTY)]
        assert statuses == [Status.NOT_FOUND, Status.NOT_FOUND, Status.NOT_FOUND, Status.OK, Status.OK]
        pointer, size = struct.unpack("<II", host.read_memory(OUT, 8))
        assert 0 < struct.unpack("<q", host.read_memory(pointer, size))[0] < 60 * 10**9
    assert read("response.backend_latency") is None  # the exchange of `run` has no upstream
    with start(*steps) as host, host.http_stream(upstream=ConnectionInfo("198.51.100.1:81")) as stream:
        send(stream)
        stream.gateway_response(502)
        stream.close()
        assert host.trace(GET_PROPERTY)[-1].result == Status.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (f"{group}metadata", b"")
            for group in ("", "xds.cluster_", "xds.route_", "xds.virtual_host_", "xds.listener_")
        ),
        ("metadata.filter_metadata", b""),
        ("xds.route_metadata.filter_metadata", b""),
        ("xds.virtual_host_name", b""),
        ("xds.filter_chain_name", b""),
        ("xds.listener_direction", number(0)),
        ("connection.requested_server_name", b""),
        ("connection.mtls", b"\0"),
    ],
)
def test_what_nobody_has_given_is_empty_as_in_an_envoy_without_it(name: str, value: bytes) -> None:
    """Plugins of Istio read metadata and find none, instead of failing."""
    assert read(name) == value


def test_the_time_of_a_request_is_its_begin() -> None:
    """A timestamp is nanoseconds since 1970."""
    begin = read("request.time")
    assert begin is not None
    assert struct.unpack("<q", begin)[0] > 1_700_000_000 * 10**9


def test_the_path_may_end_with_a_nul() -> None:
    """Some SDKs write one behind each segment."""
    outcome = run(("log", GET_PROPERTY, b"request\0path\0", OUT, OUT + 4))
    assert outcome.given() == b"/a?b=c"


def test_the_upstream_is_known_once_the_request_goes_there() -> None:
    """K 117-9."""
    host = start(
        ("request_headers", GET_PROPERTY, path("upstream.address"), OUT, OUT + 4),
        ("response_headers", GET_PROPERTY, path("upstream.address"), OUT, OUT + 4),
        ("response_headers", GET_PROPERTY, path("upstream.port"), OUT + 8, OUT + 12),
    )
    with host.http_stream(upstream=ConnectionInfo("198.51.100.1:81")) as stream:
        stream.request_headers(GET, end_of_stream=True)
        stream.response_headers(RESPONSE, end_of_stream=True)
    outcome = Run(host, stream, "relay.wat")
    assert outcome.statuses == [Status.NOT_FOUND, Status.OK, Status.OK]
    assert (outcome.given(), outcome.given(OUT + 8)) == (b"198.51.100.1:81", number(81))


def test_a_local_response_tells_its_details() -> None:
    """Which filter answered, and why, is what access logs are for."""
    outcome = run(
        ("request_headers", "proxy_send_local_response", 403, b"not_today", 0, 0, 0, 0, -1),
        ("log", GET_PROPERTY, path("response.code_details"), OUT, OUT + 4),
        ("log", GET_PROPERTY, path("response.code"), OUT + 8, OUT + 12),
    )
    assert (outcome.given(), outcome.given(OUT + 8)) == (b"not_today", number(403))


def test_the_route_says_what_it_is() -> None:
    """What comes with the chain: xds.route_name, for instance."""
    host = start(
        ("request_headers", GET_PROPERTY, path("xds.route_name"), OUT, OUT + 4),
        ("request_headers", SET_PROPERTY, path("xds.route_name"), b"mine"),
        properties={b"xds\0route_name": b"route-7"},
    )
    outcome = Run(host, exchange(host), "relay.wat")
    assert outcome.statuses == [Status.OK, Status.BAD_ARGUMENT]
    assert outcome.given() == b"route-7"


@pytest.mark.parametrize("value", [b"value", b"", b"\0\xff" * 500])
def test_state_that_is_set_can_be_read_in_later_phases(value: bytes) -> None:
    """EH Property: per stream; Envoy's is read back under the same path."""
    outcome = run(
        ("request_headers", SET_PROPERTY, path("my.state"), value),
        ("log", GET_PROPERTY, path("my.state"), OUT, OUT + 4),
    )
    assert outcome.statuses == [Status.OK, Status.OK]
    assert outcome.given() == value


def test_state_belongs_to_its_stream() -> None:
    """The next does not see it; without a stream there is nowhere to put it."""
    host = start(
        ("request_headers", GET_PROPERTY, b"state", OUT, OUT + 4), ("log", SET_PROPERTY, b"state", b"1")
    )
    exchange(host)
    outcome = Run(host, exchange(host), "relay.wat")
    assert [Status(result) for phase, _, result in outcome.results if phase == "request_headers"] == [
        Status.NOT_FOUND
    ] * 2
    assert in_phases(SET_PROPERTY, b"state", b"1") == expect(Status.OK, **ENDS)


@pytest.mark.parametrize(
    "name", ["request.path", "response.code", "request.headers.x-a", "plugin_name", "connection.id", ""]
)
def test_what_the_host_says_cannot_be_set(name: str) -> None:
    """K 121-1,2; A 4,5."""
    assert run(("request_headers", SET_PROPERTY, path(name), b"v")).statuses == [Status.BAD_ARGUMENT]


def test_state_is_bounded() -> None:
    """A MiB for a stream: each value here is 128 KiB."""
    sets = [("request_headers", SET_PROPERTY, b"k%d" % n, 0x20000, 0x20000) for n in range(10)]
    statuses = run(*sets).statuses
    assert statuses[0] is Status.OK
    assert statuses[-1] is Status.INTERNAL_FAILURE


def test_a_filter_reads_what_another_has_set() -> None:
    """State is the exchange's, not the plugin's."""
    from host.testing import ChainHost, WasmPlugin

    wasm = plugin_file("properties")
    setter = {"set": [{"phase": "request_headers", "path": ["a"], "value": "v"}]}
    getter = {"get": [{"phase": "request_headers", "path": ["a"]}]}
    with ChainHost([WasmPlugin(wasm, setter, name="one"), WasmPlugin(wasm, getter, name="two")]) as host:
        with host.http_stream() as stream:
            stream.request_headers(GET, end_of_stream=True)
        assert host.logs(plugin="two") == ["request_headers: get a = 76"]


def test_repeated_fields_come_as_a_map_in_order() -> None:
    """The pairs format, as for header maps."""
    value = read("request.headers", "request_headers")
    assert value is not None
    assert decode_pairs(value) == REQUEST
