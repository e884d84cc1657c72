"""What isolation costs: requests through a plugin in each mode, their CPU time, and whether memory stays flat.

    python -m bench.isolation [--requests N] [--mode MODE …] [--plugin FILE]

Requests run through the test kit's chain, which has the gateway's own plugins, VMs and streams, and neither sockets nor
parsing: what is left is the filter chain. Memory is resident memory, compared between a tenth of the way and the end.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from abi.types import LogLevel
from host.plugin.plugin import Isolation
from host.plugin.settings import RecycleLimits
from host.testing import ChainHost, WasmPlugin
from host.wasm.vm import VmSettings

PLUGIN = Path(__file__).parent.parent / "testdata/plugins/custom_response_header/plugin.wasm"
CONFIGURATION = {"headers": [{"name": "x-bench", "value": "1"}]}
REQUEST = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"bench"), (b":scheme", b"http")]
RESPONSE = [(b":status", b"200"), (b"content-type", b"text/plain")]
PAGE = os.sysconf("SC_PAGE_SIZE")

FUEL = "none, with fuel"
MODES = {
    "none": (Isolation.NONE, RecycleLimits()),
    FUEL: (Isolation.NONE, RecycleLimits()),
    "none, recycled every 1,000": (Isolation.NONE, RecycleLimits(max_requests=1000)),
    "route": (Isolation.ROUTE, RecycleLimits()),
    "stream": (Isolation.STREAM, RecycleLimits()),
    "filter": (Isolation.FILTER, RecycleLimits()),
}


@dataclass(frozen=True, slots=True)
class Result:
    """`cpu`: seconds a request; `grown`: bytes of resident memory in the last nine tenths of the requests."""

    mode: str
    requests: int
    cpu: float
    resident: int
    grown: int
    vms: int


def resident() -> int:
    """Bytes of this process in memory, when what can be collected has been."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def serve(chain: ChainHost, requests: int) -> None:
    """Run so many exchanges, and forget the lines that they left."""
    for _ in range(requests):
        with chain.http_stream() as stream:
            stream.request_headers(REQUEST, end_of_stream=True)
            stream.response_headers(RESPONSE, end_of_stream=True)
        assert stream.to_client.get(b"x-bench") == b"1"
    chain.lines.clear()
    chain.events.clear()


def measure(mode: str, requests: int, plugin: Path) -> Result:
    """Run the requests of one mode."""
    isolation, recycle = MODES[mode]
    use = WasmPlugin(
        plugin,
        CONFIGURATION,
        name="p",
        isolation=isolation,
        recycle=recycle,
        vm=VmSettings(log_level=LogLevel.WARN, callback_fuel=10_000_000 if mode == FUEL else 0),
    )
    with ChainHost([use]) as chain:
        serve(chain, max(1, requests // 10))
        before, began = resident(), time.process_time()
        rest = requests - requests // 10
        serve(chain, rest)
        cpu, after = (time.process_time() - began) / rest, resident()
        counts = chain.plugins["p"].counts
        assert counts.failed == 0, chain.plugins["p"].last_failure
        return Result(mode, requests, cpu, after, after - before, counts.started)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000, help="in each mode (default: %(default)s)")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this one; can be given again")
    parser.add_argument(
        "--plugin", type=Path, default=PLUGIN, help="a plugin that takes the bench's configuration"
    )
    given = parser.parse_args(arguments)
    print(
        "| isolation | requests | CPU us/request | resident MB | grown MB | VMs |\n|---|---|---|---|---|---|"
    )
    for mode in given.mode or MODES:
        found = measure(mode, given.requests, given.plugin)
        print(
            f"| {found.mode} | {found.requests:,} | {found.cpu * 1e6:.1f} | {found.resident / 1e6:.1f} "
            f"| {found.grown / 1e6:+.1f} | {found.vms:,} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
