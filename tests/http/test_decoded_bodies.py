"""Decoded bodies on the wire: what is said of their length, both ways."""

from __future__ import annotations

import gzip
import random

from host import FilterContext, PythonFilter
from tests.http.wire import Wire, status_of

TEXT = b"hello hello hello hello"
CODED = gzip.compress(TEXT)
ANSWER = (
    b'HTTP/1.1 200 OK\r\nDate: x\r\nContent-Encoding: gzip\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n'
    % len(CODED)
)


class Reader(PythonFilter):
    """Reads both bodies and changes neither."""

    decode_bodies = True

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> None:
        assert context.request_body in TEXT

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> None:
        assert b"\x1f\x8b" not in context.response_body


def gateway(**options: object) -> Wire:
    """With that filter on its route."""
    return Wire(filters=(Reader(),), **options)  # type: ignore[arg-type]


def test_a_response_that_comes_at_once_is_counted() -> None:
    """Its length is that of the decoded content; the strong validator becomes a weak one."""
    wire = gateway()
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, compress\r\n\r\n")
    node = wire.accept()
    assert b"\r\nAccept-Encoding: gzip\r\n" in node.received()
    node.send(ANSWER + CODED)
    assert client.received() == (
        b'HTTP/1.1 200 OK\r\nDate: x\r\nETag: W/"a"\r\nContent-Length: 23\r\n\r\n' + TEXT
    )


def test_a_response_that_comes_in_pieces_is_chunked() -> None:
    """Nobody knows its length before its end."""
    wire = gateway()
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    node = wire.accept()
    node.send(ANSWER + CODED, 24)
    answer = client.received()
    assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
    assert b"Content-Length" not in answer
    assert answer.endswith(b"0\r\n\r\n")
    node.send(ANSWER + CODED)  # framing was right: the connection goes on, both ways
    assert client.received().endswith(b"\r\nContent-Length: 23\r\n\r\n" + TEXT)


def test_a_head_answer_has_neither_coding_nor_length() -> None:
    """What a GET would give is not known."""
    wire = gateway()
    client = wire.client()
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.accept().send(ANSWER)
    assert client.received() == b'HTTP/1.1 200 OK\r\nDate: x\r\nETag: W/"a"\r\n\r\n'


def test_a_request_leaves_decoded_and_counted() -> None:
    """The upstream gets what the filters have read."""
    wire = gateway()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(CODED)
    wire.client().send(head + CODED)
    sent = wire.accept().received()
    assert b"Content-Encoding" not in sent
    assert b"\r\nContent-Length: 23\r\n" in sent
    assert sent.endswith(b"\r\n\r\n" + TEXT)


def test_a_request_in_an_unknown_coding_is_refused_before_it_leaves() -> None:
    """415, and no connection is made."""
    wire = gateway()
    client = wire.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: compress\r\nContent-Length: 5\r\n\r\nhello")
    answer = client.received()
    assert status_of(answer) == 415
    assert b"\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" in answer
    assert wire.dialer.waiting == []


def test_a_response_that_breaks_off_is_never_taken_for_whole() -> None:
    """The head has left in chunked coding: no last chunk comes."""
    wire = gateway()
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    node = wire.accept()
    coded = gzip.compress(random.Random(1).randbytes(3000))[:-4]
    node.send(ANSWER.replace(b"%d" % len(CODED), b"%d" % len(coded)) + coded[:2000])
    node.send(coded[2000:])
    answer = client.received()
    assert status_of(answer) == 200
    assert not answer.endswith(b"0\r\n\r\n")
    assert client.transport.aborted
