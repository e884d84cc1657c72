"""What the Admin API costs: requests that are not its own, on a port that it shares, and a change of one route.

python -m bench.admin_api

The first as `bench.disturbance`: seconds of load on a gateway without it and on one with it, in turns. The second from
the request to its answer, when two workers serve the change, by how many routes there are.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench.disturbance import HEADER, gateway, second
from host.testing import ProxyServer

KEY = "a-key"
CONF = {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}


def configuration(node: str, routes: int, *, shares: bool) -> dict[str, Any]:
    """Return one route that is loaded and others, each through the plugin."""
    plugins, upstream = {"header": {"conf": CONF}}, {"nodes": {node: 1}}
    listed = [{"uri": f"/{number}", "upstream": upstream, "plugins": plugins} for number in range(routes - 1)]
    made: dict[str, Any] = {
        "wasm": {"plugins": [{"name": "header", "priority": 1, "file": str(HEADER)}]},
        "routes": [{"uri": "/*", "upstream": upstream, "plugins": plugins}, *listed],
    }
    if shares:  # the port that node_listen has where nothing is said
        made["apisix"] = {"port_admin": 9080, "admin_key": [{"name": "admin", "key": KEY}]}
    return made


def requests(folder: Path, rounds: int) -> None:
    """Load both gateways in turns."""
    without, beside = folder / "without", folder / "beside"
    without.mkdir()
    beside.mkdir()
    spent: tuple[list[float], list[float]] = ([], [])
    with (
        gateway(without, lambda node: configuration(node, 10, shares=False)) as first,
        gateway(beside, lambda node: configuration(node, 10, shares=True)) as other,
    ):
        for _ in range(rounds):
            for proxy, samples in zip((first, other), spent, strict=True):
                samples.append(second(proxy, "/").microseconds)
    medians = [statistics.median(samples) for samples in spent]
    print(
        f"CPU us/request: {medians[0]:.2f} without, {medians[1]:.2f} beside it; {rounds} seconds each, medians",
        flush=True,
    )


def change(folder: Path, routes: int, times: int) -> None:
    """Change the plugin's configuration on one route again and again."""
    with ProxyServer(
        folder, configuration("127.0.0.1:1", routes, shares=True), workers=2, patience=120.0
    ) as proxy:
        took = []
        for number in range(times):
            conf = {"headers": [{"name": "X-Go-Wasm", "value": str(number)}]}
            route = {"uri": "/changed", "plugins": {"header": {"conf": conf}}}
            began = time.perf_counter()
            body = json.dumps(route).encode()
            connection = HTTPConnection(*proxy.address, timeout=120.0)
            connection.request("PUT", "/apisix/admin/routes/changed", body, {"X-API-KEY": KEY})
            answer = connection.getresponse()
            assert answer.status in (200, 201), answer.read()
            took.append(time.perf_counter() - began)
            connection.close()
    print(f"{routes} routes: {statistics.median(took) * 1000:.0f} ms a change; median of {times}", flush=True)


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    for routes, times in ((10, 20), (1000, 10), (10_000, 5)):
        with tempfile.TemporaryDirectory() as folder:
            change(Path(folder), routes, times)
    with tempfile.TemporaryDirectory() as folder:
        requests(Path(folder), options.rounds)


if __name__ == "__main__":
    main()
