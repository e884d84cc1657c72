"""What filters make of bodies and trailers, and how much they may hold of them."""

from __future__ import annotations

from typing import Any

import pytest

from abi import Action, encode_pairs
from host.chain import BodyLimits
from host.testing import ChainHost, Message, WasmPlugin
from testdata import relay
from tests.hostcalls.relays import start
from tests.plugin.guests import GET, OK, POST, answer, host, plugin_file, send

ALL = 0x7FFFFFFF


def edits(*operations: dict[str, Any], mode: str = "chunks", **more: Any) -> dict[str, Any]:
    plan = {"mode": mode, "edits": operations, **more}
    return {"request": plan, "response": plan}


CASES: list[tuple[str, dict[str, Any], bytes]] = [
    ("replace-buffered", edits({"op": "replace", "data": "new"}, mode="buffered"), b"new"),
    ("append-buffered", edits({"op": "append", "data": ".end"}, mode="buffered"), b"onetwo.end"),
    ("prepend-buffered", edits({"op": "prepend", "data": "pre."}, mode="buffered"), b"pre.onetwo"),
    ("empty-buffered", edits({"op": "replace", "data": ""}, mode="buffered"), b""),
    (
        "splice-buffered",
        edits({"op": "splice", "start": 1, "length": 2, "data": "--"}, mode="buffered"),
        b"o--two",
    ),
    ("append-at-end", edits({"op": "append", "data": ".end", "at": "end"}), b"onetwo.end"),
    ("append-chunks", edits({"op": "append", "data": "."}), b"one.two."),
    ("replace-chunks", edits({"op": "replace", "data": "x"}), b"xx"),
    ("prepend-first", edits({"op": "prepend", "data": "pre.", "at": "first"}), b"pre.onetwo"),
]


