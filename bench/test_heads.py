"""What a request head costs: the C judge, which fills a header map, beside httptools with a callback for each field.

The second is a floor, not a rival: httptools applies none of the rules of `core/message.c`, and its fields are not in a
map that plugins can read yet.
"""

from __future__ import annotations

from typing import Any

import httptools
import pytest

from host._core import lib
from host.headers import HeaderMap
from host.http.message import new_judge

_FIELDS = [
    (b"Host", b"shop.example.com"),
    (
        b"User-Agent",
        b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
    ),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Referer", b"https://shop.example.com/catalogue?page=2"),
    (b"Cookie", b"session=6f1b3b1c0e7a4a0e9a; theme=dark; consent=yes"),
    (b"X-Request-Id", b"3b0b6a3e-6b0f-4b63-9a1c-0f3f6b9a2f11"),
    (b"Cache-Control", b"no-cache"),
    (b"Connection", b"keep-alive"),
]


def _head(fields: list[tuple[bytes, bytes]]) -> bytes:
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    return b"GET /item/17?variant=2 HTTP/1.1\r\n" + lines + b"\r\n"


HEADS = {"1 field": _head(_FIELDS[:1]), "10 fields": _head(_FIELDS)}


class _Tokens:
    """The least that a program does with httptools' callbacks: keep what comes."""

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.on_header = self._on_header

    def on_url(self, url: bytes) -> None:
        self.url = url

    def _on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.fields.clear()


@pytest.mark.parametrize("name", HEADS)
def test_judge_a_head_in_c(benchmark: Any, name: str) -> None:
    """One crossing: all rules checked, all fields in the map."""
    head, judge, headers = HEADS[name], new_judge(65536, 8192, 100), HeaderMap()
    pointer = headers.pointer

    def parse() -> int:
        lib.sw_headers_clear(pointer)
        return int(lib.sw_judge_request(judge, head, 0, len(head), pointer))

    assert benchmark(parse) >= 0
    assert headers.get(b":path") == b"/item/17?variant=2"


@pytest.mark.parametrize("name", HEADS)
def test_tokenize_a_head_with_httptools(benchmark: Any, name: str) -> None:
    """A callback for each field."""
    head, tokens = HEADS[name], _Tokens()
    parser = httptools.HttpRequestParser(tokens)
    benchmark(parser.feed_data, head)
    assert tokens.url == b"/item/17?variant=2"
