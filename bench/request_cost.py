"""What one request costs in the gateway itself: its protocols, the exchange and the filters, without sockets.

python -m bench.request_cost [--instructions]

Clients and nodes are objects that hand over bytes, so that neither the kernel nor uvloop is in the figure; all 50
connections take turns. The rounds of the servers are interleaved, and the least CPU time of each is printed: what
another process takes of the caches only adds. `--instructions` counts instructions by callgrind (valgrind) instead,
which no neighbour changes: the difference of two runs of different length, so that the start is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from abi.types import LogLevel
from bench.load.native_filter import CustomResponseHeader
from bench.load.servers import (
    CALLOUT_CONFIGURATION,
    CALLOUT_PLUGIN,
    GO_PLUGIN,
    HEADER_CONFIGURATION,
    HEADER_PLUGIN,
)
from host.callouts import Callouts
from host.chain import Filter, FilterChain
from host.exchange import AccessLog, Exchange, Route
from host.filters.python import PythonFilterAdapter
from host.filters.wasm import WasmFilter
from host.http.deadlines import Deadlines
from host.http.downstream import Downstream
from host.http.server import Server
from host.http.settings import HttpSettings
from host.log.format import DEFAULT
from host.plugin.callouts import HttpCall
from host.plugin.plugin import Key, Plugin, PluginSettings
from host.plugin.services import CallInFlight
from host.router import Router, Rule
from host.testing.services import ManualServices
from host.upstream.balancer import Node
from host.upstream.connection import UpstreamConnection
from host.upstream.upstream import Upstream
from host.wasm.module import Module
from host.wasm.vm import VmSettings

CONNECTIONS, ROUNDS, REQUESTS = 50, 20, 2000

# What wrk sends and what the benchmark's origin answers.
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:9080\r\n\r\n"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\nhello world\n"
)


class Wire(asyncio.Transport):
    """A transport that keeps the last bytes written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 9080)})
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written = bytes(data)

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Nodes:
    """Dials by noting the connection: whoever sent the request makes it."""

    def __init__(self) -> None:
        self.wanted: UpstreamConnection | None = None

    def dial(self, connection: UpstreamConnection, host: str, port: int) -> None:
        self.wanted = connection

    def cancel(self, connection: UpstreamConnection) -> None:
        pass


class Timer:
    """A timer that is never due."""

    def cancel(self) -> None:
        pass


class Named:
    """The upstream of a gateway, by its name alone."""

    upstream: Upstream

    def __contains__(self, name: object) -> bool:
        return name == "origin"

    def named(self, name: str) -> Upstream | None:
        return self.upstream if name in self else None


class Calls(ManualServices):
    """Carries out the calls of a plugin on the upstream of its gateway, as the gateway's services do."""

    def __init__(self) -> None:
        super().__init__()
        self.named = Named()
        self._callouts = Callouts(Deadlines(time.monotonic))
        self._callouts.directory.add(self.named)

    def now(self) -> float:
        return time.monotonic()

    def has_upstream(self, name: str) -> bool:
        return name in self._callouts.directory

    def http_call(self, call: HttpCall) -> CallInFlight | None:  # type: ignore[override]
        return self._callouts.send(call)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:  # type: ignore[override]
        return Timer()


