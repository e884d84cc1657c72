"""One field set by a plugin: through TinyGo, Go, and the stand-ins of each system.

python -m bench.recompiled

The request and its response pass the chain alone, without sockets, as in bench.host_cost. Rounds are interleaved; the
least CPU time of each counts, less that of an empty chain, as another process only adds. Tyk's plugin sets the field of
the request, as those plugins do; the others that of the response.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.host_cost import CONFIGURATION, PLUGIN, exchanges
from host.building.builder import build
from host.chain import EMPTY, FilterChain
from host.filters.wasm import WasmFilter
from host.plugin.plugin import Key, Plugin, PluginSettings
from host.testing.services import ManualServices
from host.wasm.cache import ModuleCache
from host.wasm.module import Module

SOURCES = Path(__file__).parent
ROUNDS, REQUESTS = 20, 1000


def main() -> None:
    """Build, measure and print a table."""
    sources = {
        "Go, the same source": (PLUGIN.parent, CONFIGURATION),
        "APISIX": (SOURCES / "apisix", b'[{"name": "header"}]'),
        "Kong": (SOURCES / "kong", b"{}"),
        "Tyk": (SOURCES / "tyk", b""),
    }
    rows: dict[str, tuple[Path, bytes, float]] = {"TinyGo": (PLUGIN, CONFIGURATION, 0.0)}
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, configuration) in sources.items():
            begin = time.monotonic()
            built = build(source, Path(folder) / f"{len(rows)}.wasm")
            rows[name] = (built.output, configuration, time.monotonic() - begin)
        runs: dict[str, Callable[[], None]] = {"": exchanges(EMPTY)}
        notes = {}
        for name, (output, configuration, seconds) in rows.items():
            begin = time.process_time()
            module = Module.load(output, ModuleCache(Path(folder) / "cache"))
            compiled = time.process_time() - begin
            notes[name] = f"{output.stat().st_size / 1e6:.1f} | {seconds:.1f} | {compiled:.1f}"
            plugin = Plugin(PluginSettings(name), module, ManualServices())
            runs[name] = exchanges(FilterChain([WasmFilter(plugin, Key(configuration))]))
        least = dict.fromkeys(runs, float("inf"))
        for _ in range(ROUNDS):
            for name, run in runs.items():
                least[name] = min(least[name], _microseconds(run))
    print("| plugin | us/request | MB | build, s | first load, s of CPU |\n|---|---|---|---|---|")
    for name, note in notes.items():
        print(f"| {name} | {least[name] - least['']:.1f} | {note} |")


def _microseconds(run: Callable[[], None]) -> float:
    begin = time.process_time_ns()
    for _ in range(REQUESTS):
        run()
    return (time.process_time_ns() - begin) / REQUESTS / 1000


if __name__ == "__main__":
    main()
