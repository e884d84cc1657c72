"""What many configurations of one plugin cost: plugin contexts of one VM, their memory and the time until they serve.

    python -m bench.contexts [--contexts N] [--plugin FILE]

As in the gateway: every configuration is tried on a VM that serves nobody, which then serves; a spare follows it.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from pathlib import Path

from abi.types import LogLevel
from bench.isolation import PLUGIN, resident
from host.plugin.plugin import Key, Plugin, PluginSettings
from host.testing.services import ManualServices
from host.wasm.module import Module
from host.wasm.vm import VmSettings


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print what it takes with and without the spare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contexts", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--plugin", type=Path, default=PLUGIN)
    given = parser.parse_args(arguments)
    module = Module.load(given.plugin)
    keys = [
        Key(f'{{"headers":[{{"name":"x-route","value":"{number}"}}]}}'.encode(), f"routes/{number}")
        for number in range(given.contexts)
    ]
    measure(module, keys[:1])  # what the first VM of a process costs is no context's
    print("| contexts | start s | MB | with the spare MB |\n|---|---|---|---|")
    print(measure(module, keys))


def measure(module: Module, keys: Sequence[Key]) -> str:
    """Bring a plugin up with these contexts; returns a row."""
    services = ManualServices()
    plugin = Plugin(PluginSettings("p", vm=VmSettings(log_level=LogLevel.WARN)), module, services)
    before, began = resident(), time.perf_counter()
    plugin.prepare(keys, lambda refused: None)
    prepared = services._background.popleft()
    prepared()
    contexts = [plugin.context(key) for key in keys]
    took = time.perf_counter() - began
    assert all(context.root is not None for context in contexts)
    alone = resident() - before
    services.run_background()
    assert plugin.spare is not None
    with_spare = resident() - before
    plugin.close()
    gc.collect()
    return f"| {len(keys):,} | {took:.3f} | {alone / 1e6:.1f} | {with_spare / 1e6:.1f} |"


if __name__ == "__main__":
    main()
