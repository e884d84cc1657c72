"""Numbers of calls."""

from __future__ import annotations

import pytest

from host.plugin.tokens import TokenKind, Tokens, kind_of


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (TokenKind.HTTP_CALL, [4, 8, 12]),
        (TokenKind.GRPC_CALL, [5, 9, 13]),
        (TokenKind.GRPC_STREAM, [6, 10, 14]),
    ],
)
def test_tokens_are_envoys(kind: TokenKind, numbers: list[int]) -> None:
    """The low two bits tell the kind; 0 to 3 are none."""
    tokens = Tokens(kind)
    assert [tokens.next(()) for _ in range(3)] == numbers
    assert {kind_of(number) for number in numbers} == {kind}


def test_numbers_that_are_no_tokens_are_of_no_kind() -> None:
    """Those below the first, and those whose bits stand for nothing."""
    assert [kind_of(number) for number in (0, 1, 2, 3, 7, 0xFFFFFFFF)] == [None] * 6


def test_tokens_come_round_past_those_in_use() -> None:
    """They are 32 bits wide."""
    tokens = Tokens(TokenKind.GRPC_CALL)
    tokens._last = 0xFFFFFFFD
    assert tokens.next({5, 9}) == 13