class Gateway:
    """One route to one node, and clients that ask in turn. `calls`: a filter asks the node, too, for each request.

    `log`: of accesses.
    """

    def __init__(
        self, filters: Sequence[Filter], calls: Calls | None = None, log: AccessLog | None = None
    ) -> None:
        self._nodes = Nodes()
        self._answers = 1 if calls is None else 2
        deadlines = Deadlines(time.monotonic)
        self._upstream = Upstream("bench", [Node("127.0.0.1", 1980)], deadlines, self._nodes)
        if calls is not None:
            calls.named.upstream = self._upstream
        router = Router([Rule(Route("1", FilterChain(filters), self._upstream), ["/*"])])

        def match(exchange: Exchange) -> Route | None:
            return router.match(*exchange.target)

        endless = HttpSettings(max_requests=1 << 60)
        self._server = Server(
            lambda downstream: Exchange(downstream, match, log.new_record() if log is not None else None),
            deadlines,
            endless,
        )
        self._upstream._keepalive_requests = 1 << 60
        self._clients = [Downstream(self._server) for _ in range(CONNECTIONS)]
        for client in self._clients:
            client.connection_made(Wire())
        # All at once, so that each has a connection of its own, as under load.
        waiting = [self._connect(client) for client in self._clients]
        for connection in waiting:
            self._answer(connection)

    def _connect(self, client: Downstream) -> UpstreamConnection:
        client.data_received(REQUEST)
        connection = self._nodes.wanted
        assert connection is not None
        connection.connection_made(Wire())
        return connection

    def _answer(self, connection: UpstreamConnection) -> None:
        """Answer the call, if there is one, and the request, which then goes out on the same connection."""
        for _ in range(self._answers):
            connection.data_received(RESPONSE)

    def run(self, requests: int) -> None:
        """Pass so many requests."""
        idle, clients = self._upstream.nodes[0].idle, self._clients
        for number in range(requests):
            # From the other end of the pool than it is taken: the connections take turns as well.
            idle.rotate(1)
            connection = idle[-1]
            clients[number % CONNECTIONS].data_received(REQUEST)
            self._answer(connection)

    def answer(self) -> bytes:
        """Pass one more, and return what its client got."""
        self.run(1)
        wire = self._clients[0].transport
        assert isinstance(wire, Wire)
        return wire.written


def plugin_filter(
    path: object, configuration: str, number: int = 0, services: ManualServices | None = None
) -> WasmFilter:
    """Return a filter of a plugin with a VM of its own."""
    # Under callgrind a callback takes a hundred times its time.
    vm = VmSettings(log_level=LogLevel.ERROR, callback_deadline=10_000)
    settings = PluginSettings(f"plugin-{number}", vm=vm)
    plugin = Plugin(settings, Module.load(path), services or ManualServices())
    return WasmFilter(plugin, Key(configuration.encode()))


def tinygo(count: int) -> list[WasmFilter]:
    return [plugin_filter(HEADER_PLUGIN, HEADER_CONFIGURATION, number) for number in range(count)]


def calling() -> Gateway:
    calls = Calls()
    return Gateway([plugin_filter(CALLOUT_PLUGIN, CALLOUT_CONFIGURATION, services=calls)], calls)


class NoFile:
    """Where the lines of an access log go."""

    def write(self, line: bytes) -> None:
        assert line


GATEWAYS: dict[str, Callable[[], Gateway]] = {
    "bare": lambda: Gateway([]),
    "TinyGo": lambda: Gateway(tinygo(1)),
    "native": lambda: Gateway([PythonFilterAdapter(CustomResponseHeader(HEADER_CONFIGURATION.encode()))]),
    "TinyGo x8": lambda: Gateway(tinygo(8)),
    "with a call": calling,
    "access log": lambda: Gateway([], log=AccessLog(DEFAULT, "default", NoFile())),
    "Go": lambda: Gateway([plugin_filter(GO_PLUGIN, "{}")]),
}


def instructions(name: str) -> float:
    """Return how many instructions one request takes."""
    counts = []
    for requests in (500, 1500):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--smc-check=all"]
        run = [sys.executable, "-m", "bench.request_cost", "--pass", str(requests), name]
        done = subprocess.run([*command, *run], capture_output=True, text=True, timeout=600, check=True)
        found = re.search(r"Collected : (\d+)", done.stderr)
        assert found, done.stderr
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) / 1000


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.request_cost", description=__doc__)
    parser.add_argument("--instructions", action="store_true", help="count them, by callgrind")
    parser.add_argument(
        "--pass", type=int, metavar="N", dest="passed", help="pass N requests and print nothing"
    )
    parser.add_argument("names", nargs="*", default=list(GATEWAYS), metavar="NAME", help="default: all")
    options = parser.parse_args()
    if options.passed:
        GATEWAYS[options.names[0]]().run(options.passed)
        return
    if options.instructions:
        for name in options.names:
            print(f"{name:12} {instructions(name):8,.0f} instructions")
        return
    gateways = {name: GATEWAYS[name]() for name in options.names}
    least = dict.fromkeys(gateways, float("inf"))
    for _ in range(ROUNDS):
        for name, gateway in gateways.items():
            begin = time.thread_time_ns()
            gateway.run(REQUESTS)
            least[name] = min(least[name], (time.thread_time_ns() - begin) / REQUESTS / 1000)
    for name, value in least.items():
        print(f"{name:12} {value:6.2f} us")


if __name__ == "__main__":
    main()
