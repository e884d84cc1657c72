"""proxy_log and proxy_get_log_level."""

from __future__ import annotations

import pytest

from abi import LogLevel, Status
from tests.hostcalls.relays import OUT, expect, in_phases, run


def test_lines_may_be_written_in_every_phase() -> None:
    """A 1,2."""
    assert in_phases("proxy_log", LogLevel.WARN, b"text") == expect(Status.OK)


@pytest.mark.parametrize("level", LogLevel)
def test_a_line_keeps_its_level_and_its_bytes(level: LogLevel) -> None:
    """EC Logging. Bytes that are no UTF-8 are shown, not lost."""
    outcome = run(("request_headers", "proxy_log", level, b"a\xffb\n"))
    assert outcome.host.logs(level)[0] == "a\\xffb\n"


@pytest.mark.parametrize("level", [6, 100, 0xFFFFFFFF])
def test_a_level_beyond_the_last_is_a_bad_argument(level: int) -> None:
    """EC Logging; K 100-log 2, where the guest dies of it."""
    assert run(("request_headers", "proxy_log", level, b"text")).statuses == [Status.BAD_ARGUMENT]


def test_a_line_may_be_empty() -> None:
    """(0, 0) is the empty range."""
    outcome = run(("request_headers", "proxy_log", LogLevel.ERROR, 0, 0))
    assert outcome.statuses == [Status.OK]
    assert outcome.host.logs(LogLevel.ERROR) == [""]


@pytest.mark.parametrize("level", LogLevel)
def test_lines_below_the_level_are_dropped_and_the_guest_is_told_the_level(level: LogLevel) -> None:
    """Rust and C++ use proxy_get_log_level to skip formatting."""
    steps = [("request_headers", "proxy_log", other, other.name.encode()) for other in LogLevel]
    outcome = run(*steps, ("configure", "proxy_get_log_level", OUT), log_level=level)
    written = [line for line in outcome.host.logs() if not line.startswith("relay")]
    assert written == [other.name for other in LogLevel if other >= level]
    assert outcome.number() == level


def test_the_level_may_be_asked_in_every_phase() -> None:
    """It is a property of the VM."""
    assert in_phases("proxy_get_log_level", OUT) == expect(Status.OK)


def test_a_line_longer_than_64_kib_is_cut() -> None:
    """A guest cannot fill the host's memory with a line."""
    outcome = run(("request_headers", "proxy_log", LogLevel.ERROR, 0x30000, 0x20000))
    assert outcome.statuses == [Status.OK]
    assert outcome.host.logs(LogLevel.ERROR) == ["\0" * 65536]
