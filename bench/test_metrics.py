"""What proxy_increment_metric costs, seen from a guest, and what Prometheus's text of many metrics does.

Each round of the first is a tick in which testdata/wat/metrics.wat counts a thousand times: a row's time divided by a
thousand is that of one increment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import wasmtime

from host._core import lib
from host.metrics.exposition import Exposition
from host.metrics.file import MetricsFile
from host.metrics.layout import add_up
from host.metrics.table import MetricsTable
from host.plugin.guests import guest_of
from host.testing import PluginHost

WAT = Path(__file__).resolve().parents[1] / "testdata/wat/metrics.wat"
INCREMENTS = 1000


def test_increment(benchmark: Any) -> None:
    """A thousand of them."""
    with PluginHost(bytes(wasmtime.wat2wasm(WAT.read_text())), trace_rows=0) as host:
        guest = guest_of(host.vm.serial)
        assert guest is not None
        (root,) = guest.roots.values()
        rounds = 0

        def tick() -> None:
            nonlocal rounds
            rounds += 1
            host.vm.call("proxy_on_tick", root.pointer, root.id)

        benchmark(tick)
        assert host.metrics["count"] == rounds * INCREMENTS


def test_scrape(benchmark: Any) -> None:
    """A thousand counters of two workers."""
    files = [MetricsFile(f"bench-{number}") for number in range(2)]
    for file in files:
        table = MetricsTable(file.descriptor)
        for number in range(INCREMENTS):
            name = b"requests_total.route=%d" % number
            lib.sw_metrics_define(table.pointer, 0, b"bench", 5, name, len(name), INCREMENTS)
    exposition = Exposition()
    text = benchmark(lambda: exposition.text(add_up(file.read() for file in files)))
    assert text.count("\n") == 2 * INCREMENTS
