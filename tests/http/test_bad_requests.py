"""Every malformed or ambiguous request is refused with its status, however it is split, and reaches no upstream."""

from __future__ import annotations

import pytest

from host.http.settings import HttpSettings
from tests.http.wire import Wire, status_of

H = b"Host: a\r\n"

# (what is wrong, status, bytes)
BAD = [
    ("no target", 400, b"GET HTTP/1.1\r\n" + H + b"\r\n"),
    ("two spaces", 400, b"GET  / HTTP/1.1\r\n" + H + b"\r\n"),
    ("tab for a space", 400, b"GET\t/ HTTP/1.1\r\n" + H + b"\r\n"),
    ("space behind the version", 400, b"GET / HTTP/1.1 \r\n" + H + b"\r\n"),
    ("space in the target", 400, b"GET /a b HTTP/1.1\r\n" + H + b"\r\n"),
    ("no version: HTTP/0.9", 400, b"GET /\r\n\r\n"),
    ("lower-case version", 400, b"GET / http/1.1\r\n" + H + b"\r\n"),
    ("version of two digits", 400, b"GET / HTTP/1.10\r\n" + H + b"\r\n"),
    ("version with a sign", 400, b"GET / HTTP/+1.1\r\n" + H + b"\r\n"),
    ("HTTP/1.2", 505, b"GET / HTTP/1.2\r\n" + H + b"\r\n"),
    ("HTTP/2 preface", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("HTTP/0.9 by number", 505, b"GET / HTTP/0.9\r\n" + H + b"\r\n"),
    ("method with a bracket", 400, b"G(T / HTTP/1.1\r\n" + H + b"\r\n"),
    ("empty method", 400, b" / HTTP/1.1\r\n" + H + b"\r\n"),
    ("method of 32 bytes", 501, b"M" * 32 + b" / HTTP/1.1\r\n" + H + b"\r\n"),
    ("CONNECT", 501, b"CONNECT a:443 HTTP/1.1\r\n" + H + b"\r\n"),
    ("relative target", 400, b"GET a HTTP/1.1\r\n" + H + b"\r\n"),
    ("fragment in the target", 400, b"GET /a#b HTTP/1.1\r\n" + H + b"\r\n"),
    ("NUL in the target", 400, b"GET /a\0b HTTP/1.1\r\n" + H + b"\r\n"),
    ("DEL in the target", 400, b"GET /a\x7fb HTTP/1.1\r\n" + H + b"\r\n"),
    ("asterisk for GET", 400, b"GET * HTTP/1.1\r\n" + H + b"\r\n"),
    ("foreign scheme", 400, b"GET ftp://a/ HTTP/1.1\r\n" + H + b"\r\n"),
    ("absolute form without a host", 400, b"GET http:/// HTTP/1.1\r\n" + H + b"\r\n"),
    ("absolute form with a user", 400, b"GET http://u@a/ HTTP/1.1\r\n" + H + b"\r\n"),
    ("absolute form and Host differ", 400, b"GET http://b/ HTTP/1.1\r\n" + H + b"\r\n"),
    ("two empty lines first", 400, b"\r\n\r\nGET / HTTP/1.1\r\n" + H + b"\r\n"),
    ("bare LF first", 400, b"\nGET / HTTP/1.1\r\n" + H + b"\r\n"),
    ("bare LF behind the request line", 400, b"GET / HTTP/1.1\n" + H + b"\r\n"),
    ("bare LF behind a field", 400, b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    ("bare LF at the end", 400, b"GET / HTTP/1.1\r\n" + H + b"\n"),
    ("bare CR in a value", 400, b"GET / HTTP/1.1\r\nA: b\rc\r\n" + H + b"\r\n"),
    ("CR CR LF", 400, b"GET / HTTP/1.1\r\nA: b\r\r\n" + H + b"\r\n"),
    ("bare CR in the request line", 400, b"GET /\rHTTP/1.1\r\n" + H + b"\r\n"),
    ("NUL in a value", 400, b"GET / HTTP/1.1\r\nA: b\0c\r\n" + H + b"\r\n"),
    ("control byte in a value", 400, b"GET / HTTP/1.1\r\nA: b\x01c\r\n" + H + b"\r\n"),
    ("DEL in a value", 400, b"GET / HTTP/1.1\r\nA: b\x7fc\r\n" + H + b"\r\n"),
    ("obs-fold", 400, b"GET / HTTP/1.1\r\nA: b\r\n c\r\n" + H + b"\r\n"),
    ("space before the first field", 400, b"GET / HTTP/1.1\r\n A: b\r\n" + H + b"\r\n"),
    ("space before the colon", 400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    ("tab before the colon", 400, b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"),
    ("space in a name", 400, b"GET / HTTP/1.1\r\nA B: c\r\n" + H + b"\r\n"),
    ("empty name", 400, b"GET / HTTP/1.1\r\n: c\r\n" + H + b"\r\n"),
    ("pseudo-header on the wire", 400, b"GET / HTTP/1.1\r\n:path: /x\r\n" + H + b"\r\n"),
    ("name in UTF-8", 400, b"GET / HTTP/1.1\r\nH\xc3\xb6st: a\r\n" + H + b"\r\n"),
    ("no colon", 400, b"GET / HTTP/1.1\r\nhost\r\n\r\n"),
    ("no Host", 400, b"GET / HTTP/1.1\r\nA: b\r\n\r\n"),
    ("second Host", 400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("second Host that is the same", 400, b"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n"),
    ("second Host in HTTP/1.0", 400, b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("empty Host", 400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("Host with a path", 400, b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("Host with a user", 400, b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    ("Host with a space", 400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("Host list", 400, b"GET / HTTP/1.1\r\nHost: a b, c\r\n\r\n"),
    ("port with letters", 400, b"GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n"),
    ("port of six digits", 400, b"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n"),
    ("two ports", 400, b"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
    ("open bracket", 400, b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    ("bad escape in Host", 400, b"GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"),
    ("Host of 263 bytes", 400, b"GET / HTTP/1.1\r\nHost: " + b"a" * 263 + b"\r\n\r\n"),
    ("Content-Length with a plus", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: +1\r\n\r\na"),
    ("Content-Length with a minus", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: -1\r\n\r\na"),
    ("empty Content-Length", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length:\r\n\r\na"),
    ("hexadecimal Content-Length", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 0x1\r\n\r\na"),
    ("Content-Length list", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 1, 1\r\n\r\na"),
    ("Content-Length with an inner space", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 1 1\r\n\r\na"),
    ("Content-Length twice, different", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    ("Content-Length twice, the same", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    ("Content-Length of 2**63", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 9223372036854775808\r\n\r\na"),
    ("Content-Length of 2**64 + 1", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 18446744073709551617\r\n\r\na"),
    ("Content-Length and chunked", 400, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked and Content-Length", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("chunked in HTTP/1.0", 400, b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked twice", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked in two fields", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked, then identity", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    ("chunked not last", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("identity", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: identity\r\n\r\n"),
    ("xchunked", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunked with a parameter", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    ("chunked in quotes", 400, b'POST / HTTP/1.1\r\n' + H + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    ("chunked behind a vertical tab", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    ("chunked behind a comma", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n"),
    ("empty Transfer-Encoding", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding:\r\n\r\n"),
    ("space before the colon of Transfer-Encoding", 400, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    ("gzip, chunked", 501, b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("Connection that is no list of tokens", 400, b"GET / HTTP/1.1\r\n" + H + b"Connection: a b\r\n\r\n"),
    ("Connection of 65 options", 400, b"GET / HTTP/1.1\r\n" + H + b"Connection: " + b",".join([b"a"] * 65) + b"\r\n\r\n"),
    ("unknown expectation", 417, b"POST / HTTP/1.1\r\n" + H + b"Expect: a\r\nContent-Length: 1\r\n\r\na"),
    ("target over the limit", 414, b"GET /" + b"a" * 500 + b" HTTP/1.1\r\n" + H + b"\r\n"),
    ("request line over the head's limit", 414, b"GET /" + b"a" * 3000),
    ("field over the head's limit", 431, b"GET / HTTP/1.1\r\n" + H + b"A: " + b"a" * 3000),
    ("fields over the head's limit", 431, b"GET / HTTP/1.1\r\n" + H + (b"A: " + b"a" * 500 + b"\r\n") * 5 + b"\r\n"),
    ("21 fields", 431, b"GET / HTTP/1.1\r\n" + H + b"A: b\r\n" * 20 + b"\r\n"),
    ("body over the limit", 413, b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5000\r\n\r\n"),
]  # fmt: skip
SETTINGS = HttpSettings(max_head_bytes=2048, max_target_bytes=400, max_fields=20, max_body_bytes=4096)


@pytest.mark.parametrize("step", [0, 1], ids=["whole", "byte by byte"])
@pytest.mark.parametrize(("status", "data"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_head_is_refused_and_the_connection_closed(status: int, data: bytes, step: int) -> None:
    """The client learns what was wrong, and nothing of it, nor what follows, gets further."""
    wire = Wire(SETTINGS)
    client = wire.client()
    client.send(data + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", step)
    answer = client.received()
    assert status_of(answer) == status
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in answer
    assert client.transport.eof
    assert not wire.dialer.waiting
