"""Both ends of HTTP/2 connections, in memory: what each is told, what may be sent, and who may send how much."""

from __future__ import annotations

import pytest

from host.headers import HeaderMap
from host.http.http2 import (
    Closed,
    Data,
    End,
    ErrorCode,
    Event,
    Head,
    Http2Error,
    Http2Session,
    Http2Unavailable,
    Limits,
    Pong,
    Trailers,
    load_library,
)

REQUEST = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/a?b"), (b":authority", b"example.org")]


class Wire:
    """A client and a server, and what they have been told."""

    def __init__(self, client: Limits | None = None, server: Limits | None = None) -> None:
        self.client = Http2Session(limits=client)
        self.server = Http2Session(server=True, limits=server)

    def carry(self) -> tuple[list[Event], list[Event]]:
        """Carry all bytes over, both ways, until there are none; returns what the client and the server were told."""
        told: tuple[list[Event], list[Event]] = ([], [])
        moved = True
        while moved:
            moved = False
            for sender, receiver in ((self.client, self.server), (self.server, self.client)):
                if data := sender.output():
                    receiver.receive(data)
                    moved = True
            told[0].extend(self.client.events())
            told[1].extend(self.server.events())
        return told


def data_of(events: list[Event]) -> bytes:
    """All content."""
    return b"".join(event.data for event in events if isinstance(event, Data))


def test_a_whole_exchange() -> None:
    """Heads, content, trailers, and the ends of both sides, in this order."""
    wire = Wire()
    stream = wire.client.request(HeaderMap([*REQUEST, (b"X-A", b"1"), (b"x-a", b"2")]), end=False)
    wire.client.write(stream, b"ques")
    wire.client.write(stream, b"tion", end=True)
    _, told = wire.carry()
    head = next(event for event in told if isinstance(event, Head))
    assert (head.stream, head.is_end) == (1, False)
    assert head.fields.items() == [*REQUEST, (b"x-a", b"1"), (b"x-a", b"2")]
    assert data_of(told) == b"question"
    assert told[-1] == End(1)
    wire.server.respond(1, HeaderMap([(b":status", b"200")]), end=False)
    wire.server.write(1, b"answer")
    wire.server.write_trailers(1, HeaderMap([(b"x-checksum", b"7")]))
    told, at_server = wire.carry()
    kinds = [type(event) for event in told if event != ()]
    assert kinds[-5:] == [Head, Data, Trailers, End, Closed]
    assert told[-1] == Closed(1, ErrorCode.NO_ERROR)
    assert at_server == [Closed(1, ErrorCode.NO_ERROR)]


def test_content_waits_for_the_peers_windows() -> None:
    """No byte beyond what the reader has consumed; what waits is counted."""
    wire = Wire(client=Limits(stream_window=1000))
    wire.client.request(HeaderMap(REQUEST), end=True)
    wire.carry()
    wire.server.respond(1, HeaderMap([(b":status", b"200")]), end=False)
    wire.server.write(1, bytes(5000), end=True)
    told, _ = wire.carry()
    assert len(data_of(told)) == 1000
    assert wire.server.unsent(1) == 4000
    wire.client.consume(1, 1000)
    told, _ = wire.carry()
    assert len(data_of(told)) == 1000
    for _ in range(3):
        wire.client.consume(1, 1000)
        told, _ = wire.carry()
    assert told[-1] == Closed(1, ErrorCode.NO_ERROR)


def test_a_slow_reader_holds_up_its_own_stream_alone() -> None:
    """The connection's window is given back as bytes come in."""
    wire = Wire(client=Limits(stream_window=60_000, connection_window=65_535))
    for _ in range(2):
        wire.client.request(HeaderMap(REQUEST), end=True)
    wire.carry()
    for stream in (1, 3):
        wire.server.respond(stream, HeaderMap([(b":status", b"200")]), end=False)
        wire.server.write(stream, bytes(60_000), end=True)
    told, _ = wire.carry()
    assert len(data_of(told)) == 120_000


