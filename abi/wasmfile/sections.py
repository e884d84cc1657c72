"""The sections of a module: their order, and the content of those that tell what a module needs and offers.

Function bodies, tables, globals, elements and data are passed over.

Source: WebAssembly core specification 2.0, 5.5 "Modules"; the exception handling proposal for tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from abi.signature import FunctionType, ValueType
from abi.wasmfile.reader import Cursor, Limits


class ExternKind(IntEnum):
    """What an import or export is."""

    FUNCTION = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Import:
    """One import."""

    module: str
    name: str
    kind: ExternKind
    type: FunctionType | Limits | ValueType
    """Function type of a function or tag, limits of a memory or table, value type of a global."""


@dataclass(frozen=True, slots=True)
class Export:
    """One export."""

    name: str
    kind: ExternKind
    index: int
    type: FunctionType | None
    """The type of a function; None for the other kinds."""


# Name of each section by its number, in the order that a file must keep. Custom sections (0) go anywhere.
_ORDER = {
    1: "type",
    2: "import",
    3: "function",
    4: "table",
    5: "memory",
    13: "tag",
    6: "global",
    7: "export",
    8: "start",
    9: "element",
    12: "data count",
    10: "code",
    11: "data",
}
_PLACES = {number: place for place, number in enumerate(_ORDER)}


class Sections:
    """Reads all sections once, from a cursor behind the header, and holds what was found.

    Raises `abi.wasmfile.WasmFileError` at the first thing that is not well-formed.
    """

    def __init__(self, cursor: Cursor) -> None:
        self.types: list[FunctionType] = []
        self.imports: list[Import] = []
        self.functions: list[FunctionType] = []
        self.memories: list[Limits] = []
        self.exports: dict[str, Export] = {}
        self.start: int | None = None
        self.data_count: int | None = None
        self.custom: list[tuple[str, bytes]] = []
        self._own_functions = 0
        self._bodies = 0
        self._readers = {
            "type": self._read_types,
            "import": self._read_imports,
            "function": self._read_functions,
            "memory": self._read_memories,
            "export": self._read_exports,
            "start": self._read_start,
            "data count": self._read_data_count,
            "code": self._read_code,
            "data": self._read_data,
        }
        self._read(cursor)

    def _read(self, cursor: Cursor) -> None:
        place = -1
        while cursor.remaining:
            begin = cursor.offset
            number = cursor.byte()
            cursor.section = "custom" if number == 0 else _ORDER.get(number, f"unknown {number}")
            if number:
                if number not in _ORDER:
                    raise cursor.error("no such section", begin)
                if _PLACES[number] <= place:
                    raise cursor.error("comes twice or out of order", begin)
                place = _PLACES[number]
            size = cursor.unsigned()
            content = cursor.offset
            cursor.skip(size)
            self._read_section(Cursor(cursor.data, content, cursor.offset, cursor.section))
        if self._bodies != self._own_functions:
            raise cursor.error(f"{self._own_functions} functions declared, {self._bodies} bodies in the file")

    def _read_section(self, cursor: Cursor) -> None:
        if cursor.section == "custom":
            self.custom.append((cursor.name(), cursor.take(cursor.remaining)))
        elif reader := self._readers.get(cursor.section):
            reader(cursor)
            if cursor.remaining:
                raise cursor.error(f"{cursor.remaining} bytes too many")

    def _read_types(self, cursor: Cursor) -> None:
        for _ in range(cursor.count()):
            self.types.append(cursor.function_type())

    def _read_imports(self, cursor: Cursor) -> None:
        for _ in range(cursor.count()):
            module, name, kind = cursor.name(), cursor.name(), self._kind(cursor)
            type = self._import_type(cursor, kind)
            self.imports.append(Import(module, name, kind, type))
            if kind is ExternKind.FUNCTION and isinstance(type, FunctionType):
                self.functions.append(type)
            elif kind is ExternKind.MEMORY and isinstance(type, Limits):
                self.memories.append(type)

    def _kind(self, cursor: Cursor) -> ExternKind:
        byte = cursor.byte()
        if byte > max(ExternKind):
            raise cursor.error(f"unknown kind 0x{byte:02x}", cursor.offset - 1)
        return ExternKind(byte)

    def _import_type(self, cursor: Cursor, kind: ExternKind) -> FunctionType | Limits | ValueType:
        match kind:
            case ExternKind.FUNCTION:
                return self._function_type(cursor)
            case ExternKind.TABLE:
                cursor.value_type()
                return cursor.limits()
            case ExternKind.MEMORY:
                return cursor.limits()
            case ExternKind.GLOBAL:
                type = cursor.value_type()
                cursor.byte()
                return type
            case ExternKind.TAG:
                cursor.byte()
                return self._function_type(cursor)

    def _function_type(self, cursor: Cursor) -> FunctionType:
        start = cursor.offset
        index = cursor.unsigned()
        if index >= len(self.types):
            raise cursor.error(f"type {index} where there are {len(self.types)}", start)
        return self.types[index]

    def _read_functions(self, cursor: Cursor) -> None:
        self._own_functions = cursor.count()
        for _ in range(self._own_functions):
            self.functions.append(self._function_type(cursor))

    def _read_memories(self, cursor: Cursor) -> None:
        for _ in range(cursor.count()):
            self.memories.append(cursor.limits())

    def _read_exports(self, cursor: Cursor) -> None:
        for _ in range(cursor.count()):
            start = cursor.offset
            name, kind = cursor.name(), self._kind(cursor)
            if kind is ExternKind.FUNCTION:
                index = self._function_index(cursor)
                export = Export(name, kind, index, self.functions[index])
            else:
                export = Export(name, kind, cursor.unsigned(), None)
            if name in self.exports:
                raise cursor.error(f"{name!r} is exported twice", start)
            self.exports[name] = export

    def _function_index(self, cursor: Cursor) -> int:
        start = cursor.offset
        index = cursor.unsigned()
        if index >= len(self.functions):
            raise cursor.error(f"function {index} where there are {len(self.functions)}", start)
        return index

    def _read_start(self, cursor: Cursor) -> None:
        self.start = self._function_index(cursor)

    def _read_data_count(self, cursor: Cursor) -> None:
        self.data_count = cursor.unsigned()

    def _read_code(self, cursor: Cursor) -> None:
        self._bodies = cursor.count()
        for _ in range(self._bodies):
            cursor.skip(cursor.unsigned())

    def _read_data(self, cursor: Cursor) -> None:
        start = cursor.offset
        count = cursor.count()
        if self.data_count not in (None, count):
            raise cursor.error(f"{count} segments, {self.data_count} announced", start)
        self.data_count = count
        cursor.skip(cursor.remaining)
