"""Log lines of guests, taken out of the core in batches."""

from __future__ import annotations

from typing import NamedTuple

from abi.types import LogLevel
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


_told_dropped = 0


def take_lines() -> list[LogLine]:
    """Return and forget all lines that wait, in the order in which guests wrote them.

    Lines that found no room, as one callback wrote more than are kept, are told of by one behind the last that did.
    """
    global _told_dropped
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
    if lines and _dropped[0] != _told_dropped:
        text = b"%d log lines were dropped: one callback has written too many" % (_dropped[0] - _told_dropped)
        lines.append(lines[-1]._replace(level=LogLevel.WARN, message=text))
        _told_dropped = int(_dropped[0])
    return lines


def dropped_lines() -> int:
    """Return how many lines were lost because guests wrote them faster than they were taken."""
    return int(_dropped[0])
