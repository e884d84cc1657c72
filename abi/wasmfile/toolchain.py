"""Which compiler made a module: a guess, for people who read it beside an error.

Compilers sign the producers section. Where it was stripped, names that only one run-time uses tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from abi.wasmfile.sections import Import

_TINYGO, _GO, _RUST, _ASSEMBLYSCRIPT, _EMSCRIPTEN = "TinyGo", "Go", "Rust", "AssemblyScript", "Emscripten"

_SIGNATURES = {"TinyGo": _TINYGO, "Go cmd/compile": _GO, "rustc": _RUST}
"""Names under ``processed-by``. Clang is not among them: it signs the C libraries of all the others too."""

_CUSTOM_SECTIONS = {"go:buildid": _GO}
_IMPORTS = {("env", "runtime.ticks"): _TINYGO, ("env", "emscripten_notify_memory_growth"): _EMSCRIPTEN}
_EXPORTS = {
    "__emscripten_stack_alloc": _EMSCRIPTEN,
    "emscripten_stack_get_end": _EMSCRIPTEN,
    "emscripten_stack_init": _EMSCRIPTEN,
    "__growWasmMemory": _EMSCRIPTEN,
    "__pin": _ASSEMBLYSCRIPT,
    "__retain": _ASSEMBLYSCRIPT,
}
_FUNCTION_PREFIXES = {
    "tinygo_": _TINYGO,
    "runtime.gopanic": _GO,
    "~lib/": _ASSEMBLYSCRIPT,
    "__rust_": _RUST,
    "emscripten_": _EMSCRIPTEN,
}


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler, with its version where the module tells it."""

    name: str
    version: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name


def guess_toolchain(
    producers: dict[str, dict[str, str]],
    custom_sections: Iterable[str],
    imports: Iterable[Import],
    exports: Iterable[str],
    function_names: Iterable[str],
) -> Toolchain | None:
    """The compiler that these parts of a module speak for, surest sign first; None when none does."""
    processed_by = producers.get("processed-by", {})
    for signature, name in _SIGNATURES.items():
        if signature in processed_by:
            return Toolchain(name, processed_by[signature] or None)
    signs = [_CUSTOM_SECTIONS.get(section) for section in custom_sections]
    signs += [_IMPORTS.get((row.module, row.name)) for row in imports]
    signs += [_EXPORTS.get(export) for export in exports]
    if found := next(filter(None, signs), None):
        return Toolchain(found)
    for function in function_names:
        for prefix, name in _FUNCTION_PREFIXES.items():
            if function.startswith(prefix):
                return Toolchain(name)
    clang = (version for signed, version in processed_by.items() if signed.endswith("clang"))
    return next((Toolchain("Clang", version or None) for version in clang), None)
