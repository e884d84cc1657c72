"""Tokens: the numbers under which a runner keeps configurations, each good for the run of the runner that gave it.

A runner that is started anew counts from one again, and a number of its earlier run is then another route's. It must
not know how a runner is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from host.errors import ConnectionLost
from host.external.flights import Flights
from host.external.generation import Generation


@dataclass(frozen=True, slots=True)
class Configuration:
    """Plugins of a runner with their configurations, in their order. Equal ones have equal keys, others other ones."""

    key: bytes
    conf: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class _Token:
    number: int
    deadline: float


class Tokens:
    """Of one runner; those of a run of it that is over are never found again."""

    def __init__(self, expire_time: float, now: Callable[[], float]) -> None:
        """`expire_time`: seconds that a token is used; the runner keeps what it stands for longer. `now`: a clock."""
        self._expire_time = expire_time
        self._now = now
        self._generation: Generation | None = None
        self._tokens: dict[bytes, _Token] = {}
        self._preparing: Flights[tuple[Generation, bytes], int] = Flights(ConnectionLost)

    def __len__(self) -> int:
        return len(self._tokens)

    def flush(self) -> None:
        """Forget all: the runner does not know one that it should."""
        self._tokens.clear()

    def forget(self, key: bytes) -> None:
        """Forget one."""
        self._tokens.pop(key, None)

    async def token(self, generation: Generation, key: bytes, prepare: Callable[[], Awaitable[int]]) -> int:
        """Return the token of a configuration in this run of the runner.

        The first who needs it has it prepared, the others wait for him; should he give up, the next takes his place.
        Raises what `prepare` does.
        """
        known = self._known(generation, key)
        if known is not None:
            return known

        async def ask() -> int:
            number = await prepare()
            self._keep(generation, key, number)
            return number

        return await self._preparing.get((generation, key), lambda: self._known(generation, key), ask)

    def _known(self, generation: Generation, key: bytes) -> int | None:
        if generation != self._generation:
            return None
        token = self._tokens.get(key)
        return token.number if token is not None and token.deadline > self._now() else None

    def _keep(self, generation: Generation, key: bytes, number: int) -> None:
        now = self._now()
        if generation != self._generation:
            self._generation = generation
            self._tokens.clear()
        for old in [old for old, token in self._tokens.items() if token.deadline <= now]:
            del self._tokens[old]
        self._tokens[key] = _Token(number, now + self._expire_time)
