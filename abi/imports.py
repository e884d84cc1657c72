"""What of a module's imports can be linked, and what to tell the author about the rest.

A host links every host call of every version and every WASI function; it answers UNIMPLEMENTED to an import
of `env` that begins with ``proxy_`` and is not in the table. All else keeps a module from loading, and is
almost always a build for the wrong target, so each fault carries a hint.
"""

from __future__ import annotations

from dataclasses import dataclass

from abi.hostcalls import HOSTCALLS_BY_NAME, MODULE, STUB_PREFIX
from abi.signature import FunctionType, HostFunction, ValueType
from abi.wasi import MODULES as WASI_MODULES
from abi.wasi import WASI_FUNCTIONS_BY_NAME
from abi.wasmfile import Import, WasmFile

_JAVASCRIPT = (
    "the module is built for JavaScript: with TinyGo use -target=wasip1 instead of -target=wasm, "
    "with Go GOOS=wasip1 GOARCH=wasm -buildmode=c-shared"
)
_EMSCRIPTEN = "link with Emscripten's -sSTANDALONE_WASM, and without its JavaScript library"
_HINTS = (
    # (start of "module.name", hint); the first that fits is given.
    ("env.runtime.", _JAVASCRIPT),
    ("env.syscall/js.", _JAVASCRIPT),
    ("gojs.", _JAVASCRIPT),
    ("go.", _JAVASCRIPT),
    ("__wbindgen", "wasm-bindgen needs JavaScript: build with --target wasm32-wasip1 and without it"),
    ("wasi:", "this is WASI preview 2: build for preview 1 (wasip1, wasm32-wasip1)"),
    ("wasi.thread-spawn", "plugins run in one thread: build without threads"),
    ("http_handler.", "the module is an http-wasm guest, not a Proxy-Wasm plugin"),
    ("env.HaveOffsetConverter", _EMSCRIPTEN),
    ("env.emscripten_", _EMSCRIPTEN),
    ("env.invoke_", "build without C++ exceptions (-fno-exceptions)"),
    ("env.__cxa_", "build without C++ exceptions (-fno-exceptions)"),
    ("env.memory", "let the module define its memory itself (without --import-memory)"),
)


@dataclass(frozen=True, slots=True)
class ImportFault:
    """An import that cannot be linked."""

    imported: Import
    reason: str
    hint: str = ""
    """What to do about it, where that is known."""

    def __str__(self) -> str:
        text = f"{self.imported.module}.{self.imported.name}: {self.reason}"
        return f"{text} ({self.hint})" if self.hint else text


def host_function(module: str, name: str) -> HostFunction | None:
    """The row for the import `module`.`name`, or None when no table has it."""
    if module == MODULE:
        return HOSTCALLS_BY_NAME.get(name)
    return WASI_FUNCTIONS_BY_NAME.get(name) if module in WASI_MODULES else None


def is_stub(module: str, name: str) -> bool:
    """Whether the import is of a host call that we do not know and that is answered UNIMPLEMENTED."""
    return module == MODULE and name.startswith(STUB_PREFIX) and name not in HOSTCALLS_BY_NAME


def import_faults(file: WasmFile) -> list[ImportFault]:
    """All imports of `file` that cannot be linked, each once, in the order of the file."""
    faults = (_fault(imported) for imported in dict.fromkeys(file.imports))
    return [fault for fault in faults if fault is not None]


def _fault(imported: Import) -> ImportFault | None:
    if not isinstance(imported.type, FunctionType):
        reason = f"the host offers no {imported.kind} of this name"
        return ImportFault(imported, reason, _hint(imported))
    if row := host_function(imported.module, imported.name):
        if row.accepts(imported.type):
            return None
        return ImportFault(imported, f"imported with type {imported.type}, the host's is {row.type}")
    if is_stub(imported.module, imported.name):
        if imported.type.results in ((), (ValueType.I32,)):
            return None
        return ImportFault(imported, f"imported with type {imported.type}, but host calls return an i32")
    return ImportFault(imported, "the host has no such function", _hint(imported))


def _hint(imported: Import) -> str:
    name = f"{imported.module}.{imported.name}"
    return next((hint for start, hint in _HINTS if name.startswith(start)), "")
