"""The custom sections that say something of use: ``name`` and ``producers``.

By the core specification a damaged custom section does not make a module malformed, so nothing here raises:
what cannot be read is left out.

Sources: WebAssembly core specification 2.0, appendix "Custom Sections"; tool conventions, "Producers".
"""

from __future__ import annotations

from abi.wasmfile.reader import Cursor, WasmFileError

_MODULE_NAME, _FUNCTION_NAMES = 0, 1


def _names_subsection(content: bytes, wanted: int) -> Cursor | None:
    cursor = Cursor(content, 0, len(content), "name")
    while cursor.remaining:
        number = cursor.byte()
        size = cursor.unsigned()
        start = cursor.offset
        cursor.skip(size)
        if number == wanted:
            return Cursor(content, start, cursor.offset, "name")
    return None


def module_name(content: bytes) -> str | None:
    """Name of the module by the name section `content`, or None."""
    try:
        cursor = _names_subsection(content, _MODULE_NAME)
        return cursor.name() if cursor else None
    except WasmFileError:
        return None


def function_names(content: bytes) -> dict[int, str]:
    """Names of functions by index, by the name section `content`; those before any damage."""
    names: dict[int, str] = {}
    try:
        if cursor := _names_subsection(content, _FUNCTION_NAMES):
            for _ in range(cursor.count()):
                index = cursor.unsigned()
                names[index] = cursor.name()
    except WasmFileError:
        pass
    return names


def producers(content: bytes) -> dict[str, dict[str, str]]:
    """Versions by field and name, by the producers section `content`; those before any damage.

    Known fields are ``language``, ``processed-by`` and ``sdk``; a version may be empty.
    """
    fields: dict[str, dict[str, str]] = {}
    cursor = Cursor(content, 0, len(content), "producers")
    try:
        for _ in range(cursor.count() if content else 0):
            values = fields.setdefault(cursor.name(), {})
            for _ in range(cursor.count()):
                name = cursor.name()
                values[name] = cursor.name()
    except WasmFileError:
        pass
    return fields
