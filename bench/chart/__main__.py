"""Measures one response field set by every kind of plugin, and writes a table and a bar chart.

One gateway has a route for each kind; wrk asks the routes in turn. The CPU time is that of all processes together: the
gateway's and those that plugins run in. No figure is a target. Everything shares the machine with wrk and the origin,
so requests per second tell of the machine too; the CPU time per request does less so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from bench.chart.kinds import KINDS, Kind, configuration
from bench.chart.report import Row, row, svg, table
from bench.load.measure import Sample, cpu_seconds, load, tree, verify
from bench.load.report import machine
from bench.load.servers import ROOT
from tests.peers import nginx
from tests.peers.process import Server, free_port

RESULTS = ROOT / "bench/chart"


def main() -> int:
    """Return 0 when every kind was measured, without an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.chart", description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="one second each, from one thread; writes nothing"
    )
    parser.add_argument("--only", action="append", default=[], metavar="ROUTE", help="kinds with this route")
    parser.add_argument("--seconds", type=int, help="length of a round (30; with --short 1)")
    parser.add_argument("--rounds", type=int, default=1, help="rounds, in turn over all kinds; medians count")
    parser.add_argument("--threads", type=int, help="of wrk (5; with --short 1)")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--workers", type=int, help="of the gateway (one for each CPU)")
    parser.add_argument("--output", type=Path, help=f"folder for chart.md and chart.svg ({RESULTS})")
    options = parser.parse_args()
    seconds = options.seconds or (1 if options.short else 30)
    threads = options.threads or (1 if options.short else 5)
    chosen = [kind for kind in KINDS if not options.only or kind.route in options.only]
    busy = os.getloadavg()[0]
    built, absent = _build(chosen)
    samples = _measure(built, options.rounds, seconds, threads, options.connections, options.workers)
    rows = [
        row(kind.title, samples[kind.route])
        if kind.route in samples
        else Row(kind.title, why=absent[kind.route])
        for kind in chosen
    ]
    how = f"wrk {options.rounds} x {seconds} s, {threads} threads, {options.connections} connections"
    about = f"{date.today()}, {how}. {machine()}; its load average before: {busy:.1f}."
    lines = [about, "", *table(rows)]
    print("\n".join(lines))
    output = options.output or (None if options.short else RESULTS)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "chart.md").write_text("\n".join(lines) + "\n")
        (output / "chart.svg").write_text(svg(rows, f"{date.today()}, {how}"))
    return 1 if absent or any(each.errors for each in rows) else 0


def _build(kinds: Sequence[Kind]) -> tuple[list[tuple[Kind, Path]], dict[str, str]]:
    """Return what was built of the kinds, and by route why the others were not."""
    built, absent = [], {}
    for kind in kinds:
        try:
            built.append((kind, kind.build()))
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            absent[kind.route] = str(error).partition("\n")[0]
            print(f"not measured: {kind.title}: {error}", file=sys.stderr)
    return built, absent


def _measure(
    kinds: Sequence[tuple[Kind, Path]],
    rounds: int,
    seconds: int,
    threads: int,
    connections: int,
    workers: int | None,
) -> dict[str, list[tuple[Sample, float]]]:
    """Return the samples of each route, each with the CPU time of other processes per request, in microseconds."""
    results: dict[str, list[tuple[Sample, float]]] = {kind.route: [] for kind, _ in kinds}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sluiceway-chart-")))
        origin_port, port = free_port(), free_port()
        settings = folder / "nginx.conf"
        settings.write_text(nginx.origin(folder, origin_port))
        stack.callback(Server(nginx.command(settings), origin_port, folder / "origin.log").stop)
        settings = folder / "sluiceway.yaml"
        settings.write_text(json.dumps(configuration(kinds, port, origin_port), indent=1))
        command = [sys.executable, "-m", "host", "run", str(settings)]
        command += ["--workers", str(workers)] if workers else []
        gateway = Server(command, port, folder / "log", cwd=ROOT, patience=120)
        stack.callback(gateway.stop)
        for kind, _ in kinds:
            verify(kind.title, port, f"/{kind.route}", header=kind.header)
        for number in range(rounds + 1):
            for kind, _ in kinds:
                sample = _load(gateway.pid, f"http://127.0.0.1:{port}/{kind.route}", seconds if number else 1,
                               threads, connections)  # fmt: skip
                if number:  # the first one warms up
                    results[kind.route].append(sample)
            print(f"round {number} of {rounds} done", file=sys.stderr)
    return results


def _load(pid: int, url: str, seconds: int, threads: int, connections: int) -> tuple[Sample, float]:
    others = _launchers(pid)
    before = cpu_seconds(*others)
    sample = load(pid, url, seconds=seconds, threads=threads, connections=connections)
    return sample, (cpu_seconds(*others) - before) / sample.answered * 1e6


def _launchers(pid: int) -> list[int]:
    """Return the launchers below the gateway: in their trees is what does not run in the gateway."""
    return [each for each in tree(pid) if b"launcher.py" in Path(f"/proc/{each}/cmdline").read_bytes()]


if __name__ == "__main__":
    sys.exit(main())
