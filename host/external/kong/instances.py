"""The instances that one plugin server has for us: one for each plugin, configuration and place where that is written.

Their numbers count from the start again when the server is started anew, so each is kept under the run of the server
that gave it and is never used with another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from host.external.flights import Flights
from host.external.generation import Generation


@dataclass(frozen=True, slots=True)
class InstanceKey:
    """What an instance is for. `configuration`: JSON, an object. `scope`: as `PluginUse` has it."""

    plugin: str
    scope: str
    configuration: bytes


class Instances:
    """Numbers of instances, each asked for once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[Generation, InstanceKey], int] = {}
        self._starting: Flights[tuple[Generation, InstanceKey], int] = Flights()
        self._holders: Counter[InstanceKey] = Counter()

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def is_held(self) -> bool:
        """Whether anybody may use an instance."""
        return bool(self._holders)

    def hold(self, key: InstanceKey) -> None:
        """Somebody may use the instance."""
        self._holders[key] += 1

    def let_go(self, key: InstanceKey) -> list[tuple[Generation, int]]:
        """Somebody will not any more; returns the instances that nobody will."""
        self._holders[key] -= 1
        if self._holders[key] > 0:
            return []
        del self._holders[key]
        found = [each for each in self._numbers if each[1] == key]
        return [(each[0], self._numbers.pop(each)) for each in found]

    def known(self, generation: Generation, key: InstanceKey) -> int | None:
        """Return the number in this run of the server, None when there is none yet."""
        return self._numbers.get((generation, key))

    def forget(self, generation: Generation, key: InstanceKey, number: int) -> None:
        """The server does not know this instance."""
        if self._numbers.get((generation, key)) == number:
            del self._numbers[generation, key]

    def forget_others(self, generation: Generation) -> None:
        """The server was started anew: what other runs have given is void."""
        for each in [each for each in self._numbers if each[0] != generation]:
            del self._numbers[each]

    async def number(
        self, generation: Generation, key: InstanceKey, start: Callable[[], Awaitable[int]]
    ) -> int:
        """Return the number in this run of the server; whoever comes first starts the instance, others wait.

        `start` raises PluginServerError, which whoever waits gets too; should the first give up, the next starts it.
        """

        async def ask() -> int:
            number = self._numbers[generation, key] = await start()
            return number

        return await self._starting.get((generation, key), lambda: self.known(generation, key), ask)
