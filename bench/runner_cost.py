"""What a call of an APISIX plugin runner costs the worker: CPU time with the real Go runner at the other end.

python -m bench.runner_cost [CALLS]     a request of eight fields; the runner's plugin reads it and changes nothing
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.test_apisix_codec import HEADERS
from host.config.runner_values import Runner
from host.external.apisix.client import RunnerClient
from host.external.apisix.codec import InfoRequest
from host.external.apisix.tokens import Configuration
from tests.peers import runners

_CONFIGURATION = Configuration(b"bench", ((b"read", b"{}"),))
_AT_ONCE = (1, 16)


async def _nothing(_: InfoRequest) -> None:
    return None


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _measure(socket: Path, calls: int) -> None:
    client = RunnerClient(Runner(), socket)
    client.hold()

    async def ask(count: int) -> None:
        for _ in range(count):
            await client.request(_CONFIGURATION, HEADERS, bytes(4), _nothing)

    await ask(100)
    print("| at once | CPU us/call | calls/s |\n|---|---|---|")
    for at_once in _AT_ONCE:
        cpu, began = _cpu(), time.perf_counter()
        await asyncio.gather(*(ask(calls // at_once) for _ in range(at_once)))
        seconds = time.perf_counter() - began
        print(f"| {at_once} | {(_cpu() - cpu) / calls * 1e6:.1f} | {calls / seconds:,.0f} |")
    client.close()


def main() -> None:
    """Measure and print a table."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "runner.sock"
        with runners.unmanaged([str(runners.own_runner())], socket):
            uvloop.run(_measure(socket, calls))


if __name__ == "__main__":
    main()
