"""A module with debug sections, small enough to be written by hand: one function, one file, one line (DWARF 4)."""

from __future__ import annotations

import struct

from wasmtime import wat2wasm

from abi.leb128 import encode_unsigned

# Abbreviations: 1 = a compile unit with name, line table and range; 2 = a subprogram with name and range.
_ABBREVIATIONS = bytes((1, 17, 1, 3, 8, 16, 23, 17, 1, 18, 6, 0, 0, 2, 46, 0, 3, 8, 17, 1, 18, 6, 0, 0, 0))


def with_line(text: str, function: str, file: str, line: int) -> bytes:
    """Return the module of a text with one code section, all of which is said to be `function` at that line."""
    module = bytes(wat2wasm(text))
    size = _code_size(module)
    info = (
        _unit(1, file)
        + struct.pack("<III", 0, 0, size)
        + _unit(2, function)
        + struct.pack("<II", 0, size)
        + b"\0"
    )
    info = struct.pack("<HIB", 4, 0, 4) + info
    lines = _lines(file, line, size)
    sections = {
        ".debug_abbrev": _ABBREVIATIONS,
        ".debug_info": struct.pack("<I", len(info)) + info,
        ".debug_line": struct.pack("<I", len(lines)) + lines,
    }
    return module + b"".join(_custom(name, content) for name, content in sections.items())


def _unit(abbreviation: int, name: str) -> bytes:
    return bytes([abbreviation]) + name.encode() + b"\0"


def _lines(file: str, line: int, size: int) -> bytes:
    """A line table of two rows: the line from address 0 on, and the end (DWARF 4, section 6.2)."""
    header = bytes((1, 1, 1, 0xFB, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1))
    header += b"\0" + file.encode() + b"\0\0\0\0" + b"\0"
    program = b"\0\x05\x02" + struct.pack("<I", 0)  # set the address to 0
    program += b"\x03" + _sleb(line - 1) + b"\x01"  # advance to the line; a row
    program += b"\x02" + encode_unsigned(size) + b"\0\x01\x01"  # advance to the end; the end
    return struct.pack("<HI", 4, len(header)) + header + program


def _code_size(module: bytes) -> int:
    at = 8
    while at < len(module):
        identifier, at = module[at], at + 1
        size, at = _read_leb(module, at)
        if identifier == 10:
            return size
        at += size
    raise ValueError("the module has no code")


def _custom(name: str, content: bytes) -> bytes:
    body = encode_unsigned(len(name)) + name.encode() + content
    return b"\0" + encode_unsigned(len(body)) + body


def _sleb(value: int) -> bytes:
    """Of a value that is not negative."""
    encoded = bytearray(encode_unsigned(value))
    if encoded[-1] & 0x40:
        encoded[-1] |= 0x80
        encoded.append(0)
    return bytes(encoded)


def _read_leb(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
