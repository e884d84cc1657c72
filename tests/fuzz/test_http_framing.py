"""Whatever bytes come in: a request that passes, or an error and the end of the connection; never an exception, and
never a different outcome because the bytes were split elsewhere."""

from __future__ import annotations

from itertools import pairwise

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from host.http.settings import HttpSettings
from tests.http.wire import Peer, Wire, status_of

SETTINGS = HttpSettings(max_head_bytes=400, max_target_bytes=100, max_fields=8, max_body_bytes=300)
OK = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 05:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi"

PIECES = [
    b"GET ", b"POST ", b"OPTIONS ", b"/", b"/a?b", b"*", b"http://a/", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\n", b"\r",
    b" ", b"\t", b"\0", b":", b",", b"Host: a\r\n", b"Host: a:80\r\n", b"host:b\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n",
    b"content-length:", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding:", b"chunked", b"gzip", b"Connection: close\r\n",
    b"Connection: keep-alive, x\r\n", b"Connection: upgrade\r\nUpgrade: a\r\n", b"Expect: 100-continue\r\n", b"TE: trailers\r\n", b"X: y\r\n",
    b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\nT: u\r\n\r\n", b"3;a=b\r\n", b"+3", b"ffffffffffffffffff\r\n", b"\xff", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
]  # fmt: skip
HEADS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HEAD http://a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
]

# The fields that the gateway writes itself, in its own spelling.
OURS = (
    b"Host", b"X-Forwarded-For", b"X-Real-IP", b"X-Forwarded-Proto", b"X-Forwarded-Host", b"X-Forwarded-Port",
    b"Content-Length", b"Transfer-Encoding", b"TE", b"Connection", b"Upgrade", b"Expect",
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Messages in order, one after the other, with a few bytes taken out, put in or replaced."""
    data = b"".join(draw(st.lists(st.sampled_from(seeds), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 3)))
        data = data[:at] + draw(st.sampled_from([*PIECES, b""]) | st.binary(max_size=2)) + data[end:]
    return data


streams = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=25).map(b"".join),
    mutated(HEADS),
)
cuts = st.lists(st.integers(0, 400), max_size=6)


def outcome(data: bytes, at: list[int]) -> tuple[bytes, list[bytes]]:
    """What the client and the upstreams got for the data, cut at these places; each request is answered at its end."""
    wire = Wire(SETTINGS)
    client = wire.client()
    requests: list[bytes] = []
    nodes: list[Peer] = []

    def settle() -> None:
        while wire.dialer.waiting:
            nodes.append(wire.accept())
        for node in nodes:
            sent = node.received()
            if sent:
                requests.append(sent)
            if (
                node.protocol._request_done
                and node.protocol._exchange is not None
                and not node.transport.closed
            ):
                node.send(OK)
                settle()

    edges = sorted({0, len(data), *(edge for edge in at if edge < len(data))})
    for start, end in pairwise(edges):
        if client.transport.closed:
            break
        client.send(data[start:end])
        settle()
    return client.received(), requests


def normal(answer: bytes) -> bytes:
    """The answer without its dates."""
    return b"\n".join(line for line in answer.split(b"\r\n") if not line.startswith(b"Date:"))


class Reader:
    """The requests as another implementation reads them, content joined."""

    def __init__(self, data: bytes) -> None:
        self.seen: list[tuple[str, bytes]] = []
        httptools.HttpRequestParser(self).feed_data(data)

    def add(self, kind: str, data: bytes) -> None:
        """Note a part; pieces of content are one."""
        if kind == "body" and self.seen and self.seen[-1][0] == "body":
            data = self.seen.pop()[1] + data
        self.seen.append((kind, data))

    def on_url(self, url: bytes) -> None:
        self.add("target", url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.add("field", name + b": " + value)

    def on_body(self, body: bytes) -> None:
        self.add("body", body)

    def on_message_complete(self) -> None:
        self.add("end", b"")


def read(requests: list[bytes]) -> list[tuple[str, bytes]]:
    """What an upstream makes of what it got; nothing where llhttp does not know the method, or stops at an upgrade, or at
    a target beyond ASCII, which passes here as it does in nginx."""
    data = b"".join(requests)
    try:
        return Reader(data).seen
    except (httptools.HttpParserUpgrade, httptools.HttpParserInvalidMethodError):
        return []
    except httptools.HttpParserInvalidURLError:
        if data.isascii():
            raise
        return []


@given(data=streams, at=cuts)
@example(data=b"\r\n" * 3, at=[1])
@example(data=HEADS[2] + HEADS[0], at=[70, 75])
@example(data=HEADS[0] + b"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", at=[])
def test_splitting_a_stream_of_requests_changes_nothing(data: bytes, at: list[int]) -> None:
    """The client's answers are the same, and the upstreams' requests, whole, cut anywhere, and byte by byte."""
    whole, sent = outcome(data, [])
    for edges in (at, list(range(len(data)))):
        answer, requests = outcome(data, edges)
        assert normal(answer) == normal(whole)
        if status_of(whole[whole.rfind(b"HTTP/1.1 ") :]) == 200:
            assert read(requests) == read(sent)


@given(data=streams)
def test_what_reaches_an_upstream_is_framed_once(data: bytes) -> None:
    """One Host, one way to tell the length, no control bytes: for every request that gets through."""
    _, requests = outcome(data, [])
    for request in requests:
        head, end, _ = request.partition(b"\r\n\r\n")
        if not end or b" HTTP/1.1\r\n" not in head:
            continue  # a later piece of a body
        lines = head.split(b"\r\n")
        names = [line.partition(b":")[0] for line in lines[1:]]
        lower = [name.lower() for name in names]
        assert lower.count(b"host") == 1
        assert lower.count(b"content-length") + lower.count(b"transfer-encoding") <= 1
        assert not any(byte < 0x20 and byte != 9 for line in lines for byte in line)
        assert all(name and b" " not in name for name in names)
        assert all(name in OURS or name in data for name in names)  # as the client spelled it


@given(data=st.one_of(st.binary(max_size=200), mutated([OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", b"HTTP/1.1 103 X\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"])), at=cuts)  # fmt: skip
def test_no_response_does_harm(data: bytes, at: list[int]) -> None:
    """A client gets whole responses, a broken-off one, or a 502; and then the next request works."""
    wire = Wire(SETTINGS, max_head_bytes=400, max_fields=8)
    client = wire.client()
    client.send(HEADS[0])
    node = wire.accept()
    edges = sorted({0, len(data), *(edge for edge in at if edge < len(data))})
    for start, end in pairwise(edges):
        node.send(data[start:end])
    if not node.transport.closed:
        node.end()
    answer = client.received()
    assert status_of(answer) != 500
    assert status_of(answer) or client.transport.aborted
    after = wire.client()
    after.send(HEADS[0])
    wire.accept().send(OK)
    assert status_of(after.received()) == 200


@pytest.mark.parametrize("size", [399, 400, 401])
def test_the_heads_limit_is_exact(size: int) -> None:
    """The same at every split: 400 bytes pass, 401 do not."""
    start = b"GET / HTTP/1.1\r\nHost: a\r\nA: "
    data = start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"
    assert len(data) == size
    for at in ([], [size - 1], list(range(size))):
        answer, _ = outcome(data, at)
        assert status_of(answer) == (200 if size <= 400 else 431)