@pytest.mark.parametrize(
    ("configuration", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_bodies_are_edited_in_both_directions(configuration: dict[str, Any], expected: bytes) -> None:
    """EI BodyManipulation, BufferedManipulation, MultipleChunks; J HttpBody; K sdks 007."""
    with host("body", configuration) as plugin, plugin.http_stream() as stream:
        send(stream, b"one", b"two")
        answer(stream, b"one", b"two")
        assert (stream.to_upstream.body, stream.to_upstream.ended) == (expected, True)
        assert (stream.to_client.body, stream.to_client.ended) == (expected, True)


def test_the_next_filter_sees_the_edited_body() -> None:
    """In the order of the chain, both ways."""
    filters = [
        WasmPlugin(plugin_file("body"), edits({"op": "append", "data": text}, mode="buffered"), name=text)
        for text in "abc"
    ]
    for reverse, back in ((False, b"x:abc"), (True, b"x:cba")):
        with ChainHost(filters, reverse_response=reverse) as chain, chain.http_stream() as stream:
            send(stream, b"x:")
            answer(stream, b"x:")
            assert (stream.to_upstream.body, stream.to_client.body) == (b"x:abc", back)


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_body_is_made_where_there_was_none(side: str) -> None:
    """K 114-1..3: in the head that ends the message; the next filter sees it, and the head comes without an end."""
    kind = 0 if side == "request" else 1
    script = relay.script((f"{side}_headers", "proxy_set_buffer_bytes", kind, 0, ALL, b"made"))
    from tests.plugin.guests import wat

    filters = [
        WasmPlugin(wat("relay"), script, name="maker"),
        WasmPlugin(plugin_file("lifecycle"), name="seer"),
    ]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        send(stream)
        answer(stream)
        message = stream.to_upstream if side == "request" else stream.to_client
        assert (message.body, message.ended) == (b"made", True)
        (head,) = [line for line in chain.logs(plugin="seer") if f"{side}_headers" in line]
        assert head.endswith(", 0)")
        assert any(f"{side}_body(2, 4, 1)" in line for line in chain.logs(plugin="seer"))


def test_a_body_cannot_be_made_while_another_is_to_come() -> None:
    """Its bytes would come before those of the message."""
    script = ("request_headers", "proxy_set_buffer_bytes", 0, 0, ALL, b"made")
    with start(script) as plugin, plugin.http_stream() as stream:
        send(stream, b"own")
        assert stream.to_upstream.body == b"own"


@pytest.mark.parametrize("side", ["request", "response"])
def test_trailers_are_made_at_the_end_of_a_body(side: str) -> None:
    """EH AddTrailers: at the end alone; they arrive behind the body, and the next filter gets its callback."""
    configuration = {
        side: [
            {"op": "add", "name": "x-early", "value": "1", "phase": f"{side}_headers"},
            {"op": "add", "name": "x-late", "value": "2", "phase": f"{side}_body_end"},
        ]
    }
    filters = [
        WasmPlugin(plugin_file("trailers"), configuration, name="maker"),
        WasmPlugin(plugin_file("lifecycle"), name="seer"),
    ]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        send(stream, b"body")
        answer(stream, b"body")
        message = stream.to_upstream if side == "request" else stream.to_client
        assert message.trailers == [(b"x-late", b"2")]
        assert message.body == b"body"
        assert any(f"{side}_trailers(2, 1)" in line for line in chain.logs(plugin="seer"))
        assert any(f"{side}_body(2, 4, 0)" in line for line in chain.logs(plugin="seer"))


def test_trailers_are_edited_in_both_directions() -> None:
    """Add, replace, remove and set."""
    operations = [
        {"op": "replace", "name": "x-sum", "value": "9"},
        {"op": "add", "name": "x-new", "value": "1"},
        {"op": "remove", "name": "x-old"},
    ]
    with (
        host("trailers", {"request": operations, "response": operations}) as plugin,
        plugin.http_stream() as stream,
    ):
        given = [(b"x-old", b"0"), (b"x-sum", b"10")]
        send(stream, b"a", trailers=given)
        answer(stream, b"b", trailers=given)
        assert (
            stream.to_upstream.trailers == stream.to_client.trailers == [(b"x-sum", b"9"), (b"x-new", b"1")]
        )


LIMITS = BodyLimits(request=10, response=10)


def test_a_request_held_beyond_the_limit_is_413() -> None:
    """EI LargeRequestHitBufferLimit: and no further call to the guest for it."""
    with host("body", edits(mode="buffered"), limits=LIMITS) as plugin, plugin.http_stream() as stream:
        stream.request_headers(POST)
        stream.request_body(b"12345")
        stream.request_body(b"67890")
        assert not stream.is_local
        assert not stream.request_blocked
        stream.request_body(b"!")
        assert (stream.to_client.status, stream.to_client.body) == (413, b"Payload Too Large")
        assert len(plugin.trace("proxy_on_request_body")) == 2
        stream.request_body(b"more", end_of_stream=True)
        assert len(plugin.trace("proxy_on_request_body")) == 2
        assert stream.to_upstream == Message(POST)


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    """The limit is the last number that is allowed."""
    with host("body", edits(mode="buffered"), limits=LIMITS) as plugin, plugin.http_stream() as stream:
        send(stream, b"12345", b"67890")
        assert stream.to_upstream == Message(POST, [b"1234567890"], ended=True)


def test_a_response_held_beyond_the_limit_is_502() -> None:
    """Its head has not left: some filter could change the body."""
    with host("body", edits(mode="buffered"), limits=LIMITS) as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream, b"12345678901", b"more")
        assert (stream.to_client.status, stream.to_client.body) == (502, b"Bad Gateway")
        assert len(plugin.trace("proxy_on_response_headers")) == 1


def test_a_response_whose_head_has_left_is_cut_at_the_limit() -> None:
    """There is nothing else that could be done."""
    with (
        host("body", edits(mode="buffered"), limits=LIMITS, hold_response_head=False) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream)
        answer(stream, b"1234567890", b"1", b"more")
        assert stream.is_reset
        assert stream.to_client == Message(OK)


def test_a_filter_that_stops_with_back_pressure_blocks_the_reader() -> None:
    """StopAllIterationAndWatermark: no 413, but no more reading until it is resumed."""
    with (
        host(
            "pause_resume", {"pause": ["request_headers"], "tick_period_milliseconds": 10}, limits=LIMITS
        ) as plugin,
        plugin.http_stream() as stream,
    ):
        stream.request_headers(POST)
        stream.request_body(b"123456789")
        assert not stream.request_blocked
        stream.request_body(b"0")
        assert stream.request_blocked
        plugin.advance(0.01)
        assert not stream.request_blocked
        assert stream.to_upstream.body == b"1234567890"


def test_a_stream_without_pauses_knows_no_limit() -> None:
    """Bytes that pass are not held."""
    with host("lifecycle", limits=LIMITS) as plugin, plugin.http_stream() as stream:
        send(stream, b"x" * 1000)
        answer(stream, b"y" * 1000)
        assert len(stream.to_upstream.body) == len(stream.to_client.body) == 1000


def test_a_head_waits_for_the_first_bytes_where_a_body_could_change() -> None:
    """So that its length can be told; without a callback for bodies it leaves at once."""
    with (
        host("body", edits({"op": "append", "data": "!", "at": "end"})) as plugin,
        plugin.http_stream() as stream,
    ):
        send(stream)
        assert stream.response_headers(OK) is Action.CONTINUE
        assert stream.to_client == Message()
        stream.response_body(b"a")
        assert stream.to_client == Message(OK, [b"a"])
    with start(hold_response_head=False) as plugin, plugin.http_stream() as stream:
        send(stream)
        stream.response_headers(OK)
        assert stream.to_client == Message(OK)


def test_chains_say_what_they_want_of_bodies() -> None:
    """The exchange need not bring what no filter takes, nor count what none can change."""
    from tests.plugin.guests import wat

    with ChainHost([WasmPlugin(wat("minimal_0_2_1"))]) as chain:
        wants = (chain.chain.wants_request_body, chain.chain.wants_response_body)
        changes = (chain.chain.changes_request_body, chain.chain.changes_response_body)
        assert wants == changes == (False, False)
    with host("lifecycle") as plugin:
        assert (plugin.chain.wants_request_body, plugin.chain.changes_request_body) == (True, False)
    with host("body", edits()) as plugin:
        assert (plugin.chain.wants_response_body, plugin.chain.changes_response_body) == (True, True)


def test_a_local_response_from_a_body_callback_drops_what_was_held() -> None:
    """X fault-injection; J HttpBodyChunk: 403 on a match."""
    pairs = encode_pairs([])
    steps = [("request_body", "proxy_send_local_response", 403, b"", b"no", pairs, -1)]
    with start(*steps) as plugin, plugin.http_stream() as stream:
        send(stream, b"secret", b"more")
        assert stream.to_upstream == Message(POST)
        assert (stream.to_client.status, stream.to_client.body) == (403, b"no")


def test_a_get_has_no_body() -> None:
    """A http_req_body 2."""
    with host("body", edits({"op": "append", "data": "!"})) as plugin, plugin.http_stream() as stream:
        send(stream)
        assert stream.to_upstream == Message(GET, ended=True)
