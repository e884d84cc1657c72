"""How guests start, in all the shapes that their toolchains give them; and what they may do meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from host.errors import PluginStartError
from host.testing import PluginHost
from tests.plugin.guests import GET, OK, answer, assemble, host, send, wat

HEADERS = {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}
TOOLCHAINS: list[tuple[str, Any, tuple[bytes, bytes]]] = [
    ("custom_response_header", HEADERS, (b"x-go-wasm", b"APISIX")),
    ("tinygo_stock", HEADERS, (b"x-go-wasm", b"APISIX")),
    ("tinygo_cshared", HEADERS, (b"x-go-wasm", b"APISIX")),
    ("go_http_headers", None, (b"x-go-wasm", b"6")),
    ("rust_wasip1", "response-header x-rust yes", (b"x-rust", b"yes")),
    ("rust_unknown", "response-header x-rust yes", (b"x-rust", b"yes")),
    ("assemblyscript", "configured", (b"x-as-wasm", b"configured")),
]


@pytest.mark.parametrize(("name", "configuration", "field"), TOOLCHAINS, ids=[row[0] for row in TOOLCHAINS])
def test_guests_of_every_toolchain_start_and_serve(
    name: str, configuration: Any, field: tuple[bytes, bytes]
) -> None:
    """_start that returns or exits with 0, _initialize, a start section; WASI under both names.

    The guest in AssemblyScript reads freed memory in its second response, on Envoy too.
    """
    with host(name, configuration) as plugin:
        for _ in range(1 if name == "assemblyscript" else 3):
            with plugin.http_stream() as stream:
                send(stream)
                answer(stream)
                assert stream.to_client.headers is not None
                assert field in stream.to_client.headers
        assert plugin.failures == 0


@pytest.mark.parametrize(
    ("name", "lines"),
    [("initialize_and_main", ["I", "M"]), ("initialize_and_start", ["I"]), ("start_exits_0", [])],
)
def test_a_reactor_is_initialized_a_command_started(name: str, lines: list[str]) -> None:
    """Never both; `main` behind `_initialize` is the plugin's own."""
    with PluginHost(wat(name)) as plugin:
        assert plugin.logs() == lines
        assert plugin.is_up


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("start_exits_1", r"_start: the guest exited with code 1"),
        ("start_traps", r"_start: wasm trap"),
        ("initialize_traps", r"_initialize: wasm trap"),
        ("start_section_traps", r"start section: wasm trap"),
        ("start_loops", r"_start: deadline of 30 ms CPU time exceeded"),
        ("start_section_loops", r"start section: deadline of 30 ms CPU time exceeded"),
        (
            "start_makes_hostcall",
            r"restricted_callback: proxy_set_tick_period_milliseconds called by a start function",
        ),
        ("memory_too_large", r"memory"),
    ],
)
def test_a_start_that_fails_says_how(name: str, reason: str) -> None:
    """The plugin does not come up, and nothing else is harmed."""
    with pytest.raises(PluginStartError, match=reason):
        PluginHost(wat(name), start_deadline=30)


@pytest.mark.parametrize(
    ("name", "configuration", "vm_configuration", "callback"),
    [
        ("fail_vm_start", None, None, "proxy_on_vm_start"),
        ("fail_configure", "fail", None, "proxy_on_configure"),
    ],
)
def test_a_guest_that_says_no_is_not_started(
    name: str, configuration: str | None, vm_configuration: str | None, callback: str
) -> None:
    """StartFailed and ConfigureFailed of Envoy."""
    with pytest.raises(PluginStartError, match=f"{callback} returned false"):
        host(name, configuration, vm_configuration=vm_configuration)
    with host(name, "fine", vm_configuration="start") as plugin:
        assert plugin.is_up


@pytest.mark.parametrize(
    ("imports", "call", "allowed"),
    [
        (
            '(import "env" "proxy_log" (func $f (param i32 i32 i32) (result i32)))',
            "(call $f (i32.const 2) (i32.const 0) (i32.const 1))",
            True,
        ),
        ('(import "wasi_snapshot_preview1" "sched_yield" (func $f (result i32)))', "(call $f)", True),
        (
            '(import "wasi_unstable" "poll_oneoff" (func $f (param i32 i32 i32 i32) (result i32)))',
            "(call $f (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))",
            True,
        ),
        (
            '(import "env" "proxy_get_log_level" (func $f (param i32) (result i32)))',
            "(call $f (i32.const 0))",
            False,
        ),
        ('(import "env" "proxy_done" (func $f (result i32)))', "(call $f)", False),
        (
            '(import "env" "proxy_set_effective_context" (func $f (param i32) (result i32)))',
            "(call $f (i32.const 1))",
            False,
        ),
    ],
)
@pytest.mark.parametrize("shape", ["_start", "_initialize", "section"])
def test_a_start_may_log_and_use_wasi_and_nothing_else(
    shape: str, imports: str, call: str, allowed: bool
) -> None:
    """Envoy's list for `_start` and `_initialize`: there is no context yet that a host call could be about."""
    export = "" if shape == "section" else f'(export "{shape}")'
    module = assemble(
        f"""(module {imports} (memory (export "memory") 1) (data (i32.const 0) "x")
              (func (export "proxy_abi_version_0_2_1"))
              (func (export "malloc") (param i32) (result i32) (i32.const 8))
              (func $start {export} (drop {call}))
              {"(start $start)" if shape == "section" else ""})"""
    )
    if allowed:
        with PluginHost(module) as plugin:
            assert plugin.is_up
    else:
        with pytest.raises(PluginStartError, match="restricted_callback"):
            PluginHost(module)


def test_the_environment_is_the_configured_one() -> None:
    """C exports Environment: never the host's own."""
    module = assemble(
        """(module
             (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
             (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
             (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
             (memory (export "memory") 1)
             (func (export "proxy_abi_version_0_2_1"))
             (func (export "malloc") (param i32) (result i32) (i32.const 8))
             (func (export "_start")
               (drop (call $sizes (i32.const 0) (i32.const 4)))
               (drop (call $get (i32.const 16) (i32.const 256)))
               (drop (call $log (i32.const 2) (i32.const 256) (i32.load (i32.const 4))))))"""
    )
    with PluginHost(module, environment={"A": "1", "LONG_NAME": "with = and ü"}) as plugin:
        assert plugin.logs() == ["A=1\0LONG_NAME=with = and ü\0"]
    with PluginHost(module) as plugin:
        assert plugin.logs() == [""]


@pytest.mark.parametrize("name", ["rust_wasip1", "rust_unknown"])
def test_a_rust_panic_is_a_trap(name: str) -> None:
    """Its message is in the log, the next request is served."""
    with host(name, "panic") as plugin:
        with plugin.http_stream() as stream:
            send(stream)
            assert stream.to_client.status == 503
        assert plugin.failures == 1
        assert any("panic" in line for line in plugin.logs())


def test_an_assemblyscript_abort_is_an_exit() -> None:
    """It is built to call proc_exit."""
    with host("assemblyscript", "abort") as plugin, plugin.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        stream.response_headers(OK, end_of_stream=True)
        assert stream.to_client.status == 503
        assert plugin.last_failure is not None
        assert "exited with code" in plugin.last_failure.reason
