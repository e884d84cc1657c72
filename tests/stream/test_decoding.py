"""Plugins that see bodies without their content codings."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from abi import Action, encode_pairs
from host import FilterContext, PythonFilter
from host.chain import BodyLimits
from host.stream import HttpStream
from host.testing import ChainHost, HostedStream, Message, PluginHost, WasmPlugin
from testdata import relay
from tests.content.codings import ENCODERS
from tests.hostcalls.relays import start
from tests.plugin.guests import GET, OK, POST, answer, host, plugin_file, send, wat

TEXT = b"some text, some text, some text"
CODED = gzip.compress(TEXT)
SIDES = ["request", "response"]
APPEND = {"mode": "buffered", "edits": [{"op": "append", "data": "!"}]}


def editing(**options: Any) -> PluginHost:
    """A plugin that appends to what it reads."""
    return host("body", {"request": APPEND, "response": APPEND}, decode_bodies=True, **options)


def coded(head: Any, coding: bytes = b"gzip", *more: tuple[bytes, bytes]) -> Any:
    return [*head, (b"content-encoding", coding), (b"content-length", b"%d" % len(CODED)), *more]


def feed(stream: HostedStream, side: str, *body: bytes, headers: Any = None, trailers: Any = None) -> Message:
    if side == "request":
        send(stream, *body, headers=headers or coded(POST), trailers=trailers)
        return stream.to_upstream
    send(stream)
    answer(stream, *body, headers=headers or coded(OK), trailers=trailers)
    return stream.to_client


@pytest.mark.parametrize("coding", ENCODERS)
@pytest.mark.parametrize("side", SIDES)
def test_a_plugin_reads_and_changes_the_decoded_body(side: str, coding: str) -> None:
    """ngx_wasm_module#631; what leaves is decoded, and says so."""
    with editing() as plugin, plugin.http_stream() as stream:
        head = POST if side == "request" else OK
        message = feed(stream, side, ENCODERS[coding](TEXT), headers=coded(head, coding.encode()))
        assert message == Message(head, [TEXT + b"!"], ended=True)


@pytest.mark.parametrize("side", SIDES)
def test_without_the_setting_a_plugin_sees_the_coded_body(side: str) -> None:
    """It is opt-in."""
    with host("body", {"request": APPEND, "response": APPEND}) as plugin, plugin.http_stream() as stream:
        assert feed(stream, side, CODED).body == CODED + b"!"


@pytest.mark.parametrize("side", SIDES)
def test_the_whole_chain_sees_what_one_filter_asks_for(side: str) -> None:
    """Filters before it, too: there is one body."""
    filters = [
        WasmPlugin(plugin_file("body"), {side: APPEND}, name="before"),
        WasmPlugin(plugin_file("body"), {side: APPEND}, name="asks", decode_bodies=True),
    ]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        assert feed(stream, side, CODED).body == TEXT + b"!!"


@pytest.mark.parametrize("side", SIDES)
def test_a_body_that_streams_is_decoded_as_it_comes(side: str) -> None:
    """Chunk by chunk, with end_of_stream in the last one."""
    with start(decode_bodies=True) as plugin, plugin.http_stream() as stream:
        message = feed(stream, side, CODED[:20], CODED[20:])
        assert (message.body, message.ended) == (TEXT, True)
        rows = [row.arguments[1:] for row in plugin.trace(f"proxy_on_{side}_body")]
        assert rows[-1][1] == 1
        assert sum(length for length, _ in rows) == len(TEXT)


@pytest.mark.parametrize("side", SIDES)
def test_trailers_come_behind_a_decoded_body(side: str) -> None:
    """And end it."""
    with editing() as plugin, plugin.http_stream() as stream:
        message = feed(stream, side, CODED, trailers=[(b"x-sum", b"1")])
        assert (message.body, message.trailers, message.ended) == (
            TEXT + b"!",
            [(b"x-sum", b"1")],
            True,
        )


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([(b"etag", b'"a"')], [(b"etag", b'W/"a"')]),
        ([(b"etag", b'W/"a"')], [(b"etag", b'W/"a"')]),
        ([(b"accept-ranges", b"bytes"), (b"vary", b"Accept-Encoding")], [(b"vary", b"Accept-Encoding")]),
        ([(b"content-digest", b"x"), (b"repr-digest", b"x"), (b"digest", b"x"), (b"content-md5", b"x")], []),
        ([(b"content-type", b"text/plain")], [(b"content-type", b"text/plain")]),
    ],
)
def test_fields_about_the_coded_bytes_go(given: Any, left: Any) -> None:
    """RFC 9110, 8.8.3: a strong validator is one of bytes; RFC 9530: digests are of the coded content."""
    with editing() as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream, CODED, headers=coded(OK, b"gzip", *given))
        assert stream.to_client.headers == [*OK, *left]


def test_a_head_says_what_a_get_would() -> None:
    """There is no body to decode, and no coding either."""
    with editing() as plugin, plugin.http_stream() as stream:
        send(stream, headers=[(b":method", b"HEAD"), *GET[1:]])
        stream.response_headers(coded(OK), end_of_stream=True)
        assert stream.to_client == Message(OK, ended=True)


def test_a_part_of_a_coded_content_stays_coded() -> None:
    """206: a piece cannot be decoded by itself."""
    head = [(b":status", b"206"), (b"content-encoding", b"gzip"), (b"content-range", b"bytes 5-9/40")]
    with start(decode_bodies=True) as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream, CODED[5:10], headers=head)
        assert stream.to_client == Message(head, [CODED[5:10]], ended=True)


