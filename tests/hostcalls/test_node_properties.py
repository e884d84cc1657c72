"""Properties of the gateway itself, of connections, and those that filters, logs and tests read."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from abi import Status, decode_pairs
from host.config import NodeConfig
from host.filters.python import FilterContext, PythonFilter
from host.peer import ConnectionInfo
from host.testing import ChainHost, PluginHost, WasmPlugin
from testdata import relay
from tests.hostcalls.relays import OUT, PHASES, Run, exchange, expect, in_phases, run, start
from tests.plugin.guests import GET, OK, wat

GET_PROPERTY, SET_PROPERTY = "proxy_get_property", "proxy_set_property"

NODE = NodeConfig(
    id="sidecar~10.0.0.1",
    cluster="shop",
    metadata={
        "NAMESPACE": "default",
        "LABELS": {"app": "cart", "version": "v1"},
        "PORTS": [80, "x"],
        "ENABLED": True,
        "WEIGHT": 1.5,
        "NOTHING": None,
        "EMPTY": {},
        "HUGE": -(10**400),
        "": "nameless",
    },
)


def path(name: str) -> bytes:
    """A path as guests send it."""
    return name.replace(".", "\0").encode()


def read(name: str, phase: str = "request_headers", **options: Any) -> bytes | None:
    """What a guest reads."""
    outcome = run((phase, GET_PROPERTY, path(name), OUT, OUT + 4), **options)
    return None if outcome.statuses == [Status.NOT_FOUND] else outcome.given()


def test_the_node_as_a_whole_is_a_message() -> None:
    """envoy.config.core.v3.Node: id, cluster, metadata as a google.protobuf.Struct."""
    node = NodeConfig(id="n", cluster="c", metadata={"a": "b", "on": False, "none": None, "n": [1.5, {}]})
    a = b"\x0a\x08\x0a\x01a\x12\x03\x1a\x01b"
    on = b"\x0a\x08\x0a\x02on\x12\x02\x20\x00"
    none = b"\x0a\x0a\x0a\x04none\x12\x02\x08\x00"
    number = b"\x11" + struct.pack("<d", 1.5)
    items = b"\x0a\x09" + number + b"\x0a\x02\x2a\x00"
    n = b"\x0a\x16\x0a\x01n\x12\x11\x32\x0f" + items
    struct_ = a + on + none + n
    expected = b"\x0a\x01n\x12\x01c\x1a" + bytes([len(struct_)]) + struct_
    assert read("xds.node", node=node) == read("node", node=node) == expected
    assert read("xds.node", node=NODE) is not None
    assert read("xds.node") is None


@pytest.mark.parametrize("prefix", ["xds.node.", "node."])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", b"sidecar~10.0.0.1"),
        ("cluster", b"shop"),
        ("metadata.NAMESPACE", b"default"),
        ("metadata.LABELS.app", b"cart"),
        ("metadata.PORTS.0", struct.pack("<d", 80)),
        ("metadata.PORTS.1", b"x"),
        ("metadata.ENABLED", b"\1"),
        ("metadata.WEIGHT", struct.pack("<d", 1.5)),
        ("metadata.EMPTY", b""),
        ("metadata.HUGE", struct.pack("<d", float("-inf"))),
        ("metadata.NOTHING", None),
        ("metadata.OTHER", None),
        ("metadata.LABELS.app.x", None),
        ("locality", None),
    ],
)
def test_the_node_is_read_value_by_value(prefix: str, name: str, value: bytes | None) -> None:
    """Under both of Envoy's names, in its encodings: numbers of a Struct are doubles."""
    assert read(prefix + name, node=NODE) == value


def test_maps_and_lists_of_the_metadata_are_pairs() -> None:
    """Nested ones are pairs inside of pairs; elements of a list are keys."""
    labels = read("node.metadata.LABELS", node=NODE)
    assert labels is not None
    assert decode_pairs(labels) == [(b"app", b"cart"), (b"version", b"v1")]
    whole = read("node.metadata", node=NODE)
    assert whole is not None
    assert dict(decode_pairs(whole))[b"LABELS"] == labels
    ports = read("node.metadata.PORTS", node=NODE)
    assert ports is not None
    assert decode_pairs(ports) == [(struct.pack("<d", 80), b""), (b"x", b"")]


def test_the_node_is_there_in_every_phase() -> None:
    """Istio's plugins read it in proxy_on_configure."""
    assert in_phases(GET_PROPERTY, path("node.metadata.NAMESPACE"), OUT, OUT + 4, node=NODE) == expect(
        Status.OK
    )
    assert len(PHASES) == 13


def test_nobody_sets_what_the_node_is() -> None:
    """As other properties that the host provides."""
    assert run(("log", SET_PROPERTY, path("node.id"), b"x"), node=NODE).statuses == [Status.BAD_ARGUMENT]


@pytest.mark.parametrize("name", ["plugin_name", "plugin_root_id", "plugin_vm_id"])
def test_a_plugins_own_names_are_there_in_every_phase(name: str) -> None:
    """ngx_wasm_module's cases 12, 16, 17: ticks too."""
    statuses = in_phases(GET_PROPERTY, path(name), OUT, OUT + 4, root_id="root", vm_id="vm")
    assert statuses == expect(Status.OK)


