"""Every malformed or ambiguous response of an upstream is a 502, however it is split, and its connection is not used
again; what the client had already is never continued with anything else."""

from __future__ import annotations

import pytest

from tests.http.wire import Wire, status_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"

# (what is wrong, bytes)
BAD = [
    ("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("no status", b"HTTP/1.1\r\n\r\n"),
    ("status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
    ("status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    ("status under 100", b"HTTP/1.1 099 OK\r\n\r\n"),
    ("HTTP/2.0", b"HTTP/2.0 200 OK\r\n\r\n"),
    ("HTTP/0.9", b"HTTP/0.9 200 OK\r\n\r\n"),
    ("tab before the status", b"HTTP/1.1\t200 OK\r\n\r\n"),
    ("control byte in the reason", b"HTTP/1.1 200 O\x01K\r\n\r\n"),
    ("bare LF behind the status line", b"HTTP/1.1 200 OK\nA: b\r\n\r\n"),
    ("bare LF behind a field", OK + b"A: b\n\r\n"),
    ("bare CR in a value", OK + b"A: b\rc\r\n\r\n"),
    ("NUL in a value", OK + b"A: b\0c\r\n\r\n"),
    ("obs-fold", OK + b"A: b\r\n c\r\n\r\n"),
    ("space before the colon", OK + b"Content-Length : 2\r\n\r\nhi"),
    ("empty name", OK + b": b\r\n\r\n"),
    ("no colon", OK + b"abc\r\n\r\n"),
    ("Content-Length list", OK + b"Content-Length: 2, 2\r\n\r\nhi"),
    ("Content-Length with a plus", OK + b"Content-Length: +2\r\n\r\nhi"),
    ("Content-Length twice, different", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"),
    ("Content-Length twice, the same", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"),
    ("Content-Length of 2**63", OK + b"Content-Length: 9223372036854775808\r\n\r\nhi"),
    ("Content-Length and chunked", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("gzip, chunked", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nhi"),
    ("chunked twice", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("head over the limit", OK + b"A: " + b"a" * 5000),
    ("too many fields", OK + b"A: b\r\n" * 30 + b"\r\n"),
    ("bad chunk size at once", OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
    ("17 responses of 1xx", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17),
    (
        "101 that nobody asked for",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    ),
]
FIRST_BYTES_LATER = {
    "bad chunk size at once",
    "17 responses of 1xx",
}  # the client has had an answer's start by then


@pytest.mark.parametrize("step", [0, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("name", "data"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_response_is_a_502(name: str, data: bytes, step: int) -> None:
    """Nothing of it reaches the client, and the node's connection is closed."""
    wire = Wire(max_head_bytes=2048, max_fields=20)
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(data, step)
    answer = client.received()
    if name in FIRST_BYTES_LATER and answer.count(b"HTTP/1.1 ") != 1:
        answer = answer[answer.rindex(b"HTTP/1.1 ") :]
    if name == "bad chunk size at once" and step:
        assert status_of(answer) == 200
        assert client.transport.aborted
    else:
        assert status_of(answer) == 502
        assert b'{"error_msg":"502 Bad Gateway"}' in answer
    assert node.transport.closed


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.1 200 F\xc3\xbcr dich\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\n"),
        (b"HTTP/1.1 999 Denied\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 999 \r\n"),
        (b"HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 404 Not Found\r\n"),
    ],
)
def test_status_lines_that_servers_send_are_taken(data: bytes, answer: bytes) -> None:
    """A missing or foreign reason phrase changes nothing (RFC 9112, 4)."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    wire.accept().send(data)
    assert client.received().startswith(answer)


def test_what_follows_a_complete_response_is_not_taken_for_the_next_one() -> None:
    """Bytes behind the end close the connection: they would be the answer to somebody else's request."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"
    )
    assert client.received().endswith(b"\r\n\r\nhi")
    assert node.transport.closed
    client.send(GET)
    assert len(wire.dialer.waiting) == 1


def test_bytes_on_an_idle_connection_close_it() -> None:
    """An upstream that speaks unasked is not asked again on that connection."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
    assert node.transport.aborted
    client.received()
    client.send(GET)
    assert not client.received()
    assert len(wire.dialer.waiting) == 1


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("fields", [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_status_without_content_has_none_whatever_its_fields_say(status: int, fields: bytes) -> None:
    """RFC 9112, 6.3: the response ends with its head; what comes behind is thrown away with the connection."""
    wire = Wire()
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 %d X\r\n%b\r\nabc" % (status, fields))
    answer = client.received()
    assert answer.endswith(b"\r\n\r\n")
    assert status_of(answer) == status
    assert not client.transport.closed
    assert node.transport.closed
