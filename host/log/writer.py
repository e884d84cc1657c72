"""Writing lines from a thread of its own, so that a reader who does not read stops no request."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import Final

MAX_QUEUED_BYTES: Final = 4 * 1024 * 1024
"""Lines that wait for a descriptor that does not take them; a burst of 20,000 plugin lines fits."""


_writers: weakref.WeakSet[Writer] = weakref.WeakSet()


class Writer:
    """Writes to a file descriptor from a thread of its own, which the first line starts in each process.

    `dropped` counts the lines that were given up.
    """

    def __init__(self, descriptor: int, *, owns_descriptor: bool = False) -> None:
        """`owns_descriptor`: `close` closes it."""
        self.dropped = 0
        self._owns_descriptor = owns_descriptor
        self._is_closed = False
        self._descriptor = descriptor
        self.reset()
        _writers.add(self)

    def reset(self) -> None:
        """Begin anew: a forked process has neither the thread nor the lines, which its parent writes."""
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, data: bytes) -> None:
        """Queue lines; over `MAX_QUEUED_BYTES` they are dropped and counted."""
        with self._lock:
            if self._queued + len(data) > MAX_QUEUED_BYTES:
                self.dropped += data.count(b"\n")
                return
            self._queued += len(data)
            self._queue.append(data)
            self._idle.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        self._wake.set()

    def flush(self, timeout: float) -> bool:
        """Wait until all is written, `timeout` seconds at most; return whether it is."""
        return self._thread is None or self._idle.wait(timeout)

    def close(self) -> None:
        """End behind the lines that were queued; none may come any more. Does not wait."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        if thread is None:
            self._end()
        self._wake.set()

    def _end(self) -> None:
        if self._owns_descriptor:
            os.close(self._descriptor)

    def _run(self) -> None:
        while not self._is_closed or self._queue:
            self._wake.wait()
            self._wake.clear()
            while self._queue:
                data = b"".join([self._queue.popleft() for _ in range(len(self._queue))])
                self._write_all(data)
                with self._lock:
                    self._queued -= len(data)
                    if not self._queue:
                        self._idle.set()
        self._end()

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:  # somebody made the stream non-blocking; it is full
                time.sleep(0.01)
            except OSError:  # closed, or its reader is gone: there is nobody to tell
                self.dropped += bytes(view).count(b"\n")
                return


def _reset_all() -> None:
    for writer in _writers:
        writer.reset()


os.register_at_fork(after_in_child=_reset_all)
