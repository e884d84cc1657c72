"""What is refused before anything runs, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.errors import PluginLoadError, PluginStartError
from host.testing import PluginHost
from host.wasm.cache import ModuleCache
from host.wasm.module import Module, ModuleError
from tests.plugin.guests import GET, assemble, plugin_file, wat

LOAD_ERRORS = {
    "no_marker": "missing ABI version: the module exports none of proxy_abi_version_0_1_0, proxy_abi_version_0_2_0, proxy_abi_version_0_2_1",
    "unknown_marker": "unknown ABI version: the module exports proxy_abi_version_",
    "vnext_marker": "unknown ABI version: the module exports proxy_abi_version_",
    "no_allocator": "no allocator: the module exports neither proxy_on_memory_allocate nor malloc of type (i32) -> i32",
    "no_memory": "the module exports no memory",
    "memory_not_exported": "the module exports no memory",
    "memory64": "invalid module",
    "wrong_import_type": "1 import cannot be linked",
    "wrong_import_type_wasi": "1 import cannot be linked",
    "unknown_imports": "7 imports cannot be linked",
}


@pytest.mark.parametrize("name", LOAD_ERRORS)
def test_a_module_that_cannot_be_a_plugin_is_refused_with_the_reason(name: str) -> None:
    """K directives/001-1..8; EC BadSignature; C runtime PR 542."""
    with pytest.raises(PluginLoadError, match=re.escape(LOAD_ERRORS[name])) as error:
        PluginHost(wat(name), name=name)
    assert error.value.plugin == name
    assert error.value.status_hint == 503


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("wrong_import_type", ["env.proxy_log", "(i32, i32) -> (i32)", "(i32, i32, i32) -> (i32)"]),
        ("wrong_import_type_wasi", ["fd_write", "i64"]),
        (
            "unknown_imports",
            ["env.runtime.ticks", "gojs", "syscall/js.valueGet", "env.memory", "env.__stack_pointer"],
        ),
    ],
)
def test_imports_that_cannot_be_linked_are_all_listed(name: str, parts: list[str]) -> None:
    """apisix#9502: at once, each with its module; a wrong type with both types."""
    with pytest.raises(PluginLoadError) as error:
        PluginHost(wat(name))
    assert [part for part in parts if part not in error.value.reason] == []


def test_callbacks_of_a_wrong_type_are_refused_and_all_named() -> None:
    """EC BadSignature. To take them for absent would be to serve without the plugin."""
    with pytest.raises(PluginLoadError) as error:
        PluginHost(wat("wrong_callback_type"))
    assert "proxy_on_request_headers: exported with type (i64, i64, i64) -> (i32)" in error.value.reason
    assert "proxy_on_configure: exported as no function" in error.value.reason


def test_header_callbacks_are_called_by_their_own_arity() -> None:
    """Not by the marker: Envoy does not load this module."""
    with PluginHost(wat("wrong_callback_arity")) as plugin, plugin.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        assert stream.to_upstream.ended
        (row,) = plugin.trace("proxy_on_request_headers")
        assert row.arguments == (2, 4)


@pytest.mark.parametrize(
    "name", ["only_malloc", "both_allocators", "wrong_allocator_type", "minimal_0_1_0", "minimal_0_2_1"]
)
def test_the_least_that_is_needed_loads(name: str) -> None:
    """K 001-5,6; an allocator of a wrong type counts as absent."""
    with PluginHost(wat(name)) as plugin, plugin.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        assert stream.to_upstream.headers == GET
        assert plugin.failures == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0asm",
        b"\0asm\1\0\0\0",
        b"\0asm\2\0\0\0",
        b"foo",
        b"\0asm\1\0\0\0\1\xff\xff\xff\xff\x0f",
        b"\x7fELF" + b"\0" * 60,
        b"(module)",
    ],
)
def test_bytes_that_are_no_module_are_refused(data: bytes) -> None:
    """EH BadCode; EG inline bad code."""
    with pytest.raises(PluginLoadError):
        PluginHost(data)


@pytest.mark.parametrize("keep", [0, 4, 8, 9, 50, 200, 1000, 10000, -1, -100])
def test_a_truncated_module_is_refused(keep: int) -> None:
    """C bytecode_util: an error, no crash."""
    data = plugin_file("http_headers").read_bytes()
    with pytest.raises(PluginLoadError):
        PluginHost(data[:keep])


def test_four_bytes_of_garbage_are_refused_or_harmless() -> None:
    """bfe#1287: at offset 200 and elsewhere; the process lives in any case."""
    data = plugin_file("http_headers").read_bytes()
    refused = 0
    for offset in (200, 300, 1000, 5000, 20000):
        damaged = data[:offset] + b"\xde\xad\xbe\xef" + data[offset + 4 :]
        try:
            PluginHost(damaged).close()
        except (PluginLoadError, PluginStartError):
            refused += 1
    assert refused >= 1


def test_a_module_is_compiled_once_and_found_again(tmp_path: Path) -> None:
    """By its content; a damaged or foreign file is compiled anew."""
    cache = ModuleCache(tmp_path / "modules")
    data = wat("minimal_0_2_1")
    Module(data, cache)
    (compiled,) = (tmp_path / "modules").glob("*.cwasm")
    written = compiled.stat().st_mtime_ns
    Module(data, cache)
    assert compiled.stat().st_mtime_ns == written
    compiled.write_bytes(b"damaged")
    Module(data, cache)
    (again,) = (tmp_path / "modules").glob("*.cwasm")
    assert again.read_bytes() != b"damaged"


def test_a_cache_that_others_can_write_to_is_not_used(tmp_path: Path) -> None:
    """Compiled code is run as it is."""
    folder = tmp_path / "modules"
    folder.mkdir()
    folder.chmod(0o777)
    Module(wat("minimal_0_2_1"), ModuleCache(folder))
    assert list(folder.iterdir()) == []


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """With the system's own word for it."""
    with pytest.raises(ModuleError, match="cannot be read: Is a directory"):
        Module.load(tmp_path)


def test_a_module_says_whether_it_could_change_bodies() -> None:
    """By its imports: one without the call cannot."""
    assert Module(wat("relay")).writes_bodies()
    assert not Module(wat("minimal_0_2_1")).writes_bodies()


def test_a_memory_export_that_is_no_memory_is_refused_or_borne() -> None:
    """The engine would end the process if asked for it."""
    module = assemble(
        """(module (func (export "memory")) (func (export "proxy_abi_version_0_2_1"))
             (func (export "malloc") (param i32) (result i32) (i32.const 8)))"""
    )
    with pytest.raises((PluginLoadError, PluginStartError)):
        PluginHost(module)
