"""What a runner's frames cost: the codec in C beside the `flatbuffers` runtime, for a request of eight fields.

The goal is that encoding and decoding together take 20 microseconds at most.
"""

from __future__ import annotations

from typing import Any

from host.external.apisix.codec import Codec, FrameType, RequestReply, read_header
from host.headers import HeaderMap
from tests.external.apisix import frames

_ADDRESS = bytes([127, 0, 0, 1])
_FIELDS = [
    (b"host", b"shop.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"referer", b"https://shop.example.com/catalogue?page=2"),
    (b"cookie", b"session=6f1b3b1c0e7a4a0e9a; theme=dark; consent=yes"),
    (b"x-request-id", b"3b0b6a3e-6b0f-4b63-9a1c-0f3f6b9a2f11"),
]
HEADERS = HeaderMap(
    [(b":method", b"GET"), (b":path", b"/item/17?variant=2"), (b":authority", _FIELDS[0][1]), *_FIELDS[1:]]
)
_REWRITE = frames.rewrite(7, path=b"/item", headers=[(b"x-user", b"17"), (b"cookie", None)])


def _encode_and_decode(codec: Codec) -> object:
    codec.write_request_call(HEADERS, 7, 1, _ADDRESS)
    return codec.read_message(read_header(_REWRITE[:4])[0], _REWRITE[4:])


def test_encode_and_decode_in_c(benchmark: Any) -> None:
    """A request out, a rewrite of two fields in."""
    assert isinstance(benchmark(_encode_and_decode, Codec()), RequestReply)


def test_encode_in_c(benchmark: Any) -> None:
    """One crossing: the fields never become objects."""
    frame = benchmark(Codec().write_request_call, HEADERS, 7, 1, _ADDRESS)
    assert frame == frames.request_call(7, _ADDRESS, "GET", b"/item/17", [(b"variant", b"2")], _FIELDS, 1)


def test_encode_with_flatbuffers(benchmark: Any) -> None:
    """The same frame by the runtime in Python."""
    arguments = (7, _ADDRESS, "GET", b"/item/17", [(b"variant", b"2")], _FIELDS, 1)
    assert benchmark(frames.request_call, *arguments)


def test_decode_in_c(benchmark: Any) -> None:
    """The answer alone."""
    assert benchmark(Codec().read_message, FrameType.REQUEST_CALL, _REWRITE[4:])


def _decode(payload: bytes) -> object:
    root = frames.Reader(payload)
    action = frames.Reader(payload, root.table.Indirect(root.table.Pos + root.table.Offset(8)))
    return root.number(0), action.bytes(0), action.entries(1), action.entries(2), action.entries(3)


def test_decode_with_flatbuffers(benchmark: Any) -> None:
    """The same answer."""
    expected = (7, b"/item", [(b"x-user", b"17"), (b"cookie", None)], [], [])
    assert benchmark(_decode, _REWRITE[4:]) == expected
