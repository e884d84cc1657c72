"""Guests and messages that tests of plugins share."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import wasmtime

from host.testing import HostedStream, PluginHost

TESTDATA = Path(__file__).parents[2] / "testdata"

Fields = list[tuple[bytes, bytes]]

GET: Fields = [
    (b":method", b"GET"),
    (b":path", b"/a?b=c"),
    (b":authority", b"example.test"),
    (b":scheme", b"http"),
]
POST: Fields = [(b":method", b"POST"), *GET[1:]]
OK: Fields = [(b":status", b"200"), (b"server", b"origin")]


def plugin_file(name: str) -> Path:
    """The file of a plugin of testdata/plugins."""
    return TESTDATA / "plugins" / name / "plugin.wasm"


@cache
def wat(name: str) -> bytes:
    """A module of testdata/wat in binary form."""
    return bytes(wasmtime.wat2wasm((TESTDATA / "wat" / f"{name}.wat").read_text()))


def assemble(text: str) -> bytes:
    """A module of its text."""
    return bytes(wasmtime.wat2wasm(text))


def host(name: str, configuration: Any = None, **options: Any) -> PluginHost:
    """A host of a plugin of testdata/plugins."""
    return PluginHost(plugin_file(name), configuration, name=name, **options)


def send(
    stream: HostedStream, *body: bytes, trailers: Fields | None = None, headers: Fields | None = None
) -> None:
    """A whole request: without body pieces its head ends it."""
    head = headers if headers is not None else POST if body or trailers else GET
    stream.request_headers(head, end_of_stream=not body and trailers is None)
    for index, piece in enumerate(body):
        stream.request_body(piece, end_of_stream=trailers is None and index == len(body) - 1)
    if trailers is not None:
        stream.request_trailers(trailers)


def answer(
    stream: HostedStream, *body: bytes, trailers: Fields | None = None, headers: Fields | None = None
) -> None:
    """A whole response: without body pieces its head ends it."""
    stream.response_headers(headers or OK, end_of_stream=not body and trailers is None)
    for index, piece in enumerate(body):
        stream.response_body(piece, end_of_stream=trailers is None and index == len(body) - 1)
    if trailers is not None:
        stream.response_trailers(trailers)