def test_more_requests_than_the_peer_allows_wait() -> None:
    """SETTINGS_MAX_CONCURRENT_STREAMS: the third is sent when one has ended; its content may be written before."""
    wire = Wire(server=Limits(streams=2))
    wire.carry()
    streams = [wire.client.request(HeaderMap(REQUEST), end=False) for _ in range(3)]
    for stream in streams:
        wire.client.write(stream, b"x", end=True)
    _, told = wire.carry()
    assert [event.stream for event in told if isinstance(event, Head)] == streams[:2]
    wire.server.respond(1, HeaderMap([(b":status", b"204")]), end=True)
    _, told = wire.carry()
    assert [event.stream for event in told if isinstance(event, Head)] == streams[2:]
    assert data_of(told) == b"x"


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"bad name", b"a"), (b"", b"a"), (b"x-a", b"a\r\nb: c"), (b"x-a", b"a\0"), (b"x-a", b"\x7f")],
)
def test_fields_that_could_mean_something_else_are_not_sent(name: bytes, value: bytes) -> None:
    """The peer may be a proxy that writes HTTP/1.1."""
    wire = Wire()
    with pytest.raises(Http2Error, match="must not be sent"):
        wire.client.request(HeaderMap([*REQUEST, (name, value)]), end=True)
    stream = wire.client.request(HeaderMap(REQUEST), end=False)
    with pytest.raises(Http2Error, match="must not be sent"):
        wire.client.write_trailers(stream, HeaderMap([(name, value)]))
    wire.client.write(stream, b"", end=True)
    wire.carry()
    with pytest.raises(Http2Error, match="must not be sent"):
        wire.server.respond(1, HeaderMap([(b":status", b"200"), (name, value)]), end=True)


def test_streams_that_are_not_there() -> None:
    """An error for who writes; nothing for who resets or consumes, as both may come late."""
    wire = Wire()
    for stream in (-1, 0, 1, 2, 7, 2**31 - 1):
        with pytest.raises(Http2Error):
            wire.client.write(stream, b"a")
        with pytest.raises(Http2Error):
            wire.server.respond(stream, HeaderMap([(b":status", b"200")]), end=True)
        assert wire.client.unsent(stream) == 0
        wire.client.consume(stream, 10)
    stream = wire.client.request(HeaderMap(REQUEST), end=True)
    with pytest.raises(Http2Error):
        wire.client.write(stream, b"more than the end")
    wire.client.reset(stream)
    wire.carry()
    wire.client.reset(stream)
    assert not wire.client.error


def test_a_header_block_over_the_limit_ends_its_stream_alone() -> None:
    """Of bytes or of fields; the compression's state stays right for the next."""
    wire = Wire(server=Limits(header_bytes=1000, fields=20))
    for fields in ([(b"x-a", b"v" * 1000)], [(b"x-a", b"v")] * 30, [(b"x-b", b"fits")]):
        wire.client.request(HeaderMap([*REQUEST, *fields]), end=True)
    told, at_server = wire.carry()
    heads = [event for event in at_server if isinstance(event, Head)]
    assert [head.stream for head in heads] == [5]
    assert heads[0].fields.get(b"x-b") == b"fits"
    assert [event for event in told if isinstance(event, Closed)] == [
        Closed(1, ErrorCode.INTERNAL_ERROR),
        Closed(3, ErrorCode.INTERNAL_ERROR),
    ]
    assert wire.client.takes_requests


def test_goodbye() -> None:
    """After GOAWAY no new streams; the connection is over when all that is there has ended."""
    wire = Wire()
    wire.client.ping()
    told, _ = wire.carry()
    assert told[-1] == Pong()
    wire.server.end()
    wire.carry()
    assert not wire.client.takes_requests
    assert wire.client.is_over
    assert wire.server.is_over
    with pytest.raises(Http2Error, match="no new streams"):
        wire.client.request(HeaderMap(REQUEST), end=True)


def test_a_missing_library_is_named() -> None:
    """With the package that brings it."""
    with pytest.raises(Http2Unavailable, match=r"libnghttp2-none\.so.*apt-get install libnghttp2-14"):
        load_library("libnghttp2-none.so")


def test_a_library_without_the_repairs_is_refused() -> None:
    """Here one that has none of the functions."""
    with pytest.raises(Http2Unavailable, match="needs a newer"):
        load_library("libm.so.6")
    load_library.cache_clear()
    load_library()
