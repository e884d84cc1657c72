"""Reloads when nobody serves: whose turn it is, what becomes of them, and what a look at the files begins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from host import reloading
from host.config import Config
from host.config.watch import Watch
from host.errors import ConfigError, Problem
from host.reloading import Reloader
from host.rollout import Rollout


class Everybody:
    """Takes any configuration that it is given, unless there are `problems`; keeps those that it serves."""

    def __init__(self) -> None:
        self.changing = asyncio.Lock()
        self.workplaces: list[Any] = []
        self.served: list[Config] = []
        self.problems: list[str] = []

    def kept(self, new: Config) -> list[str]:
        """Nothing takes a restart."""
        return []

    async def reload(self, new: Config) -> list[str]:
        """Serve it, or say why not."""
        if not self.problems:
            self.served.append(new)
        return self.problems


class Desk:
    """A reloader with `load`; `counted` is what it counts."""

    def __init__(self, load: Callable[[], Config] = Config) -> None:
        self.all, self.stopping, self.counted = Everybody(), asyncio.Event(), list[str]()
        self.reloader = Reloader(cast(Rollout, self.all), load, None, self.stopping, self.counted.append)


def test_who_asks_while_one_waits_gets_that_one() -> None:
    """A thousand signals are two reloads: the one that reads, and the one behind it, which sees all that changed."""

    async def run() -> None:
        desk = Desk()
        async with desk.all.changing:
            waiting = {desk.reloader.ask() for _ in range(1000)}
            assert len(waiting) == 1
        assert await waiting.pop() == []
        assert await desk.reloader.ask() == []
        assert len(desk.all.served) == 2

    asyncio.run(run())


def test_a_reload_tells_why_nothing_has_changed() -> None:
    """Files that are of no use, workers that refuse, whatever else goes wrong, and the end of the gateway."""

    def refuse() -> Config:
        raise ConfigError([Problem("f", 3, "routes", "one"), Problem("f", 4, "", "two")])

    def fail() -> Config:
        raise RuntimeError("unforeseen")

    async def run() -> None:
        refused, failed, kept = Desk(refuse), Desk(fail), Desk()
        assert await refused.reloader.ask() == ["f:3: routes: one", "f:4: two"]
        assert refused.counted == ["refused"]
        assert await failed.reloader.ask() == ["it has failed; the log says why"]
        kept.all.problems = ["p traps"]
        assert await kept.reloader.ask() == ["p traps"]
        kept.stopping.set()
        assert await kept.reloader.ask() == ["the gateway is stopping"]
        assert not (refused.all.served + failed.all.served + kept.all.served)

    asyncio.run(run())


def test_a_change_is_one_reload(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Looks go on behind it, until the gateway stops; what is refused is not tried again."""
    monkeypatch.setattr(reloading, "LOOK_INTERVAL", 0.0)
    caplog.set_level(logging.INFO, "sluiceway")
    file, looks = Path("/etc/apisix.yaml"), []

    async def run() -> None:
        desk = Desk()
        desk.all.problems = ["refused"]

        def sign(path: Path) -> tuple[object, ...]:
            looks.append(path)
            if len(looks) == 8:
                desk.stopping.set()
            return (len(looks) > 2,)  # another one from the third look on

        watch = Watch(sign)
        watch.take({file: (False,)})
        await desk.reloader.keep_looking(watch)

    asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == [
        "/etc/apisix.yaml has changed: reloading",
        "refused",
        "not reloaded: the last configuration stays",
    ]
    assert len(looks) == 8
