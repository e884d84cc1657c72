"""What the host adds to a guest: all callbacks of one request through the core, beside the guest alone.

python -m bench.host_cost

The floor calls the same seven callbacks of the same guest one by one, with host functions that answer OK and do
nothing. The Python around either is measured apart and taken off: an exchange with an empty chain, seven calls of a
function that does nothing. Rounds are interleaved; medians of CPU time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from abi.callbacks import CALLBACKS
from abi.wasmfile import Import
from host._core import ffi, lib
from host.chain import EMPTY, FilterChain
from host.filters.wasm import WasmFilter
from host.plugin.context import RootContext
from host.plugin.guests import Guest
from host.plugin.plugin import Key, Plugin, PluginSettings
from host.plugin.settings import RootKey
from host.stream import HttpStream
from host.testing.services import ManualServices
from host.wasm.module import CONSTANT, Module
from host.wasm.vm import WasmVM

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "testdata/plugins/custom_response_header/plugin.wasm"
CONFIGURATION = b'{"headers":[{"name":"X-Go-Wasm","value":"APISIX"}]}'
ROUNDS, REQUESTS = 15, 4000
_INDEX = {row.name: index for index, row in enumerate(CALLBACKS)}


class StubbedModule(Module):
    """The guest with host calls that answer OK; it still reads its configuration."""

    def _definition(self, imported: Import) -> tuple[int, int]:
        kept = imported.module != "env" or imported.name == "proxy_get_buffer_bytes"
        return super()._definition(imported) if kept else (CONSTANT, 0)


def exchanges(chain: FilterChain) -> Callable[[], None]:
    """Return a function that passes one request and its response."""
    stream = HttpStream()
    request, response = stream.request_headers, stream.response_headers

    def run() -> None:
        request.add(b":method", b"GET")
        request.add(b":path", b"/")
        request.add(b":authority", b"localhost")
        stream.open(chain)
        stream.on_request_headers(True)
        response.add(b":status", b"200")
        response.add(b"content-length", b"12")
        stream.on_response_headers(False)
        stream.on_response_body(b"hello world\n", True)
        stream.take_response_body()
        stream.close()

    return run


def callbacks(vm: WasmVM | None, root: RootContext) -> Callable[[], None]:
    """Return a function that makes the calls of one request; on no VM, calls that cost Python the same."""
    names = (
        "context_create",
        "request_headers",
        "response_headers",
        "response_body",
        "log",
        "done",
        "delete",
    )
    arguments = {"context_create": [0, root.id], "request_headers": [0, 3, 1], "response_headers": [0, 2, 0]}
    calls = []
    for name in names:
        values = ffi.new("uint32_t[3]", arguments.get(name, [0, 12, 1]))
        calls.append((_INDEX[f"proxy_on_{name}"], values))
    pointer = root.vm.pointer if vm is None else vm.pointer
    call = lib.sw_vm_call if vm is not None else _nothing
    number = root.id

    def run() -> None:
        nonlocal number
        number += 1
        for index, values in calls:
            values[0] = number
            call(pointer, index, ffi.NULL, values, ffi.NULL)

    return run


def _nothing(*arguments: object) -> None:
    lib.sw_clock_ticks()


def _microseconds(run: Callable[[], None]) -> float:
    begin = time.process_time_ns()
    for _ in range(REQUESTS):
        run()
    return (time.process_time_ns() - begin) / REQUESTS / 1000


def main() -> None:
    """Print the figures."""
    settings, services = PluginSettings("header"), ManualServices()
    plugin = Plugin(settings, Module.load(PLUGIN), services)
    chain = FilterChain([WasmFilter(plugin, Key(CONFIGURATION))])
    guest = Guest(settings, services)
    vm = WasmVM(StubbedModule(PLUGIN.read_bytes()), serial=guest.serial)
    guest.hold(vm)
    root = RootContext(guest, vm, RootKey(settings, Key(CONFIGURATION)))
    vm.serve()
    runs = {
        "exchange with the plugin": exchanges(chain),
        "exchange, empty chain": exchanges(EMPTY),
        "callbacks with stubs": callbacks(vm, root),
        "calls of nothing": callbacks(None, root),
    }
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            figures[name].append(_microseconds(run))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, value in medians.items():
        print(f"{name:28} {value:6.2f} us")
    host = medians["exchange with the plugin"] - medians["exchange, empty chain"]
    floor = medians["callbacks with stubs"] - medians["calls of nothing"]
    print(
        f"through the core {host:.2f} us, guest with stubs {floor:.2f} us: {host / floor:.2f}x (at most 1.3x)"
    )


if __name__ == "__main__":
    main()