def test_a_response_in_an_unknown_coding_passes_as_it_is() -> None:
    """The upstream was not asked for it."""
    head = [*OK, (b"content-encoding", b"compress")]
    with start(decode_bodies=True) as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream, b"\x1f\x9d", headers=head)
        assert stream.to_client == Message(head, [b"\x1f\x9d"], ended=True)


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        (b"gzip, compress, br;q=0.5, *;q=0", b"gzip, br;q=0.5"),
        (b"compress", b"identity"),
        (b"identity;q=1", b"identity;q=1"),
        (b"", b"identity"),
        (None, None),
    ],
)
def test_the_upstream_is_asked_for_codings_that_are_known(
    accepted: bytes | None, asked: bytes | None
) -> None:
    """So that no response comes that could not be read."""
    with editing() as plugin, plugin.http_stream() as stream:
        send(stream, headers=[*GET, *([(b"accept-encoding", accepted)] if accepted is not None else [])])
        assert stream.to_upstream.get(b"accept-encoding") == asked


def test_a_request_in_an_unknown_coding_is_415() -> None:
    """RFC 9110, 15.5.16: with the codings that are taken. A filter that could not read it would be passed by."""
    with editing() as plugin, plugin.http_stream() as stream:
        send(stream, b"\x1f\x9d", headers=[*POST, (b"content-encoding", b"compress")])
        assert stream.to_upstream == Message()
        assert (stream.to_client.status, stream.to_client.get(b"accept-encoding")) == (
            415,
            b"gzip, deflate, br, zstd",
        )
        assert stream.local_response is not None
        assert stream.local_response.details == "request_content_coding_unknown"


@pytest.mark.parametrize(
    ("body", "status", "details"),
    [
        (b"no gzip at all, but many bytes", 400, "request_content_coding: "),
        (CODED[:-4], 400, "request_content_coding: the content ends early"),
        (gzip.compress(bytes(32 << 20)), 413, "request_content_coding: more than"),
    ],
)
def test_a_request_that_cannot_be_decoded_is_refused(body: bytes, status: int, details: str) -> None:
    """Also where the plugin lets bodies pass without holding them."""
    with start(decode_bodies=True) as plugin, plugin.http_stream() as stream:
        send(stream, body, headers=coded(POST))
        assert stream.to_client.status == status
        assert stream.local_response is not None
        assert stream.local_response.details.startswith(details)
        assert not stream.to_upstream.ended


def test_a_response_that_cannot_be_decoded_is_502_while_its_head_is_held() -> None:
    """The plugin could change the body: its head waits for the first bytes."""
    with editing() as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream, CODED[:-4], headers=coded(OK))
        assert (stream.to_client.status, stream.is_local) == (502, True)


def test_a_response_that_cannot_be_decoded_is_cut_when_its_head_has_left() -> None:
    """The client can tell."""
    with start(decode_bodies=True, hold_response_head=False) as plugin, plugin.http_stream() as stream:
        send(stream)
        answer(stream, CODED[:-4], headers=coded(OK))
        assert (stream.to_client.status, stream.is_reset, stream.to_client.ended) == (200, True, False)


@pytest.mark.parametrize("side", SIDES)
def test_what_a_plugin_may_hold_is_counted_decoded(side: str) -> None:
    """413, 502: a small message that becomes a large one is a large one."""
    holds = (f"{side}_body", relay.RETURN, 1)
    with (
        start(holds, decode_bodies=True, limits=BodyLimits(1000, 1000)) as plugin,
        plugin.http_stream() as stream,
    ):
        feed(stream, side, gzip.compress(bytes(1001)))
        assert stream.to_client.status == (413 if side == "request" else 502)


def test_an_answer_of_the_plugin_s_own_stays_as_it_is() -> None:
    """It is the plugin that codes it."""
    pairs = encode_pairs([(b"content-encoding", b"gzip")])
    step = ("request_headers", "proxy_send_local_response", 200, b"", CODED, pairs, -1)
    with start(step, decode_bodies=True) as plugin, plugin.http_stream() as stream:
        send(stream)
        assert (stream.to_client.body, stream.to_client.get(b"content-encoding")) == (CODED, b"gzip")


def test_a_paused_head_waits_with_its_decoded_body() -> None:
    """Decoding goes on while the chain holds the head."""
    steps = [
        ("configure", "proxy_set_tick_period_milliseconds", 10),
        ("request_headers", relay.RETURN, 1),
        ("tick", "proxy_set_effective_context", 2),
        ("tick", "proxy_continue_stream", 0),
    ]
    with start(*steps, decode_bodies=True) as plugin, plugin.http_stream() as stream:
        send(stream, CODED, headers=coded(POST))
        plugin.advance(0.01)
        assert stream.to_upstream == Message(POST, [TEXT], ended=True)


def test_the_next_exchange_begins_without_decoders() -> None:
    """Streams are used again."""
    with ChainHost([WasmPlugin(wat("relay"), decode_bodies=True)]) as chain:
        stream = HttpStream()
        for headers, body in ((coded(POST), CODED), (POST, TEXT)):
            stream.open(chain.chain)
            for name, value in headers:
                stream.request_headers.add(name, value)
            stream.on_request_headers(False)
            stream.on_request_body(body, True)
            assert stream.take_request_body() == TEXT
            stream.close()


class _Reader(PythonFilter):
    """Reads what comes."""

    decode_bodies = True
    seen = b""

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        _Reader.seen += context.response_body
        return None


def test_a_filter_in_python_reads_the_decoded_body() -> None:
    """The same setting, as an attribute of the class; requests are none of its business."""
    with ChainHost([_Reader()]) as chain, chain.http_stream() as stream:
        send(stream, CODED, headers=coded(POST))
        answer(stream, CODED, headers=coded(OK))
        assert (_Reader.seen, stream.to_client.body) == (TEXT, TEXT)
        assert stream.to_upstream.body == CODED
