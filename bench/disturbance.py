"""What a disturbance costs those who have no part in it: errors, and the 99th percentile of their waiting.

python -m bench.disturbance swap    the plugin's file is replaced under load, and the gateway reloads (SIGHUP)
python -m bench.disturbance trap    a plugin on another route traps on a tenth of its requests (fail_reload)

The gateway has core 0, nginx behind it and wrk core 1. Each second is a run of wrk of its own.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load.measure import Sample, load
from host.testing import ProxyServer
from tests.peers import nginx
from tests.peers.process import Server, free_port

ROOT = Path(__file__).resolve().parents[1]
HEADER = ROOT / "testdata/plugins/custom_response_header/plugin.wasm"
TRAP = ROOT / "testdata/plugins/trap/plugin.wasm"
GATEWAY_CORE, LOAD_CORE, CONNECTIONS = 0, 1, 50

EACH_TENTH = """
local count = 0
request = function()
  count = count + 1
  return wrk.format("GET", nil, {["Host"] = "a", [count % 10 == 0 and "x-trap" or "x-no-trap"] = "1"})
end
"""


def milliseconds(text: str) -> float:
    """Return what wrk writes as 1.02ms, 870.00us or 1.10s."""
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


@contextmanager
def gateway(folder: Path, configuration: Callable[[str], dict[str, object]]) -> Iterator[ProxyServer]:
    """Run an origin and a gateway of one worker in front of it."""
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(nginx.origin(folder, port))
    origin = Server(["taskset", "-c", str(LOAD_CORE), *nginx.command(path)], port, folder / "log")
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {GATEWAY_CORE})  # which the gateway inherits
    try:
        with ProxyServer(folder, configuration(f"127.0.0.1:{port}")) as proxy:
            os.sched_setaffinity(0, everywhere)
            yield proxy
    finally:
        os.sched_setaffinity(0, everywhere)
        origin.stop()


def second(proxy: ProxyServer, path: str) -> Sample:
    """Load a path for one second."""
    url = f"{proxy.url}{path}"
    return load(proxy.gateway.process.pid, url, seconds=1, connections=CONNECTIONS, core=LOAD_CORE)


def report(quiet: list[Sample], disturbed: list[Sample], most: float) -> None:
    """Print the errors and the ratio of the percentiles."""
    calm = statistics.median(milliseconds(sample.p99) for sample in quiet)
    worst = statistics.median(milliseconds(sample.p99) for sample in disturbed)
    print(
        f"errors {sum(sample.errors for sample in disturbed)}; p99 {calm:.2f} ms without, {worst:.2f} ms with: "
        f"{worst / calm:.2f}x (at most {most}x); {len(disturbed)} seconds of each, medians"
    )


def swap(folder: Path, rounds: int) -> None:
    """Replace the plugin's file once a round; its bytes differ, so that it is compiled and started anew."""
    file = folder / "plugin.wasm"
    file.write_bytes(HEADER.read_bytes())
    conf = {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}

    def configuration(node: str) -> dict[str, object]:
        plugin = {"name": "header", "priority": 1, "file": str(file)}
        route = {"uri": "/*", "upstream": {"nodes": {node: 1}}, "plugins": {"header": {"conf": conf}}}
        return {"wasm": {"plugins": [plugin]}, "routes": [route]}

    quiet, disturbed = [], []
    with gateway(folder, configuration) as proxy:
        second(proxy, "/")
        for number in range(rounds):
            quiet.append(second(proxy, "/"))
            text = f"round {number} of {os.getpid()}".encode()
            section = bytes([4]) + b"note" + text
            file.write_bytes(HEADER.read_bytes() + bytes([0, len(section)]) + section)
            behind = len(proxy.log)
            timer = threading.Timer(0.3, proxy.gateway.signal, [signal.SIGHUP])
            timer.start()
            disturbed.append(second(proxy, "/"))
            proxy.gateway.wait_for(r"\breloaded\b", behind=behind)
    report(quiet, disturbed, 2.0)


def trap(folder: Path, rounds: int) -> None:
    """Load both routes at once; in every other round a tenth of the second route's requests trap."""
    script = folder / "tenth.lua"
    script.write_text(EACH_TENTH)

    def configuration(node: str) -> dict[str, object]:
        trapping = {"name": "trap", "priority": 1, "file": str(TRAP)}
        header = {"name": "header", "priority": 1, "file": str(HEADER)}
        upstream = {"nodes": {node: 1}}
        return {
            "wasm": {"plugins": [trapping, header]},
            "routes": [
                {
                    "uri": "/trap",
                    "upstream": upstream,
                    "plugins": {"trap": {"conf": {"phase": "request_headers", "header": "x-trap"}}},
                },
                {
                    "uri": "/*",
                    "upstream": upstream,
                    "plugins": {"header": {"conf": {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}}},
                },
            ],
        }

    quiet, disturbed = [], []
    with gateway(folder, configuration) as proxy:
        for number in range(2 * rounds + 1):
            with_traps = number % 2 == 0 and number > 0
            arguments = [
                "-t1",
                "-c10",
                "-d3s",
                *(["-s", str(script)] if with_traps else []),
                f"{proxy.url}/trap",
            ]
            other = subprocess.Popen(
                ["taskset", "-c", str(LOAD_CORE), "wrk", *arguments], stdout=subprocess.PIPE, text=True
            )
            samples = [second(proxy, "/") for _ in range(2)]
            output, _ = other.communicate(timeout=30)
            if number:
                (disturbed if with_traps else quiet).extend(samples)
            if with_traps and "Non-2xx" not in output:
                print(f"nothing trapped:\n{output}", file=sys.stderr)
    report(quiet, disturbed, 1.5)


def main() -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(prog="python -m bench.disturbance", description=__doc__)
    parser.add_argument("what", choices=["swap", "trap"])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluiceway-bench-") as folder:
        {"swap": swap, "trap": trap}[options.what](Path(folder), options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
