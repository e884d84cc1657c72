"""The servers that the tests of gRPC start: a real one, and one that says on HTTP/2 whatever a test wants."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVER = Path(__file__).with_name("server.py")


@contextmanager
def grpc_server(*arguments: str) -> Iterator[int]:
    """A grpcio server on a port of loopback. Skips where grpcio is not installed."""
    pytest.importorskip("grpc", reason="grpcio is not installed (it comes with the extra `dev`)")
    process = subprocess.Popen([sys.executable, str(SERVER), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def no_one() -> Iterator[int]:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """An HTTP/2 frame (RFC 9113 section 4.1)."""
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags])
    return head + stream.to_bytes(4, "big") + payload


DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 5, 6, 7, 8, 9,
)  # fmt: skip
END_STREAM, END_HEADERS = 1, 4
"""Frame types and flags (RFC 9113 section 6)."""


def literal(name: bytes, value: bytes) -> bytes:
    """A field as HPACK writes it without table and Huffman (RFC 7541 section 6.2.2); both parts below 127 bytes."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


OK_HEAD = literal(b":status", b"200") + literal(b"content-type", b"application/grpc")
