"""VMs that begin as copies: the guest is where it was when it had started, and no copy sees another's changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from wasmtime import wat2wasm

from abi import WasmFile
from abi.types import LogLevel
from host.plugin.settings import Isolation
from host.testing import PluginHost
from host.wasm.instrument import NotNumbers, export_globals
from host.wasm.module import Module
from tests.plugin.guests import plugin_file

GET = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a"), (b":scheme", b"http")]
HEADER = {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}

# Counts in a global and in memory: its start and each configuration add 100, each request 1; the sums go to the log.
COUNTER = """(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $queue (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1 20)
  (global $sum (mut i64) (i64.const 0))
  (global $double (mut f64) (f64.const 0.5))
  (global $fixed i32 (i32.const 7))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 4096)
  (func $add (param i64)
    (global.set $sum (i64.add (global.get $sum) (local.get 0)))
    (global.set $double (f64.add (global.get $double) (f64.convert_i64_s (local.get 0))))
    (i64.store (i32.const 70000) (i64.add (i64.load (i32.const 70000)) (local.get 0))))
  (func $say
    (i32.store8 (i32.const 0) (i32.add (i32.const 33) (i32.wrap_i64 (i64.sub (global.get $sum) (i64.const 200)))))
    (i32.store8 (i32.const 1) (i32.add (i32.const 33) (i32.wrap_i64 (i64.sub (i64.load (i32.const 70000)) (i64.const 200)))))
    (i32.store8 (i32.const 2) (i32.add (i32.const 33) (i32.trunc_f64_s (f64.sub (global.get $double) (f64.const 200)))))
    (drop (call $log (i32.const 2) (i32.const 0) (i32.const 3))))
  (func (export "_initialize") (drop (memory.grow (i32.const 2))) (call $add (i64.const 100)))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (call $add (i64.const 100)) (drop (call $tick (i32.const 50))) (drop (call $log (i32.const 1) (i32.const 0) (i32.const 0)))
    %s i32.const 1)
  (func (export "proxy_on_tick") (param i32) (call $add (i64.const 10)) (call $say))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $add (i64.const 1)) (call $say) i32.const 0)
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable)
)"""


def counter(more: str = "") -> bytes:
    """The guest; `more` is done in proxy_on_configure."""
    return bytes(wat2wasm(COUNTER % more))


def said(host: PluginHost) -> list[int]:
    """The sums that were logged; each in a global, in memory, and in a global of another type."""
    lines = [line.message for line in host.lines if line.level is LogLevel.INFO]
    assert all(len(set(line)) == 1 for line in lines), lines
    return [ord(line[0]) - 33 for line in lines]


def configured(host: PluginHost) -> int:
    """How often a guest was configured."""
    return sum(line.level is LogLevel.DEBUG for line in host.lines)


def request(host: PluginHost) -> None:
    """One request, to its end."""
    with host.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)


def test_each_stream_gets_the_guest_as_it_was_configured() -> None:
    """With a VM for each stream; the start runs once."""
    with PluginHost(counter(), "x", isolation=Isolation.STREAM, snapshot=True) as host:
        for _ in range(5):
            request(host)
        assert said(host) == [1] * 5
        assert configured(host) == 1


def test_copies_do_not_see_each_other() -> None:
    """Two at once: what one writes is its own."""
    with PluginHost(counter(), "x", isolation=Isolation.STREAM, snapshot=True) as host:
        first, second = host.http_stream(), host.http_stream()
        for stream in (first, second):
            stream.request_headers(GET, end_of_stream=True)
        first.close()
        second.close()
        assert said(host) == [1, 1]


def test_a_vm_that_trapped_is_replaced_by_a_copy() -> None:
    """With its contexts under their ids, and its ticks."""
    with PluginHost(counter(), "x", keep_spare=True, snapshot=True) as host:
        request(host)
        request(host)
        with host.http_stream() as stream:
            stream.request_headers(GET, end_of_stream=True)
            stream.response_headers([(b":status", b"200")], end_of_stream=True)
        assert host.failures == 1
        assert configured(host) == 1
        assert said(host) == [1, 2, 3]
        request(host)
        assert said(host)[3:] == [1]
        host.advance(0.05)
        assert said(host)[4:] == [11]
        ids = [row.context for row in host.trace("proxy_on_tick")]
        assert ids == [1]


def test_a_guest_that_its_start_binds_to_its_vm_is_started_each_time() -> None:
    """A queue's registrant is one VM; a copy of it would never be told. That is said once."""
    with PluginHost(
        counter("(drop (call $queue (i32.const 0) (i32.const 1) (i32.const 8)))"),
        "x",
        isolation=Isolation.STREAM,
        snapshot=True,
    ) as host:
        for _ in range(3):
            request(host)
        assert said(host) == [1] * 3
        assert configured(host) >= 3  # some may have been built ahead
        told = [event.message for event in host.events if "copy" in event.message]
        assert told == [
            "VMs are not started from a copy: it has called proxy_register_shared_queue in its start, which binds it "
            "to more than its memory"
        ]


