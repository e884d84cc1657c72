"""`WasmFile`: the outline of one module."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from abi.signature import FunctionType
from abi.types import MARKER_PREFIX, AbiVersion
from abi.wasmfile import custom
from abi.wasmfile.reader import Cursor, Limits, WasmFileError
from abi.wasmfile.sections import Export, ExternKind, Import, Sections
from abi.wasmfile.toolchain import Toolchain, guess_toolchain

_MAGIC = b"\x00asm"
_MODULE = b"\x01\x00\x00\x00"
_COMPONENT = b"\x0d\x00\x01\x00"
_TEXT_FORMAT = (b"(module", b"(component", b";;", b"(;")


@dataclass(frozen=True, eq=False)
class WasmFile:
    """What a module says about itself. Made by `parse`."""

    size: int
    """Bytes of the file."""
    imports: tuple[Import, ...]
    functions: tuple[FunctionType, ...]
    """Types of all functions, the imported ones first: what function indices count."""
    memories: tuple[Limits, ...]
    """All memories, the imported ones first."""
    exports: dict[str, Export]
    """Exports by name, in the order of the file."""
    start: int | None
    """Index of the function that the engine runs when it instantiates the module; None when there is none."""
    data_count: int | None
    """Number of data segments; None when the file does not say."""
    custom_sections: tuple[tuple[str, bytes], ...]
    """Name and content of each custom section, in the order of the file."""

    @classmethod
    def parse(cls, data: bytes) -> WasmFile:
        """Read a module from its bytes. Raises `WasmFileError`, and nothing else, when they are none."""
        if data[:4] != _MAGIC:
            if data[:256].lstrip().startswith(_TEXT_FORMAT):
                raise WasmFileError("text format: translate it with wat2wasm first", "header", 0)
            raise WasmFileError("a WebAssembly module begins with \\0asm, this does not", "header", 0)
        if data[4:8] == _COMPONENT:
            message = "a component, not a module: build for wasip1 (wasm32-wasip1) instead of wasip2"
            raise WasmFileError(message, "header", 4)
        if data[4:8] != _MODULE:
            raise WasmFileError(f"unknown version of the format, {data[4:8].hex(' ')}", "header", 4)
        sections = Sections(Cursor(data, 8, len(data), "header"))
        return cls(
            size=len(data),
            imports=tuple(sections.imports),
            functions=tuple(sections.functions),
            memories=tuple(sections.memories),
            exports=sections.exports,
            start=sections.start,
            data_count=sections.data_count,
            custom_sections=tuple(sections.custom),
        )

    @property
    def abi_markers(self) -> tuple[str, ...]:
        """Names of the exported functions that are version markers by their name, known versions or not."""
        return tuple(
            export.name
            for export in self.exports.values()
            if export.kind is ExternKind.FUNCTION and export.name.startswith(MARKER_PREFIX)
        )

    @property
    def abi_version(self) -> AbiVersion | None:
        """The version of the ABI by the first marker that we know; None when there is none."""
        versions = map(AbiVersion.from_marker, self.abi_markers)
        return next((version for version in versions if version is not None), None)

    def exported_function(self, name: str) -> FunctionType | None:
        """Type of the function exported as `name`; None when there is no such function."""
        export = self.exports.get(name)
        return export.type if export else None

    def custom_section(self, name: str) -> bytes:
        """Content of the first custom section called `name`; empty when there is none."""
        return next((content for other, content in self.custom_sections if other == name), b"")

    @cached_property
    def module_name(self) -> str | None:
        """Name of the module by its name section, if any."""
        return custom.module_name(self.custom_section("name"))

    @cached_property
    def function_names(self) -> dict[int, str]:
        """Names of functions by index, by the name section; empty when that is absent or damaged."""
        return custom.function_names(self.custom_section("name"))

    @cached_property
    def producers(self) -> dict[str, dict[str, str]]:
        """Versions by field and name, by the producers section, such as ``{"language": {"Rust": ""}}``."""
        return custom.producers(self.custom_section("producers"))

    @cached_property
    def toolchain(self) -> Toolchain | None:
        """The compiler that seems to have made the module; None when nothing tells (hand-written text)."""
        return guess_toolchain(
            self.producers,
            (name for name, _ in self.custom_sections),
            self.imports,
            self.exports,
            self.function_names.values(),
        )
