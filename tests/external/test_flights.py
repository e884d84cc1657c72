"""What many need and one asks for: who gets its answer, its failure, or takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from host.external.flights import Flights


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


class Asker:
    """Answers when it is told to, and keeps what it has answered."""

    def __init__(self, *own_failures: type[Exception]) -> None:
        self.flights: Flights[str, int] = Flights(*own_failures)
        self.answers: asyncio.Queue[int | Exception] = asyncio.Queue()
        self.asked = 0
        self.known: int | None = None

    async def ask(self) -> int:
        self.asked += 1
        answer = await self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        self.known = answer
        return answer

    def get(self) -> asyncio.Task[int]:
        return asyncio.ensure_future(self.flights.get("key", lambda: self.known, self.ask))


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def test_one_asks_for_all_that_need_it() -> None:
    """And nobody asks for what is known."""

    async def test() -> None:
        asker = Asker()
        tasks = [asker.get() for _ in range(3)]
        await turn()
        asker.answers.put_nowait(7)
        assert await asyncio.gather(*tasks, asker.get()) == [7, 7, 7, 7]
        assert await asker.get() == 7
        assert asker.asked == 1

    run(test())


def test_who_waits_for_one_that_is_cancelled_takes_its_place() -> None:
    """A client that leaves in the middle must not have another one's request wait for ever, or end with it."""

    async def test() -> None:
        asker = Asker()
        first, second, third = asker.get(), asker.get(), asker.get()
        await turn()
        first.cancel()
        await turn()
        assert first.cancelled()
        assert asker.asked == 2
        asker.answers.put_nowait(8)
        assert await asyncio.gather(second, third) == [8, 8]

    run(test())


def test_a_failure_is_everybodys_unless_it_is_the_askers_own() -> None:
    """A peer that refuses refuses all; a lost connection says nothing of the others' connections."""

    async def test() -> None:
        asker = Asker(ConnectionError)
        first, second, third = asker.get(), asker.get(), asker.get()
        await turn()
        asker.answers.put_nowait(ConnectionError("lost"))
        with pytest.raises(ConnectionError):
            await first
        await turn()
        assert asker.asked == 2
        asker.answers.put_nowait(ValueError("refused"))
        for each in (second, third):
            with pytest.raises(ValueError, match="refused"):
                await each
        asker.answers.put_nowait(9)
        assert await asker.get() == 9

    run(test())
