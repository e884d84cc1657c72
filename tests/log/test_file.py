"""Files of lines: blocks, and opening them anew."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host.log import LogFile


class Clock:
    """Calls that wait until the test lets them come."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        assert seconds == 1.0
        self.waiting.append(callback)

    def run(self) -> None:
        """One second passes."""
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


def content(path: Path, expected: bytes) -> bytes:
    """What stands in the file, once it is what is expected, or after two seconds."""
    until = time.monotonic() + 2
    while (found := path.read_bytes()) != expected and time.monotonic() < until:
        time.sleep(0.002)
    return found


def is_open(path: Path) -> bool:
    """Whether this process has the file open."""
    wanted = path.stat()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found = os.fstat(int(name))
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def test_lines_wait_for_a_block_or_a_second(tmp_path: Path) -> None:
    """A request costs no system call."""
    clock, path = Clock(), tmp_path / "a.log"
    file = LogFile(str(path), 10, clock.call_later)
    file.write(b"one\n")
    assert (path.read_bytes(), len(clock.waiting)) == (b"", 1)
    clock.run()
    assert content(path, b"one\n") == b"one\n"
    file.write(b"two\n")
    file.write(b"three.\n")
    assert content(path, b"one\ntwo\nthree.\n") == b"one\ntwo\nthree.\n"
    assert file.close()


def test_a_file_is_appended_to_and_no_one_else_reads_it(tmp_path: Path) -> None:
    """Requests hold what is private."""
    path = tmp_path / "a.log"
    for line in (b"one\n", b"two\n"):
        file = LogFile(str(path), 1, Clock().call_later)
        file.write(line)
        assert file.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    """What was written before stays with the old one, to the last line; nothing is lost, nor its descriptor kept."""
    path, old = tmp_path / "a.log", tmp_path / "a.log.1"
    file = LogFile(str(path), 1 << 20, Clock().call_later)
    file.write(b"one\n")
    path.rename(old)
    assert is_open(old)
    file.reopen()
    file.write(b"two\n")
    assert file.close()
    assert (path.read_bytes(), content(old, b"one\n")) == (b"two\n", b"one\n")
    until = time.monotonic() + 2
    while is_open(old) and time.monotonic() < until:
        time.sleep(0.002)
    assert not is_open(old)


def test_a_file_that_cannot_be_opened_anew_leaves_the_old_one_open(tmp_path: Path) -> None:
    """Lines go on to where they went."""
    folder = tmp_path / "logs"
    folder.mkdir()
    file = LogFile(str(folder / "a.log"), 1, Clock().call_later)
    folder.rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        file.reopen()
    file.write(b"one\n")
    assert file.close()
    assert (tmp_path / "away/a.log").read_bytes() == b"one\n"


def test_a_reader_that_does_not_read_costs_lines_and_no_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What does not fit into the queue is dropped, counted and told."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = LogFile(str(path), 1, Clock().call_later)
    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            file.write(b"x" * 1_000_000 + b"\n")
    assert file.dropped >= 7
    assert f"{path} does not take its lines: {file.dropped} were dropped" in caplog.messages
    os.close(reader)  # the thread that writes ends with a broken pipe
    file.close()
