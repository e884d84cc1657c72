"""Output of a process, taken apart into lines."""

from __future__ import annotations

import logging

import pytest

from host.external.output import BURST, LINES_PER_SECOND, MAX_LINE_BYTES, OutputLines, level_of


class Taken(list[bytes]):
    """The lines, and a clock set by hand."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.output = OutputLines(self.append, lambda: self.clock)


def test_lines_are_put_together_from_pieces() -> None:
    """Pipes know no lines."""
    taken = Taken()
    for piece in (b"on", b"e\ntwo\r\nth", b"ree"):
        taken.output.feed(piece)
    assert taken == [b"one", b"two"]
    taken.output.end()
    assert taken == [b"one", b"two", b"three"]


def test_a_long_line_is_cut() -> None:
    """Nothing of it is lost, and nothing is held beyond one piece."""
    taken = Taken()
    text = bytes(range(32, 127)) * 100
    for start in range(0, len(text), 1000):
        taken.output.feed(text[start : start + 1000])
    taken.output.feed(b"\nnext\n")
    assert max(map(len, taken)) == MAX_LINE_BYTES
    assert b"".join(taken[:-1]) == text
    assert taken[-1] == b"next"


def test_too_many_lines_are_dropped_and_counted() -> None:
    """A burst is taken, then so many a second."""
    taken = Taken()
    taken.output.feed(b"a\n" * (BURST + 500))
    assert (len(taken), taken.output.dropped) == (BURST, 500)
    taken.clock = 1.0
    taken.output.feed(b"b\n" * (LINES_PER_SECOND + 1))
    assert (len(taken), taken.output.dropped) == (BURST + LINES_PER_SECOND, 501)
    taken.clock = 2.0
    taken.output.feed(b"c\n")
    assert taken[-1] == b"c"


def test_output_without_an_end_of_line_is_bounded() -> None:
    """Pieces count as lines."""
    taken = Taken()
    for _ in range(BURST + 100):
        taken.output.feed(b"x" * MAX_LINE_BYTES)
        taken.output.feed(b"x")
    assert len(taken) == BURST
    assert taken.output.dropped >= 99


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("plain", logging.INFO),
        ('{"level": "warn"}', logging.WARNING),
        ('{"lvl": "DBG"}', logging.DEBUG),
        ('{"severity": "CRITICAL"}', logging.ERROR),
        ('{"level": 50, "msg": "of pino"}', logging.ERROR),
        ('{"level": 10}', logging.DEBUG),
        ('{"level": 1e999}', logging.INFO),
        ('{"level": ["error"]}', logging.INFO),
        ('{"level": "nonsense"}', logging.INFO),
        ('{"level": "error"', logging.INFO),
        ('{"a":' * 700 + "1" + "}" * 700, logging.INFO),
        ("2026-01-01T00:00:00Z\tWARN\tserver/server.go:201\tkey not found", logging.WARNING),
    ],
)
def test_a_line_says_its_level(line: str, level: int) -> None:
    """In JSON or in zap's column, which runners in Go write; whatever it says, nothing fails."""
    assert level_of(line) == level
