"""A module ready to be instantiated: read, judged, compiled, linked.

Everything that can be said against a file is said here, before anything runs: no ABI marker, no allocator, imports that
cannot be linked (all of them at once). VMs are then instances of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import wasmtime

from abi.callbacks import ALLOCATORS, CALLBACKS, Callback, Source
from abi.capabilities import is_allowed
from abi.hostcalls import HOSTCALLS
from abi.imports import host_function, import_faults
from abi.limits import MODULE_MAX_BYTES
from abi.signature import FunctionType, ValueType
from abi.types import AbiVersion, Status
from abi.wasi import WASI_FUNCTIONS
from abi.wasmfile import ExternKind, Import, WasmFile, WasmFileError
from host._core import ffi, lib
from host.wasm.cache import ModuleCache
from host.wasm.engine import engine, engine_pointer, pointer_of
from host.wasm.instrument import NotNumbers, export_globals

_LETTERS = {ValueType.I32: "i", ValueType.I64: "I", ValueType.F32: "f", ValueType.F64: "F"}
_HOSTCALL, _WASI, CONSTANT = range(3)  # as in core/linker.h
_RESTRICTED = {_HOSTCALL: 3, _WASI: 4}
_HOSTCALL_INDEX = {row.name: index for index, row in enumerate(HOSTCALLS)}
_WASI_INDEX = {row.name: index for index, row in enumerate(WASI_FUNCTIONS)}


class ModuleError(ValueError):
    """A file that cannot be run as a plugin; the message says why, and what to do where that is known."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A callback that the module exports: its row in `abi.CALLBACKS` and how many parameters it takes."""

    index: int
    name: str
    parameters: int


