"""What many exchanges need at once, and one asks a peer for: the others wait for that one's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Flights(Generic[K, V]):
    """What is being asked for, by its key. It keeps nothing: `known` and `ask` do."""

    def __init__(self, *own_failures: type[Exception]) -> None:
        """`own_failures`: what the exchange that asks has alone, as its end: the next asks in its place."""
        self._own_failures = own_failures
        self._ahead: dict[K, asyncio.Future[V]] = {}

    async def get(self, key: K, known: Callable[[], V | None], ask: Callable[[], Awaitable[V]]) -> V:
        """Return what is known, or what this exchange or the one ahead of it asks for.

        Raises what `ask` does; that of the one ahead too, unless it is a failure of its own.
        """
        while (found := known()) is None:
            ahead = self._ahead.get(key)
            if ahead is None:
                return await self._ask(key, ask)
            await asyncio.wait([ahead])
            if not ahead.cancelled():
                return ahead.result()
        return found

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        future = self._ahead[key] = asyncio.get_running_loop().create_future()
        try:
            value = await ask()
        except Exception as error:
            if not isinstance(error, self._own_failures):
                future.set_exception(error)
                future.exception()  # it is raised below: that nobody else waits is no fault
            raise
        else:
            future.set_result(value)
            return value
        finally:
            del self._ahead[key]
            if not future.done():
                future.cancel()
