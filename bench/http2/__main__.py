"""Compares HTTP/2 libraries (and TLS ones) in memory, without sockets: `python -m bench.http2`.

CPU time of each role, so that a gateway's two sides can be told apart; then what each does with a hostile peer's bytes.
`pip install h2 jh2 pyopenssl tlslite-ng` (into another environment than the tested one) brings the candidates.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable

from bench.http2 import hostile, tls
from bench.http2.endpoints import Endpoint, Fields, candidates

REQUEST: Fields = [
    (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/grpc.examples.echo.Echo/UnaryEcho"),
    (b":authority", b"localhost:50051"), (b"content-type", b"application/grpc"), (b"te", b"trailers"),
    (b"user-agent", b"bench/1.0"), (b"grpc-timeout", b"1S"), (b"x-request-id", b"8f1c2b0e-6c47-4a4e-9a57-3d9b6e1f2a10"),
]  # fmt: skip
RESPONSE: Fields = [(b":status", b"200"), (b"content-type", b"application/grpc"), (b"server", b"bench")]
TRAILERS: Fields = [(b"grpc-status", b"0"), (b"grpc-message", b"")]
CONTENT = b"\0\0\0\0\x5f" + b"m" * 95
LARGE = 32 * 1024 * 1024


class Timed:
    """An endpoint and the CPU time that it has used."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.seconds = 0.0

    def call(self, work: Callable[[], object]) -> object:
        """Do a thing on its account."""
        begin = time.process_time_ns()
        try:
            return work()
        finally:
            self.seconds += (time.process_time_ns() - begin) / 1e9


def exchange(client: Timed, server: Timed, requests: int, content: bytes) -> int:
    """Carry that many requests at once through; return the octets of content that the client got."""
    octets = finished = 0
    while finished < requests:
        data = client.call(client.endpoint.output)
        complete, _, _ = server.call(lambda data=data: server.endpoint.receive(data))  # type: ignore[misc]
        for stream in complete:
            server.call(lambda stream=stream: server.endpoint.respond(stream, RESPONSE, content, TRAILERS))
        data = server.call(server.endpoint.output)
        _, more, ended = client.call(lambda data=data: client.endpoint.receive(data))  # type: ignore[misc]
        octets, finished = octets + more, finished + ended
    return octets


def per_stream(make: Callable[[bool], Endpoint], rounds: int, at_once: int) -> tuple[float, float]:
    """Microseconds of a small request: the client's and the server's."""
    client, server = Timed(make(False)), Timed(make(True))
    for _ in range(rounds):
        for _ in range(at_once):
            client.call(lambda: client.endpoint.request(REQUEST, CONTENT))
        exchange(client, server, at_once, CONTENT)
    return client.seconds / (rounds * at_once) * 1e6, server.seconds / (rounds * at_once) * 1e6


def throughput(make: Callable[[bool], Endpoint]) -> tuple[float, float]:
    """MB a second of CPU time for one large response: the receiving client, the sending server."""
    client, server = Timed(make(False)), Timed(make(True))
    client.call(lambda: client.endpoint.request(REQUEST, CONTENT))
    octets = exchange(client, server, 1, b"x" * LARGE)
    assert octets == LARGE
    return LARGE / client.seconds / 1e6, LARGE / server.seconds / 1e6


def memory(make: Callable[[bool], Endpoint], pairs: int = 500) -> float:
    """KB that an idle connection holds after ten requests (the process's growth, halved over the two ends)."""
    kept, before = [], _resident()
    for _ in range(pairs):
        client, server = Timed(make(False)), Timed(make(True))
        for _ in range(10):
            client.endpoint.request(REQUEST, CONTENT)
        exchange(client, server, 10, CONTENT)
        kept.append((client, server))
    return (_resident() - before) / pairs / 2


def _resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1024


def main() -> None:
    """Print the tables."""
    print("| library | client us/stream | server us/stream | client MB/s | server MB/s | KB/connection |")
    print("|---|---|---|---|---|---|")
    for name, make in candidates().items():
        runs = [per_stream(make, 100, 10) for _ in range(5)]
        small = [statistics.median(role) for role in zip(*runs, strict=True)]
        large = [statistics.median(role) for role in zip(*(throughput(make) for _ in range(3)), strict=True)]
        print(
            f"| {name} | {small[0]:.1f} | {small[1]:.1f} | {large[0]:,.0f} | {large[1]:,.0f} | {memory(make):.0f} |"
        )
    print()
    hostile.report(candidates())
    print()
    tls.report()


main()
