"""A file that lines are appended to, in blocks and by a thread, and that can be moved away and opened anew."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, Final

from host.log.writer import Writer

STANDARD_STREAMS: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
"""Written to as they are: where one is a socket, it cannot be opened by its name."""

logger = logging.getLogger("sluiceway.log")

_LONGEST_WAIT = 1.0  # seconds that a line may wait for its block to be full

CallLater = Callable[[float, Callable[[], None]], Any]


class LogFile:
    """Lines are gathered to blocks of `block_bytes`; several processes may append to one file.

    `dropped` counts lines that were given up: those that a disk, or a reader of a pipe, did not take in time.
    """

    def __init__(self, path: str, block_bytes: int, call_later: CallLater) -> None:
        """`call_later` brings the last lines to the file when no further ones come. Raises OSError."""
        self.path = path
        self._block_bytes = block_bytes
        self._call_later = call_later
        self._block: list[bytes] = []
        self._size = 0
        self._is_waiting = False
        self._dropped_before = self._told_dropped = 0
        self._writer = Writer(self._open(), owns_descriptor=True)

    def _open(self) -> int:
        if (standard := STANDARD_STREAMS.get(self.path)) is not None:
            return os.dup(standard)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    @property
    def dropped(self) -> int:
        """Lines that were given up."""
        return self._dropped_before + self._writer.dropped

    def write(self, line: bytes) -> None:
        """Append a line, which ends with a line feed."""
        self._block.append(line)
        self._size += len(line)
        if self._size >= self._block_bytes:
            self._pass_block()
        elif not self._is_waiting:
            self._is_waiting = True
            self._call_later(_LONGEST_WAIT, self._on_time)

    def _on_time(self) -> None:
        self._is_waiting = False
        self._pass_block()

    def _pass_block(self) -> None:
        if self._block:
            self._writer.write(b"".join(self._block))
            self._block.clear()
            self._size = 0
        if (dropped := self.dropped) != self._told_dropped:
            self._told_dropped = dropped
            logger.warning("%s does not take its lines: %d were dropped", self.path, dropped)

    def reopen(self) -> None:
        """Open the path anew: lines from now on go there, those before to where they went. Raises OSError."""
        writer = Writer(self._open(), owns_descriptor=True)
        self._pass_block()
        self._dropped_before += self._writer.dropped
        self._writer.close()
        self._writer = writer

    def close(self, timeout: float = 1.0) -> bool:
        """Write what is left, `timeout` seconds at most; return whether all is written."""
        self._pass_block()
        is_written = self._writer.flush(timeout)
        self._writer.close()
        return is_written