@pytest.mark.parametrize("isolation", [Isolation.NONE, Isolation.ROUTE, Isolation.STREAM, Isolation.FILTER])
@pytest.mark.parametrize("name", ["custom_response_header", "jwt_auth", "rust_wasip1"])
def test_real_guests_work_as_copies(name: str, isolation: Isolation) -> None:
    """From three compilers: memory, stack and heap are where they were."""
    configurations = {
        "custom_response_header": HEADER,
        "jwt_auth": {"keys": [{"algorithm": "HS256", "secret": "s" * 32}]},
        "rust_wasip1": "response-header x-a 1",
    }
    with PluginHost(
        plugin_file(name),
        configurations[name],
        isolation=isolation,
        snapshot=True,
        keep_spare=True,
        callback_deadline=1000,
    ) as host:
        for _ in range(20):
            with host.http_stream() as stream:
                stream.request_headers(GET, end_of_stream=True)
                if name == "jwt_auth":
                    assert stream.local_response is not None
                    assert stream.local_response.status == 401
                else:
                    stream.response_headers([(b":status", b"200")], end_of_stream=True)
                    assert stream.to_client.headers is not None
                    assert len(stream.to_client.headers) == 2
        assert host.failures == 0


def test_copies_share_the_pages_that_they_do_not_write() -> None:
    """A guest with 16 MB of memory, of which a request touches some pages: 40 VMs take no 40 times 16 MB."""
    fill = "(drop (memory.grow (i32.const 250))) (memory.fill (i32.const 80000) (i32.const 1) (i32.const 16000000))"
    big = bytes(wat2wasm(COUNTER.replace("1 20)", "1 300)") % fill))
    with PluginHost(big, "x", isolation=Isolation.STREAM, snapshot=True, callback_deadline=1000) as host:
        request(host)  # the first one is started, the others are copies of it
        before = private_memory()
        streams = [host.http_stream() for _ in range(40)]
        for stream in streams:
            stream.request_headers(GET, end_of_stream=True)
        assert private_memory() - before < 40 * 2**20
        for stream in streams:
            stream.close()
        assert said(host) == [1] * 41


def private_memory() -> int:
    """Bytes that this process has for itself."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Private_Dirty")


# --- the module


def test_only_own_mutable_globals_are_exported() -> None:
    """Under names of ours, behind what the module exports itself."""
    data, count = export_globals(counter())
    assert count == 2
    before, after = WasmFile.parse(counter()), WasmFile.parse(data)
    assert [name for name in after.exports if name not in before.exports] == [
        "sluiceway_global_0",
        "sluiceway_global_1",
    ]
    assert [after.exports[f"sluiceway_global_{number}"].index for number in range(2)] == [0, 1]


@pytest.mark.parametrize(
    "expression",
    ["i32.const -2147483648", "i32.add (i32.const 1) (i32.mul (i32.const 2) (i32.const 3))", "i32.const 300"],
)
def test_any_constant_expression_may_stand_before(expression: str) -> None:
    """They are passed over."""
    others = "(global f32 (f32.const 1)) (global funcref (ref.null func)) (global (mut i64) (i64.const -1))"
    text = f'(module (global i32 ({expression})) {others} (func (export "f")))'
    data, count = export_globals(bytes(wat2wasm(text)))
    assert count == 1
    assert WasmFile.parse(data).exports["sluiceway_global_0"].index == 3


def test_a_mutable_reference_makes_no_copy() -> None:
    """It would point into another VM. Such a module is compiled as it is."""
    text = COUNTER.replace("(global $fixed", "(global (mut funcref) (ref.null func)) (global $fixed") % ""
    with pytest.raises(NotNumbers):
        export_globals(bytes(wat2wasm(text)))
    assert Module(bytes(wat2wasm(text)), for_snapshots=True).globals is None