# --- the upstream

UPSTREAM = ConnectionInfo("198.51.100.4:8080", "192.0.2.1:41000")


def answered(name: str, upstream: ConnectionInfo | None = UPSTREAM) -> bytes | None:
    """What a guest reads in on_log of an exchange that an upstream answered."""
    host = start(("log", GET_PROPERTY, path(name), OUT, OUT + 4))
    with host.http_stream(upstream=upstream) as stream:
        stream.request_headers(GET, end_of_stream=True)
        stream.response_headers(OK, end_of_stream=True)
    outcome = Run(host, stream, "relay.wat")
    return None if outcome.statuses == [Status.NOT_FOUND] else outcome.given()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("upstream.address", b"198.51.100.4:8080"),
        ("upstream.port", struct.pack("<q", 8080)),
        ("upstream.local_address", b"192.0.2.1:41000"),
        ("upstream.local_port", struct.pack("<q", 41000)),
        ("upstream.request_attempt_count", struct.pack("<q", 1)),
    ],
)
def test_both_ends_of_the_upstream_connection_are_known(name: str, value: bytes) -> None:
    """And not found without one."""
    assert answered(name) == value
    assert answered(name, upstream=None) is None


def test_an_end_that_is_not_known_is_not_found() -> None:
    """Rather than empty."""
    assert answered("upstream.local_address", ConnectionInfo("198.51.100.4:8080")) is None
    assert answered("upstream.local_port", ConnectionInfo("198.51.100.4:8080")) is None


# --- read by the host

SEEN: dict[str, Any] = {}


class Reader(PythonFilter):
    """Notes what it reads when the exchange is over."""

    def on_log(self, context: FilterContext, end_of_stream: bool) -> None:
        """Read well-known properties and what the plugin has set."""
        for name in (
            "request.method",
            "request.time",
            "request.headers",
            "request.headers.x-a",
            "request.headers.x-none",
            "response.code",
            "connection.mtls",
            "waf.rule",
            "waf.dotted",
            "plugin_name",
            "",
        ):
            SEEN[name] = context.property_value(name)
        SEEN["raw"] = context.get_property(b"response\0code")
        context.set_property(b"native\0x", b"1")


def test_filters_in_python_read_every_property_and_share_what_is_set() -> None:
    """Well-known ones with their types; a plugin's state as its bytes."""
    steps = [
        ("request_headers", SET_PROPERTY, path("waf.rule"), b"942100"),
        ("request_headers", SET_PROPERTY, b"waf.dotted", b"yes"),
    ]
    plugin = WasmPlugin(wat("relay"), relay.script(*steps), name="relay")
    with ChainHost([plugin, Reader()]) as chain, chain.http_stream() as stream:
        stream.request_headers([*GET, (b"x-a", b"1"), (b"x-b", b"2")], end_of_stream=True)
        stream.response_headers(OK, end_of_stream=True)
        assert stream.get_property("response.code") == 200
        assert stream.get_property("waf.rule") == b"942100"
    assert SEEN["request.method"] == "GET"
    assert SEEN["request.time"] > 1_700_000_000_000_000_000
    assert SEEN["request.headers"][":path"] == "/a?b=c"
    assert SEEN["request.headers.x-a"] == "1"
    assert SEEN["request.headers.x-none"] is None
    assert SEEN["response.code"] == 200
    assert SEEN["connection.mtls"] is False
    assert (SEEN["waf.rule"], SEEN["waf.dotted"]) == (b"942100", b"yes")
    assert SEEN["plugin_name"] is None
    assert SEEN[""] is None
    assert SEEN["raw"] == struct.pack("<q", 200)


def test_a_test_presets_what_a_plugin_reads() -> None:
    """As a filter before it would."""
    host = start(("request_headers", GET_PROPERTY, path("tenant.name"), OUT, OUT + 4))
    with host.http_stream() as stream:
        stream.set_property("tenant.name", b"acme")
        stream.request_headers(GET, end_of_stream=True)
    outcome = Run(host, stream, "relay.wat")
    assert (outcome.statuses, outcome.given()) == ([Status.OK], b"acme")
    with pytest.raises(ValueError, match="the exchange is over"):
        stream.set_property("tenant.name", b"x")
    assert stream.get_property("tenant.name") is None


def test_a_header_that_comes_twice_leaves_the_map_as_bytes() -> None:
    """A mapping would lose one."""
    with PluginHost(wat("relay"), name="relay") as host, host.http_stream() as stream:
        stream.request_headers([*GET, (b"x-a", b"1"), (b"x-a", b"2")], end_of_stream=True)
        headers = stream.get_property("request.headers")
        assert isinstance(headers, bytes)
        assert decode_pairs(headers)[-1] == (b"x-a", b"2")
        assert stream.get_property("request.headers.x-a") == "1,2"


def test_the_exchange_of_the_tests_is_whole() -> None:
    """What other tests here rely on."""
    host = start(("log", GET_PROPERTY, path("request.method"), OUT, OUT + 4))
    assert exchange(host).to_client.ended
