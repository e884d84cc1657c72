"""Which imports a host can link, and what is said about the others."""

import pytest

from abi import (
    HOSTCALLS,
    WASI_FUNCTIONS,
    ExternKind,
    FunctionType,
    Import,
    Limits,
    ValueType,
    WasmFile,
    host_function,
    import_faults,
    is_stub,
)
from abi.wasi import MODULES

I32, I64 = ValueType.I32, ValueType.I64
VOID = FunctionType()


def importing(*imports: Import) -> WasmFile:
    return WasmFile(
        size=0,
        imports=imports,
        functions=(),
        memories=(),
        exports={},
        start=None,
        data_count=None,
        custom_sections=(),
    )


def function(module: str, name: str, type: FunctionType = VOID) -> Import:
    return Import(module, name, ExternKind.FUNCTION, type)


def test_every_function_of_the_tables_links() -> None:
    """Host calls in env, WASI functions in both of its modules."""
    hostcalls = [function("env", row.name, row.type) for row in HOSTCALLS]
    wasi = [function(module, row.name, row.type) for module in MODULES for row in WASI_FUNCTIONS]
    assert import_faults(importing(*hostcalls, *wasi)) == []


@pytest.mark.parametrize(
    "type", [VOID, FunctionType((I32, I64), (I32,)), FunctionType((ValueType.F64,), (I32,))], ids=str
)
def test_unknown_proxy_calls_link_as_stubs(type: FunctionType) -> None:
    """Dialects and later versions add calls; a guest that never makes them loads."""
    assert is_stub("env", "proxy_redis_call")
    assert import_faults(importing(function("env", "proxy_redis_call", type))) == []


def test_a_stub_cannot_return_anything_but_a_status() -> None:
    """UNIMPLEMENTED is an i32."""
    (fault,) = import_faults(importing(function("env", "proxy_new", FunctionType((), (I64,)))))
    assert "host calls return an i32" in str(fault)


@pytest.mark.parametrize(
    ("module", "name", "stub"),
    [
        ("env", "proxy_log", False),
        ("env", "log", False),
        ("wasi_unstable", "proxy_new", False),
        ("env", "proxy_", True),
    ],
)
def test_stubs_are_unknown_names_of_env(module: str, name: str, stub: bool) -> None:
    """Known calls are carried out; names of other modules mean something else."""
    assert is_stub(module, name) is stub


def test_a_known_call_of_another_type_is_named_with_both_types() -> None:
    """Old nginx-based hosts typed proxy_get_metric (i32, i64); modules made for them show up here."""
    (fault,) = import_faults(importing(function("env", "proxy_get_metric", FunctionType((I32, I64), (I32,)))))
    assert str(fault) == (
        "env.proxy_get_metric: imported with type (i32, i64) -> (i32), the host's is (i32, i32) -> (i32)"
    )


@pytest.mark.parametrize(
    ("module", "name", "hint"),
    [
        ("env", "runtime.ticks", "-target=wasip1 instead of -target=wasm"),
        ("env", "syscall/js.valueGet", "-target=wasip1 instead of -target=wasm"),
        ("gojs", "syscall/js.valueGet", "GOOS=wasip1"),
        ("gojs", "runtime.wasmExit", "GOOS=wasip1"),
        ("__wbindgen_placeholder__", "__wbindgen_describe", "wasm32-wasip1"),
        ("wasi:cli/environment@0.2.0", "get-environment", "preview 1"),
        ("wasi", "thread-spawn", "without threads"),
        ("http_handler", "get_header_names", "http-wasm"),
        ("env", "HaveOffsetConverter", "STANDALONE_WASM"),
        ("env", "emscripten_resize_heap", "STANDALONE_WASM"),
        ("env", "invoke_vii", "-fno-exceptions"),
    ],
)
def test_builds_for_the_wrong_target_are_told_the_right_one(module: str, name: str, hint: str) -> None:
    """What people who meet "unknown import" need is how to build."""
    (fault,) = import_faults(importing(function(module, name)))
    assert str(fault).startswith(f"{module}.{name}: the host has no such function (")
    assert hint in fault.hint


def test_all_faults_are_listed_once_in_the_order_of_the_file() -> None:
    """One message for one repair; standard Go lists an import twice."""
    first, second = function("env", "abc"), function("wasi_unstable", "fd_dup")
    faults = import_faults(
        importing(first, function("env", "proxy_done", FunctionType((), (I32,))), second, first)
    )
    assert [fault.imported for fault in faults] == [first, second]
    assert [str(fault) for fault in faults] == [
        "env.abc: the host has no such function",
        "wasi_unstable.fd_dup: the host has no such function",
    ]


def test_an_imported_memory_is_a_fault() -> None:
    """The host offers functions only."""
    (fault,) = import_faults(importing(Import("env", "memory", ExternKind.MEMORY, Limits(1))))
    assert str(fault).startswith("env.memory: the host offers no memory of this name (")


def test_rows_are_found_by_module_and_name() -> None:
    """The same name in another module is another function."""
    assert host_function("env", "proxy_log") is HOSTCALLS[0]
    assert host_function("wasi_unstable", "fd_write") is host_function("wasi_snapshot_preview1", "fd_write")
    assert host_function("env", "fd_write") is None
    assert host_function("other", "proxy_log") is None
