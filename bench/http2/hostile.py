"""What a library does with a hostile client's bytes, as a server with its defaults or as its author set them here.

A defence shows as an end of the connection after some frames; without one all frames are taken, and the CPU time and
the memory that they cost is what the attacker buys.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

from bench.http2.endpoints import Endpoint

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 1, 3, 4, 6, 8, 9
FRAMES = 20_000
HEAD = b"\x82\x86\x84\x41\x01a"  # GET http / a


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113 section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def rapid_reset(number: int) -> bytes:
    """CVE-2023-44487: a stream opened and reset at once."""
    stream = 2 * number + 1
    return frame(HEADERS, 5, stream, HEAD) + frame(RESET, 0, stream, b"\0\0\0\x08")


def continuation_flood(number: int) -> bytes:
    """CVE-2024-28182: a header block that never ends. Each fragment is a literal field of 200 octets."""
    if number == 0:
        return frame(HEADERS, 1, 1, HEAD)
    return frame(CONTINUATION, 0, 1, b"\x00\x03x-a\x7f\x49" + b"v" * 200)


def hpack_bomb(number: int) -> bytes:
    """A field of 4,000 octets in the table, then named 4,000 times by one octet each, in each request."""
    entry = b"\x40\x01b\x7f\xa1\x1e" + b"v" * 4000 if number == 0 else b""
    return frame(HEADERS, 5, 2 * number + 1, HEAD + entry + b"\xbe" * 4000)


def ping_flood(number: int) -> bytes:
    """CVE-2019-9512."""
    return frame(PING, 0, 0, b"12345678")


def settings_flood(number: int) -> bytes:
    """CVE-2019-9515."""
    return frame(SETTINGS, 0, 0)


def empty_data(number: int) -> bytes:
    """CVE-2019-9518: a stream of empty DATA frames."""
    return frame(HEADERS, 4, 1, b"\x83\x86\x84\x41\x01a") if number == 0 else frame(0, 0, 1)


def window_overflow(number: int) -> bytes:
    """A window beyond 2^31 - 1 (RFC 9113 section 6.9.1)."""
    return frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")


ATTACKS = (
    rapid_reset,
    continuation_flood,
    hpack_bomb,
    ping_flood,
    settings_flood,
    empty_data,
    window_overflow,
)


def attack(make: Callable[[bool], Endpoint], attack: Callable[[int], bytes], frames: int) -> str:
    """Feed the server; its answers are taken after each hundred frames."""
    server = make(True)
    server.receive(PREFACE + frame(SETTINGS, 0, 0))
    begin = time.process_time()
    octets, end = 0, "all taken"
    for number in range(frames):
        data = attack(number)
        octets += len(data)
        try:
            server.receive(data)
            if number % 100 == 99:
                while server.output():
                    pass
        except Exception as error:
            end = f"{type(error).__name__} after {number:,}"
            break
    milliseconds = (time.process_time() - begin) * 1000
    return f"{end}; {milliseconds:.0f} ms for {octets / 1000:,.0f} KB"


def report(candidates: dict[str, Callable[[bool], Endpoint]]) -> None:
    """Print a table."""
    print("| attack | " + " | ".join(candidates) + " |")
    print("|---" * (len(candidates) + 1) + "|")
    for each in ATTACKS:
        frames = 300 if each is hpack_bomb else FRAMES
        results = [attack(make, each, frames) for make in candidates.values()]
        print(f"| {each.__name__.replace('_', ' ')} | " + " | ".join(results) + " |")
