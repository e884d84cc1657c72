"""What is told of a trap: the cause, the guest's functions by name, and where they are written if the module says so."""

from __future__ import annotations

import pytest
from wasmtime import wat2wasm

from host.testing import PluginHost
from host.wasm.vm import FailureKind
from tests.wasm.dwarf import with_line

GET = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a"), (b":scheme", b"http")]

GUEST = """(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
  (func %s (param i32) (if (i32.eqz (local.get 0)) (then unreachable)) (call %s (i32.sub (local.get 0) (i32.const 1))))
  (func $entry (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call %s (i32.const %d)) i32.const 0))
"""


def guest(name: str = "$fall", depth: int = 1) -> str:
    """A guest that traps in a function of that name, so many calls deep."""
    return GUEST % (name, name, name, depth)


def failure(wasm: bytes) -> list[str]:
    """The lines of the failure."""
    with PluginHost(wasm) as plugin:
        plugin.http_stream().request_headers(GET, end_of_stream=True)
        assert plugin.last_failure is not None
        assert plugin.last_failure.kind is FailureKind.TRAP
        return plugin.last_failure.reason.splitlines()


CAUSE = "proxy_on_request_headers: wasm trap: wasm `unreachable` instruction executed"


def test_frames_have_the_names_of_the_name_section() -> None:
    """Innermost first."""
    assert failure(bytes(wat2wasm(guest()))) == [CAUSE, "  0: fall", "  1: fall", "  2: entry"]


def test_frames_without_names_have_numbers() -> None:
    """Stripped modules: what `wasm-objdump -x` numbers them by."""
    text = guest("").replace("(call ", "(call 2 ").replace("$entry", "")
    assert failure(bytes(wat2wasm(text))) == [CAUSE, "  0: function 2", "  1: function 2", "  2: function 3"]


def test_frames_have_file_and_line_of_the_debug_sections() -> None:
    """And the names that these give."""
    lines = failure(with_line(guest(), "main.explode", "plugin/main.go", 42))
    assert lines == [CAUSE, *(f"  {index}: main.explode at plugin/main.go:42:0" for index in range(3))]


def test_a_deep_stack_is_cut() -> None:
    """At twenty frames, as in Envoy."""
    lines = failure(bytes(wat2wasm(guest(depth=1000))))
    assert len(lines) == 21
    assert lines[-1] == "  19: fall"


@pytest.mark.parametrize("name", ["a" * 100_000, "main!x at y:1", "\\0a\\0a  0: - x", "- "])
def test_names_are_the_guests_to_choose(name: str) -> None:
    """However they look, the text is bounded, and the cause comes first."""
    lines = failure(bytes(wat2wasm(guest(f'$"{name}"'))))
    assert lines[0] == CAUSE
    assert sum(map(len, lines)) < 20_000
