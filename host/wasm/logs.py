"""Log lines of guests, taken out of the core in batches."""

from __future__ import annotations

from typing import NamedTuple

from host._core import ffi, lib

_MOST = 512
_rows = ffi.new("sw_log_row[]", _MOST)
_text = ffi.new("char const **")
_length = ffi.new("size_t *")
_dropped = ffi.new("uint64_t *")


class LogLine(NamedTuple):
    """A line. `level`: a LogLevel. `vm`: its serial. `context` 0: the VM itself. `root`: that of its plugin context.
    `stream`: its number, if any.
    """

    level: int
    message: bytes
    vm: int
    context: int
    root: int
    stream: int | None


def take_lines() -> list[LogLine]:
    """Return and forget all lines that wait, in the order in which guests wrote them."""
    lines: list[LogLine] = []
    while count := lib.sw_logs_take(_rows, _MOST, _text, _length, _dropped):
        text = ffi.unpack(_text[0], _length[0]) if _length[0] else b""
        at = 0
        for index in range(count):
            row = _rows[index]
            message = text[at : at + row.length]
            at += row.length
            stream = row.stream - 1 if row.stream else None
            lines.append(LogLine(row.level, message, row.vm, row.context, row.root, stream))
    return lines


def dropped_lines() -> int:
    """Return how many lines were lost because guests wrote them faster than they were taken."""
    return int(_dropped[0])
