"""A module with its mutable globals exported, so that their values can be read and set from outside.

Nothing else of it changes. It must not know what the values are wanted for.
"""

from __future__ import annotations

from abi.leb128 import encode_unsigned
from abi.wasmfile.reader import Cursor, WasmFileError

EXPORT = "sluiceway_global_{}"  # core/snapshot.h

_IMPORTS, _GLOBALS, _EXPORTS = 2, 6, 7
_GLOBAL = 3
_NUMBERS = (0x7F, 0x7E, 0x7D, 0x7C)  # i32, i64, f32, f64


class NotNumbers(ValueError):
    """A mutable global holds a reference, which means nothing outside its instance."""


def export_globals(data: bytes) -> tuple[bytes, int]:
    """Return the module with its own mutable globals exported as EXPORT 0, 1, …, and how many there are.

    Raises NotNumbers, and WasmFileError for what is no module.
    """
    sections = _sections(data)
    first = _imported_globals(data, sections)
    mutable = [first + index for index in _mutable_globals(data, sections)]
    parts = [data[:8]]
    for number, begin, content, end in sections:
        parts.append(_with_exports(data, content, end, mutable) if number == _EXPORTS else data[begin:end])
    return b"".join(parts), len(mutable)


def _sections(data: bytes) -> list[tuple[int, int, int, int]]:
    """Number, begin, begin of the content, and end of each section."""
    cursor = Cursor(data, 8, len(data), "header")
    found = []
    while cursor.remaining:
        begin, number = cursor.offset, cursor.byte()
        size = cursor.unsigned()
        content = cursor.offset
        cursor.skip(size)
        found.append((number, begin, content, cursor.offset))
    return found


def _cursor(data: bytes, sections: list[tuple[int, int, int, int]], wanted: int, name: str) -> Cursor | None:
    for number, _, content, end in sections:
        if number == wanted:
            return Cursor(data, content, end, name)
    return None


def _imported_globals(data: bytes, sections: list[tuple[int, int, int, int]]) -> int:
    cursor = _cursor(data, sections, _IMPORTS, "import")
    if cursor is None:
        return 0
    found = 0
    for _ in range(cursor.count()):
        cursor.name()
        cursor.name()
        kind = cursor.byte()
        if kind == 0:  # a function
            cursor.unsigned()
        elif kind == _GLOBAL:
            cursor.skip(2)
            found += 1
        else:
            raise cursor.error("imports neither a function nor a global")  # such a module does not link here
    return found


def _mutable_globals(data: bytes, sections: list[tuple[int, int, int, int]]) -> list[int]:
    cursor = _cursor(data, sections, _GLOBALS, "global")
    if cursor is None:
        return []
    found = []
    for index in range(cursor.count()):
        type_, is_mutable = cursor.byte(), cursor.byte()
        _skip_expression(cursor)
        if is_mutable:
            if type_ not in _NUMBERS:
                raise NotNumbers(f"global {index} is no number")
            found.append(index)
    return found


def _skip_expression(cursor: Cursor) -> None:
    """Pass over a constant expression (core specification, 3.3.10; extended constants included)."""
    while True:
        match cursor.byte():
            case 0x0B:  # end
                return
            case 0x41 | 0x42:  # i32.const, i64.const
                while cursor.byte() & 0x80:
                    pass
            case 0x43:  # f32.const
                cursor.skip(4)
            case 0x44:  # f64.const
                cursor.skip(8)
            case 0x23 | 0xD2 | 0xD0:  # global.get, ref.func, ref.null
                cursor.unsigned(33)
            case 0x6A | 0x6B | 0x6C | 0x7C | 0x7D | 0x7E:  # add, sub, mul
                pass
            case other:
                raise cursor.error(f"opcode 0x{other:02x} in a constant expression")


def _with_exports(data: bytes, content: int, end: int, globals_: list[int]) -> bytes:
    cursor = Cursor(data, content, end, "export")
    count = cursor.unsigned()
    more = b"".join(
        _name(EXPORT.format(number)) + bytes([_GLOBAL]) + encode_unsigned(index)
        for number, index in enumerate(globals_)
    )
    body = encode_unsigned(count + len(globals_)) + data[cursor.offset : end] + more
    return bytes([_EXPORTS]) + encode_unsigned(len(body)) + body


def _name(text: str) -> bytes:
    return encode_unsigned(len(text)) + text.encode()


__all__ = ["EXPORT", "NotNumbers", "WasmFileError", "export_globals"]
