"""What stands behind each host: origins for HTTP and TCP, and a gRPC server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.grpc.servers import grpc_server, no_one
from tests.peers.conformance.guest import Ports
from tests.peers.conformance.origin import Origin
from tests.peers.conformance.tcp_origin import TcpOrigin


@dataclass(frozen=True, slots=True)
class Servers:
    """The running servers. Only the first two are asked what they saw."""

    origin: Origin
    tcp: TcpOrigin
    ports: Ports


@contextmanager
def serving() -> Iterator[Servers]:
    """Run all of them until the block ends."""
    with Origin() as origin, TcpOrigin() as tcp, grpc_server() as grpc, no_one() as nobody:
        yield Servers(origin, tcp, Ports(origin.port, tcp.port, grpc, nobody))
