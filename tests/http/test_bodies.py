"""Bodies in all framings, both ways: counted, chunked, until the end of the connection; and trailers."""

from __future__ import annotations

import pytest

from host.http.settings import HttpSettings
from tests.http.wire import Wire, status_of

DATE = b"Date: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 2\r\n\r\nhi"


def content(request: bytes) -> bytes:
    """What follows the head."""
    return request.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("step", [0, 1, 5])
def test_a_counted_body_passes(step: int) -> None:
    """The count is sent on, the bytes as they come."""
    wire = Wire()
    client = wire.client()
    client.send(POST + b"Content-Length: 10\r\n\r\n0123456789" + GET, step)
    node = wire.accept()
    assert content(node.received()) == b"0123456789"
    node.send(OK)
    assert client.received().endswith(b"hi")
    assert node.received().startswith(b"GET / ")


@pytest.mark.parametrize("step", [0, 1, 5])
def test_a_chunked_body_passes_with_its_trailers(step: int) -> None:
    """Chunks may be cut anew, extensions are dropped (RFC 9112, 7.1.1), trailers stay; the next request is found."""
    wire = Wire()
    client = wire.client()
    body = b'3\r\nabc\r\n2;x=y\r\n\r\n\r\n1;q="a"\r\nd\r\n0\r\nX-Sum: 1 \r\nY: \xc3\xa4\r\n\r\n'
    client.send(POST + b"Transfer-Encoding: Chunked\r\n\r\n" + body + GET, step)
    node = wire.accept()
    request = node.received()
    assert b"Transfer-Encoding: chunked\r\n" in request
    assert b"content-length" not in request.lower()
    decoded = b""
    rest = content(request)
    while not rest.startswith(b"0\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        decoded += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    assert decoded == b"abc\r\nd"
    assert rest == b"0\r\nX-Sum: 1\r\nY: \xc3\xa4\r\n\r\n"
    node.send(OK)
    assert node.received().startswith(b"GET / ")


def test_a_small_request_leaves_in_one_write() -> None:
    """Head and content that came together go on together."""
    wire = Wire()
    client = wire.client()
    client.send(POST + b"Content-Length: 2\r\n\r\nhi")
    assert wire.accept().transport.writes == 1


BAD_CHUNKS = [
    ("no size", b"\r\nabc\r\n0\r\n\r\n"),
    ("size with a plus", b"+3\r\nabc\r\n0\r\n\r\n"),
    ("size with a minus", b"-3\r\nabc\r\n0\r\n\r\n"),
    ("size with 0x", b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("space before the size", b" 3\r\nabc\r\n0\r\n\r\n"),
    ("tab behind the size", b"3\t\r\nabc\r\n0\r\n\r\n"),
    ("size of 2**64", b"10000000000000000\r\nabc\r\n0\r\n\r\n"),
    ("size that wraps to 3", b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("bare LF behind the size", b"3\nabc\r\n0\r\n\r\n"),
    ("bare LF behind the data", b"3\r\nabc\n0\r\n\r\n"),
    ("bare CR behind the size", b"3\rabc\r\n0\r\n\r\n"),
    ("more data than the size", b"3\r\nabcd\r\n0\r\n\r\n"),
    ("less data than the size", b"3\r\nab\r\n0\r\n\r\n"),
    ("LF in an extension", b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("CR in an extension", b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    ("NUL in an extension", b"3;a\0\r\nabc\r\n0\r\n\r\n"),
    ("LF in a quoted extension", b'3;a="b\nc"\r\nabc\r\n0\r\n\r\n'),
    ("bare LF at the end", b"3\r\nabc\r\n0\r\n\n"),
    ("bare LF in the trailers", b"3\r\nabc\r\n0\r\nA: b\n\r\n"),
    ("space before a trailer's colon", b"3\r\nabc\r\n0\r\nA : b\r\n\r\n"),
    ("folded trailer", b"3\r\nabc\r\n0\r\nA: b\r\n c\r\n\r\n"),
    ("NUL in a trailer", b"3\r\nabc\r\n0\r\nA: b\0\r\n\r\n"),
    ("Content-Length as a trailer", b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n"),
    ("Transfer-Encoding as a trailer", b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("Host as a trailer", b"3\r\nabc\r\n0\r\nHost: b\r\n\r\n"),
    ("Authorization as a trailer", b"3\r\nabc\r\n0\r\nAuthorization: b\r\n\r\n"),
    ("trailers without end", b"3\r\nabc\r\n0\r\n" + b"A: b\r\n" * 300 + b"\r\n"),
    ("an extension of 40 KB", b"3;a=" + b"b" * 40_000 + b"\r\nabc\r\n0\r\n\r\n"),
    ("extensions on every chunk", (b"1;a=" + b"b" * 500 + b"\r\nx\r\n") * 100 + b"0\r\n\r\n"),
    ("zeros before the size", b"0" * 40_000 + b"3\r\nabc\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize("step", [0, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("data", [row[1] for row in BAD_CHUNKS], ids=[row[0] for row in BAD_CHUNKS])
def test_bad_chunks_end_the_request_before_its_end_is_sent_on(data: bytes, step: int) -> None:
    """The upstream never sees a complete request, nor what the client hid behind it; the client sees 400."""
    wire = Wire()
    client = wire.client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n", step)
    node = wire.accept()
    client.send(data + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", step)
    sent = node.received()
    assert not sent.endswith(b"0\r\n\r\n")
    assert b"/smuggled" not in sent
    assert node.transport.closed
    assert status_of(client.received()) == (431 if data.count(b"A: b") > 100 else 400)
    assert client.transport.eof


@pytest.mark.parametrize("data", [row[1] for row in BAD_CHUNKS], ids=[row[0] for row in BAD_CHUNKS])
def test_bad_chunks_of_a_response_break_it_off(data: bytes) -> None:
    """The client can tell that the body is not whole: no last chunk, and a reset."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
    node.send(data)
    assert not client.received().endswith(b"0\r\n\r\n")
    assert client.transport.aborted
    assert node.transport.closed


def test_many_small_chunks_are_in_order() -> None:
    """The budget for bytes that are not content grows with the chunks: one-byte chunks are slow, not wrong."""
    wire = Wire(HttpSettings(max_body_bytes=0))
    client = wire.client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
    request = wire.accept().received()
    assert request.endswith(b"0\r\n\r\n")
    assert request.count(b"x" * 20_000) == 1


@pytest.mark.parametrize("step", [0, 1])
def test_a_chunked_response_passes_with_its_trailers(step: int) -> None:
    """And the upstream's connection is free again behind the last of them."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\n" + DATE + b"Transfer-Encoding: chunked\r\nTrailer: x\r\n\r\n", step)
    node.send(b"2\r\nhi\r\n0\r\nX: y\r\n\r\n")
    assert (
        client.received()
        == HEAD + b"Trailer: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n"
    )
    client.send(GET)
    assert not wire.dialer.waiting


def test_a_response_until_the_end_of_the_connection_becomes_chunked() -> None:
    """The client's connection stays open, and an end that is one can be told from a loss."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\n" + DATE + b"\r\nab")
    node.send(b"cd")
    node.end()
    assert client.received() == HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"
    assert not client.transport.closed


def test_a_reset_in_such_a_response_is_passed_on() -> None:
    """A reset is no end."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\n\r\nab")
    node.reset()
    assert not client.received().endswith(b"0\r\n\r\n")
    assert client.transport.aborted


def test_an_http_1_0_client_gets_no_chunks() -> None:
    """It gets the content and then the end of the connection."""
    wire = Wire()
    client = wire.client()
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    wire.accept().send(
        b"HTTP/1.1 200 OK\r\n" + DATE + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    )
    assert client.received() == HEAD + b"Connection: close\r\n\r\nhi"
    assert client.transport.closed


def test_an_http_1_0_client_may_keep_its_connection() -> None:
    """When it asks for it and the content is counted (RFC 9112, 9.3)."""
    wire = Wire()
    client = wire.client()
    client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    wire.accept().send(OK)
    assert client.received() == HEAD + b"Content-Length: 2\r\nConnection: keep-alive\r\n\r\nhi"
    assert not client.transport.closed


@pytest.mark.parametrize("fields", [b"Content-Length: 1000\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_an_answer_to_head_ends_with_its_head(fields: bytes) -> None:
    """Whatever its fields say of the content that a GET would get (RFC 9110, 9.3.2); both connections stay."""
    wire = Wire()
    client = wire.client()
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    node = wire.accept()
    for _ in range(2):
        assert node.received().startswith(b"HEAD / ")
        node.send(b"HTTP/1.1 200 OK\r\n" + DATE + fields + b"\r\n")
        length = b"Content-Length: 1000\r\n" if b"1000" in fields else b""
        assert client.received() == HEAD + length + b"\r\n"
    assert not client.transport.closed
    assert not node.transport.closed


def test_an_empty_body_is_announced_as_such() -> None:
    """Content-Length: 0 of a POST is not lost."""
    wire = Wire()
    client = wire.client()
    client.send(POST + b"Content-Length: 0\r\n\r\n")
    assert wire.accept().received().endswith(b"Content-Length: 0\r\n\r\n")


def test_a_chunked_body_over_the_limit_is_refused() -> None:
    """What Content-Length does not say is counted."""
    wire = Wire(HttpSettings(max_body_bytes=10))
    client = wire.client()
    client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n")
    node = wire.accept()
    client.send(b"6\r\nabcdef\r\n0\r\n\r\n")
    assert status_of(client.received()) == 413
    assert node.transport.closed


def test_an_early_answer_closes_the_connection_after_a_while() -> None:
    """The client may still be sending: what comes is thrown away, up to a limit, so that it gets to read the answer."""
    wire = Wire(HttpSettings(linger_bytes=100))
    client = wire.client()
    client.send(POST + b"Content-Length: 1000\r\n\r\nabc")
    node = wire.accept()
    node.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    answer = client.received()
    assert status_of(answer) == 403
    assert b"Connection: close\r\n" in answer
    assert client.transport.eof
    assert node.transport.closed
    client.send(b"x" * 100)
    assert not client.transport.closed
    client.send(b"x")
    assert client.transport.aborted
