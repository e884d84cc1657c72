"""Numbers of calls as guests see them: their low two bits tell the kind, as in Envoy."""

from __future__ import annotations

from collections.abc import Container
from enum import IntEnum

_STEP = 4
_MOST = 0xFFFFFFFF


class TokenKind(IntEnum):
    """What a token stands for."""

    HTTP_CALL = 0
    GRPC_CALL = 1
    GRPC_STREAM = 2


_KINDS = frozenset(map(int, TokenKind))


class Tokens:
    """Gives out the tokens of one kind on one VM: 4, 8, … for HTTP calls, 5, 9, … and 6, 10, … for those of gRPC."""

    __slots__ = ("_last", "kind")

    def __init__(self, kind: TokenKind) -> None:
        self.kind = kind
        self._last = int(kind)

    def next(self, in_use: Container[int]) -> int:
        """Return a token that is not in use; after 2^30 of them they come round."""
        while True:
            self._last += _STEP
            if self._last > _MOST:
                self._last = self.kind + _STEP
            if self._last not in in_use:
                return self._last


def kind_of(token: int) -> TokenKind | None:
    """Return what the token stands for, None for a number that is none."""
    kind = token % _STEP
    return TokenKind(kind) if token >= _STEP and kind in _KINDS else None
