"""The hand-written guests: they are modules, they say what they are, and the relays are what their tables give."""

from pathlib import Path

import pytest
import wasmtime

from abi import HOSTCALLS, WASI_FUNCTIONS, FunctionType, WasmFile, import_faults
from abi.signature import HostFunction, ValueType
from testdata import relay

FILES = sorted(relay.WAT.glob("*.wat"), key=lambda path: path.stem)
# Files whose point is a fault in imports; all others link.
FAULTS = {
    "unknown_imports": [
        "env.runtime.ticks",
        "wasi_snapshot_preview2.poll",
        "wasi_snapshot_preview1.fd_teleport",
        "gojs.syscall/js.valueGet",
        "env.__stack_pointer",
        "env.__indirect_function_table",
        "env.memory",
    ],
    "wrong_import_type": ["env.proxy_log"],
    "wrong_import_type_wasi": ["wasi_snapshot_preview1.fd_write"],
}
NUMBERS = {ValueType.I32: wasmtime.ValType.i32, ValueType.I64: wasmtime.ValType.i64}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_a_valid_module_and_says_what_it_is(path: Path) -> None:
    """A text that does not compile would pass every test that expects a load error."""
    text = path.read_text()
    assert text.startswith(";; ")
    wasmtime.Module.validate(wasmtime.Engine(), wasmtime.wat2wasm(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_imports_fault_only_where_that_is_the_point(path: Path) -> None:
    """So that a file about something else fails for its own reason alone."""
    file = WasmFile.parse(bytes(wasmtime.wat2wasm(path.read_text())))
    faults = [str(fault) for fault in import_faults(file)]
    expected = FAULTS.get(path.stem, [])
    assert len(faults) == len(expected)
    assert all(any(name in fault for fault in faults) for name in expected)


@pytest.mark.parametrize("name", relay.files())
def test_relays_are_what_the_tables_give(name: str) -> None:
    """A row was added to a table, or changed: run testdata/relay.py."""
    assert (relay.WAT / name).read_text() == relay.wat(name)


def test_the_relays_make_every_host_call() -> None:
    """None is left out: together they are the tables."""
    made = {function.name for file in relay.files() for function in relay.calls(file)}
    assert made == {row.name for row in (*HOSTCALLS, *WASI_FUNCTIONS)}


class RelayHost:
    """The least host for a relay: records every call that it makes, and gives it a configuration."""

    def __init__(self, file: str, result: int = 0, configuration: bytes = b"") -> None:
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.logs: list[str] = []
        self._configuration = configuration
        self._result = result
        engine = wasmtime.Engine()
        self._store = wasmtime.Store(engine)
        linker = wasmtime.Linker(engine)
        for module, function in relay.files()[file][1]:
            linker.define_func(module, function.name, *_types(function), self._record(function), True)
        module = wasmtime.Module(engine, (relay.WAT / file).read_text())
        self._exports = linker.instantiate(self._store, module).exports(self._store)

    def _record(self, function: HostFunction):  # type: ignore[no-untyped-def]
        def call(caller: wasmtime.Caller, *arguments: int) -> int | None:
            self.calls.append((function.name, arguments))
            memory = caller["memory"]
            assert isinstance(memory, wasmtime.Memory)
            if function.name == "proxy_log" and arguments[0] == 2:
                _, start, size = arguments
                self.logs.append(bytes(memory.read(caller, start, start + size)).decode())
            if function.name == "proxy_get_buffer_bytes" and arguments[0] == 7:
                memory.write(caller, self._configuration, 0x30000)
                memory.write(caller, (0x30000).to_bytes(4, "little"), arguments[3])
                memory.write(caller, len(self._configuration).to_bytes(4, "little"), arguments[4])
                return 0
            return self._result if function.results else None

        return call

    def __call__(self, name: str, *arguments: int) -> int | None:
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        result: int | None = function(self._store, *arguments)
        return result

    def configure(self) -> int | None:
        return self("proxy_on_configure", 1, len(self._configuration))


def _types(function: HostFunction) -> tuple[wasmtime.FuncType]:
    type: FunctionType = function.type
    parameters, results = ([NUMBERS[value]() for value in side] for side in (type.parameters, type.results))
    return (wasmtime.FuncType(parameters, results),)


@pytest.mark.parametrize("file", relay.files())
def test_a_relay_hands_arguments_and_results_on(file: str) -> None:
    """Each argument another number, some beyond the sign: none is dropped, swapped or narrowed."""
    host = RelayHost(file, result=7)
    for function in relay.calls(file):
        given = tuple(-1 - n if n % 2 else 1000 + n for n in range(len(function.parameters)))
        result = host(f"call_{function.name}", *given)
        assert host.calls[-1] == (function.name, given)
        assert result == (7 if function.results else None)


@pytest.mark.parametrize("phase", [phase for phase in relay.PHASES if phase not in ("vm_start", "configure")])
def test_a_script_makes_its_calls_in_its_phase_alone(phase: str) -> None:
    """The arguments arrive, those in bytes as a range of guest memory, and the result is logged."""
    script = relay.script(
        (phase, "proxy_set_property", b"path", b"value"), (phase, "proxy_increment_metric", 5, -3)
    )
    host = RelayHost("relay.wat", result=12, configuration=script)
    assert host.configure() == 1
    del host.calls[:]
    for other, (count, _) in relay.PHASES.items():
        if other not in ("vm_start", "configure"):
            host(f"proxy_on_{other}", 2, *[0] * count)
    made = [call for call in host.calls if call[0] != "proxy_log"]
    (first, (path, path_size, value, value_size)), second = made
    assert (first, path_size, value - path, value_size) == ("proxy_set_property", 4, 4, 5)
    assert second == ("proxy_increment_metric", (5, -3))
    assert host.logs == [
        relay.log_line(phase, "proxy_set_property", 12),
        relay.log_line(phase, "proxy_increment_metric", 12),
    ]


def test_a_script_traps_returns_and_grows() -> None:
    """The steps that are no host calls."""
    script = relay.script(
        ("request_headers", relay.RETURN, 1),
        ("request_body", relay.GROW, 1),
        ("request_body", relay.RETURN, 3),
        ("delete", relay.TRAP),
    )
    host = RelayHost("relay.wat", configuration=script)
    host.configure()
    assert host("proxy_on_request_headers", 2, 0, 0) == 1
    assert host("proxy_on_request_body", 2, 0, 0) == 3
    assert host("proxy_on_response_headers", 2, 0, 0) == 0
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        host("proxy_on_delete", 2)


def test_a_script_that_is_too_long_is_refused() -> None:
    """Rather than cut off in the guest."""
    with pytest.raises(ValueError, match="has room for 65536"):
        relay.script(("log", "proxy_log", 2, bytes(65536)))