def read_file(path: Path) -> bytes:
    """Return the bytes of a module's file. Raises ModuleError."""
    try:
        if path.stat().st_size > MODULE_MAX_BYTES:
            raise ModuleError(f"the file is larger than {MODULE_MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ModuleError(f"the file cannot be read: {error.strerror}") from error


class Link:
    """A module tied to the host, with what of the host a plugin may use. VMs are made by the thousand of it.

    `linker`: the native linker. `exported`: the names of the callbacks that the plugin has.
    """

    def __init__(self, linker: Any, bindings: Sequence[Binding]) -> None:
        self.linker = linker
        self.exported = frozenset(binding.name for binding in bindings)
        self._names = [ffi.new("char[]", binding.name.encode()) for binding in bindings]  # pointed into
        self.bindings = ffi.new("sw_binding[]", len(bindings))
        for native, name, binding in zip(self.bindings, self._names, bindings, strict=True):
            native.name, native.index, native.parameters = name, binding.index, binding.parameters


HOLDS_HEADS: Final = "sluiceway_holds_heads"
"""A name of ours: it means nothing to other hosts."""


class Module:
    """A compiled and linked module; share it between VMs of any number of plugins."""

    def __init__(
        self,
        data: bytes,
        cache: ModuleCache | None = None,
        *,
        metered: bool = False,
        for_snapshots: bool = False,
    ) -> None:
        """Read, compile and link. Takes seconds for large modules that are not in the cache.

        `metered`: VMs of it are given fuel, and only then can be. `for_snapshots`: VMs of it can be copied. Raises
        ModuleError.
        """
        self.is_metered, self.for_snapshots = metered, for_snapshots
        self.digest = hashlib.sha256(data).hexdigest()
        self.file = _read(data)
        self.abi_version = _abi_version(self.file)
        self.bindings = _bindings(self.file)
        exported = {binding.name for binding in self.bindings}
        if not exported.intersection(ALLOCATORS):
            raise ModuleError(
                f"no allocator: the module exports neither {' nor '.join(ALLOCATORS)} of type (i32) -> i32"
            )
        if faults := import_faults(self.file):
            listed = "\n".join(f"  {fault}" for fault in faults)
            raise ModuleError(f"{len(faults)} import{'s' * (len(faults) > 1)} cannot be linked:\n{listed}")
        memory = self.file.exports.get("memory")
        if memory is None or memory.kind is not ExternKind.MEMORY:
            raise ModuleError("the module exports no memory")
        self.globals: int | None = None
        if for_snapshots:
            data, self.globals = _for_snapshots(data)
        try:
            self.compiled = (cache or ModuleCache()).compile(data, metered=metered)
        except wasmtime.WasmtimeError as error:
            raise ModuleError(f"invalid module: {error}") from error
        self._links: dict[frozenset[str], Link] = {}
        self.link()

    @classmethod
    def load(cls, path: Path, cache: ModuleCache | None = None, known: Module | None = None) -> Module:
        """Read a file; return `known` if that has been made of the same bytes.

        Raises ModuleError, also for a file that cannot be read.
        """
        return cls.of(read_file(path), cache, known)

    @classmethod
    def of(
        cls,
        data: bytes,
        cache: ModuleCache | None = None,
        known: Module | None = None,
        *,
        metered: bool = False,
        for_snapshots: bool = False,
    ) -> Module:
        """Return `known` if that has been made of the same bytes alike, else the module. Raises ModuleError."""
        wanted = (hashlib.sha256(data).hexdigest(), metered, for_snapshots)
        if known is not None and (known.digest, known.is_metered, known.for_snapshots) == wanted:
            return known
        return cls(data, cache, metered=metered, for_snapshots=for_snapshots)

    def writes_bodies(self, allowed: frozenset[str] = frozenset()) -> bool:
        """Whether the module could change a body: those that do not import the call cannot."""
        name = "proxy_set_buffer_bytes"
        return is_allowed(name, allowed) and any(imported.name == name for imported in self.file.imports)

    def takes_request_bodies(self, allowed: frozenset[str] = frozenset()) -> bool:
        """Whether it wants to see the content or the trailers of requests."""
        return self._exports_any(allowed, "proxy_on_request_body", "proxy_on_request_trailers")

    def takes_response_bodies(self, allowed: frozenset[str] = frozenset()) -> bool:
        """Whether it wants to see the content or the trailers of responses."""
        return self._exports_any(allowed, "proxy_on_response_body", "proxy_on_response_trailers")

    @property
    def holds_heads(self) -> bool:
        """Whether it asks to be treated as with `allow_on_headers_stop_iteration`, by exporting HOLDS_HEADS."""
        return HOLDS_HEADS in self.file.exports

    def _exports_any(self, allowed: frozenset[str], *names: str) -> bool:
        return any(binding.name in names and is_allowed(binding.name, allowed) for binding in self.bindings)

    def link(self, allowed: frozenset[str] = frozenset()) -> Link:
        """Return what VMs of a plugin with these capabilities are made by. Raises ModuleError."""
        if (found := self._links.get(allowed)) is None:
            bindings = [binding for binding in self.bindings if is_allowed(binding.name, allowed)]
            found = self._links[allowed] = Link(self._link(allowed), bindings)
        return found

    def _link(self, allowed: frozenset[str]) -> Any:
        its_engine = engine_pointer(engine(metered=self.is_metered))
        linker = ffi.gc(lib.sw_linker_new(its_engine), lib.sw_linker_delete)
        for imported in dict.fromkeys(self.file.imports):
            assert isinstance(imported.type, FunctionType)  # others are faults
            kind, index = self._definition(imported)
            if not is_allowed(imported.name, allowed):
                kind = _RESTRICTED.get(kind, kind)
            reason = lib.sw_linker_define(
                linker,
                imported.module.encode(),
                imported.name.encode(),
                kind,
                index,
                _letters(imported.type.parameters),
                _letters(imported.type.results),
            )
            _raise_if(reason, f"{imported.module}.{imported.name}")
        _raise_if(lib.sw_linker_finish(linker, pointer_of(self.compiled, "wasmtime_module_t *")), "linking")
        return linker

    def _definition(self, imported: Import) -> tuple[int, int]:
        """What the import is to the core: a kind of core/linker.h, and the row in its table or the constant."""
        row = host_function(imported.module, imported.name)
        if row is None:
            return CONSTANT, int(Status.UNIMPLEMENTED)
        if row.name in _HOSTCALL_INDEX:
            return _HOSTCALL, _HOSTCALL_INDEX[row.name]
        return _WASI, _WASI_INDEX[row.name]


def _raise_if(reason: Any, what: str) -> None:
    if reason != ffi.NULL:
        raise ModuleError(f"{what}: {ffi.string(reason).decode(errors='replace')}")


def _letters(types: tuple[ValueType, ...]) -> bytes:
    return "".join(_LETTERS.get(type_, "i") for type_ in types).encode()


def _read(data: bytes) -> WasmFile:
    try:
        return WasmFile.parse(data)
    except WasmFileError as error:
        raise ModuleError(f"not a WebAssembly module: {error}") from error


def _for_snapshots(data: bytes) -> tuple[bytes, int | None]:
    """The module with its mutable globals exported, and their number; as it is, and None, where that cannot be."""
    try:
        return export_globals(data)
    except (NotNumbers, WasmFileError):
        return data, None


def _abi_version(file: WasmFile) -> AbiVersion:
    if (version := file.abi_version) is not None:
        return version
    known = ", ".join(version.marker for version in AbiVersion)
    if file.abi_markers:
        raise ModuleError(
            f"unknown ABI version: the module exports {', '.join(file.abi_markers)}, known are {known}"
        )
    raise ModuleError(f"missing ABI version: the module exports none of {known}; is it a Proxy-Wasm plugin?")


def _bindings(file: WasmFile) -> tuple[Binding, ...]:
    bindings, faults = [], []
    for index, row in enumerate(CALLBACKS):
        exported = file.exported_function(row.name)
        if exported is not None and row.accepts(exported):
            bindings.append(Binding(index, row.name, len(exported.parameters)))
        elif row.name in file.exports and _is_called(row):
            found = f"with type {exported}" if exported is not None else "as no function"
            faults.append(f"  {row.name}: exported {found}, the host calls {row.type_in(AbiVersion.V0_2_1)}")
    if faults:  # to leave them out would be to serve without the plugin
        raise ModuleError("callbacks cannot be called:\n" + "\n".join(faults))
    return tuple(bindings)


def _is_called(row: Callback) -> bool:
    """Whether the host depends on it: an allocator of a wrong type counts as absent, as there may be another one."""
    is_specified = row.source is Source.SPECIFICATION and row.name.startswith("proxy_on_")
    return is_specified and row.name not in ALLOCATORS
