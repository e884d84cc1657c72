"""Measures the servers side by side in interleaved rounds and prints the figures as Markdown.

Each server is pinned to core 0; wrk and the origin share core 1. The first round warms up and is not counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

from bench.load import report
from bench.load.measure import Sample, load, verify
from bench.load.servers import DEFINITIONS, ROOT, Definition
from tests.peers import nginx
from tests.peers.process import Server, free_port

SERVER_CORE, LOAD_CORE = 0, 1
RESULTS = ROOT / "bench/RESULTS.md"


def start(command: Sequence[str], port: int, directory: Path, core: int, stack: ExitStack) -> Server:
    """Start `command` pinned to `core`; it ends with `stack`. The benchmark's own modules are importable in it."""
    pinned = ["taskset", "-c", str(core), *command]
    server = Server(pinned, port, directory / "log", cwd=ROOT, patience=120)
    stack.callback(server.stop)
    return server


def measure(
    definitions: Sequence[Definition], rounds: int, seconds: int, connections: int
) -> dict[str, list[Sample]]:
    """Start all servers, load them in turn, `rounds` times after a warm-up, and return the samples of each."""
    results: dict[str, list[Sample]] = {definition.name: [] for definition in definitions}
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sluiceway-bench-")))
        origin_port = free_port()
        (root / "origin").mkdir()
        configuration = root / "origin" / "nginx.conf"
        configuration.write_text(nginx.origin(root / "origin", origin_port))
        start(nginx.command(configuration), origin_port, root / "origin", LOAD_CORE, stack)
        running: list[tuple[Definition, Server]] = []
        for number, definition in enumerate(definitions):
            directory = root / str(number)
            directory.mkdir()
            port = free_port()
            command = definition.prepare(directory, port, origin_port)
            server = start(command, port, directory, SERVER_CORE, stack)
            verify(definition.name, port, "/", header=definition.header)
            running.append((definition, server))
        for turn in range(rounds + 1):
            for definition, server in running:
                url = f"http://127.0.0.1:{server.port}/"
                duration = seconds if turn else 1
                sample = load(server.pid, url, seconds=duration, connections=connections, core=LOAD_CORE)
                if turn:
                    results[definition.name].append(sample)
            print(f"round {turn} of {rounds} done", file=sys.stderr)
    return results


def main() -> int:
    """Return 0 when every server that could be measured answered without an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer servers, two rounds of one second")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="servers whose name holds TEXT"
    )
    parser.add_argument("--rounds", type=int, help="counted rounds (5; with --short 2)")
    parser.add_argument("--seconds", type=int, help="length of a round (3; with --short 1)")
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--record", action="store_true", help="append the figures to bench/RESULTS.md")
    options = parser.parse_args()
    rounds = options.rounds or (2 if options.short else 5)
    seconds = options.seconds or (1 if options.short else 3)
    chosen = []
    for definition in DEFINITIONS:
        if options.only and not any(text in definition.name for text in options.only):
            continue
        if options.short and not options.only and not definition.short:
            continue
        if absent := definition.missing():
            print(f"not measured: {definition.name} (absent: {', '.join(absent)})", file=sys.stderr)
        else:
            chosen.append(definition)
    results = measure(chosen, rounds, seconds, options.connections)
    heading = f"## {date.today()}: {rounds} rounds of {seconds} s, {options.connections} connections"
    lines = [heading, "", report.machine(), "", *report.table(results), "", *report.targets(results), ""]
    print("\n".join(lines))
    if options.record:
        with RESULTS.open("a") as output:
            output.write("\n" + "\n".join(lines))
    return 1 if any(sample.errors for samples in results.values() for sample in samples) else 0


if __name__ == "__main__":
    sys.exit(main())
