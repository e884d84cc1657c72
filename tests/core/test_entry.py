"""How guests enter and leave the C core where a module is odd: it must be an error or an answer, never the process's end."""

import pytest
import wasmtime

from host._core import ffi
from host.wasm import logs
from host.wasm.module import Module
from host.wasm.vm import WasmVM

_LOG = '(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))'
_ALLOCATOR = '(func (export "malloc") (param i32) (result i32) i32.const 64)'
_SAY_HELLO = "(call $log (i32.const 4) (i32.const 8) (i32.const 5))"


def vm_of(body: str, version: str = "0_2_1") -> WasmVM:
    """A VM of the module with this body."""
    marker = f'(func (export "proxy_abi_version_{version}"))'
    return WasmVM(Module(wasmtime.wat2wasm(f"(module {body} {_ALLOCATOR} {marker})")))


def test_a_start_section_may_log() -> None:
    """AssemblyScript's top-level code runs there, before the engine has an instance whose memory could be looked up."""
    vm = vm_of(
        f'{_LOG} (memory (export "memory") 1) (data (i32.const 8) "hello")'
        f"(func $start (drop {_SAY_HELLO})) (start $start)"
    )
    assert [line.message for line in logs.take_lines() if line.vm == vm.serial] == [b"hello"]


@pytest.mark.parametrize(
    "name", ["proxy_continue_request", "proxy_continue_response", "proxy_clear_route_cache"]
)
def test_an_import_without_result_is_not_given_one(name: str) -> None:
    """0.1.0's guests import these without parameters and result: the engine has no slot that could be written."""
    vm = vm_of(
        f'(import "env" "{name}" (func $call)) (memory (export "memory") 1)'
        '(func (export "proxy_on_configure") (param i32 i32) (result i32) (call $call) (i32.const 7))',
        version="0_1_0",
    )
    assert vm.call("proxy_on_configure", ffi.NULL, 1, 0) == 7
    assert vm.hostcalls == 1
