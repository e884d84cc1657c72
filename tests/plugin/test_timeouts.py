"""The time of calls in flight: each ends in its time, and few timers watch them all."""

from __future__ import annotations

import pytest

from host.plugin.timeouts import Timeouts
from host.testing.services import ManualServices


class Call:
    """A call that notes when its time was over."""

    def __init__(
        self, timeout: float, services: ManualServices, log: list[tuple[str, float]], name: str
    ) -> None:
        self.timeout = timeout
        self._services, self._log, self.name = services, log, name

    def time_out(self) -> None:
        self._log.append((self.name, self._services.now()))


class Stage:
    """A clock, timeouts by it, and what came of them."""

    def __init__(self) -> None:
        self.services = ManualServices()
        self.timeouts = Timeouts(self.services)
        self.over: list[tuple[str, float]] = []

    def watch(self, name: str, timeout: float) -> Call:
        call = Call(timeout, self.services, self.over, name)
        self.timeouts.watch(call)
        return call

    def wait(self, until: float) -> None:
        while self.services.run_due(until):
            pass

    @property
    def timers(self) -> int:
        """Those that are to come."""
        return sum(not timer.is_cancelled for timer in self.services._timers)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_each_call_ends_in_its_time(stage: Stage) -> None:
    """Never early, whatever the order of their lengths."""
    stage.watch("a", 2.0)
    stage.watch("b", 0.5)
    stage.wait(1.0)
    stage.watch("c", 2.0)
    stage.watch("d", 0.25)
    stage.wait(10.0)
    assert stage.over == [("b", 0.5), ("d", 1.25), ("a", 2.0), ("c", 3.0)]


def test_a_call_that_has_ended_is_not_told(stage: Stage) -> None:
    """Nor does its end keep another one's time."""
    first, _ = stage.watch("a", 1.0), stage.wait(0.5)
    stage.watch("b", 1.0)
    stage.timeouts.forget(first)
    stage.timeouts.forget(first)
    stage.wait(10.0)
    assert stage.over == [("b", 1.5)]


def test_calls_of_one_length_have_one_timer(stage: Stage) -> None:
    """However many they are; and none is left when all have ended and its time has passed."""
    calls = [stage.watch("a", 1.0) for _ in range(1000)]
    assert stage.timers == 1
    for call in calls:
        stage.timeouts.forget(call)
    stage.wait(10.0)
    assert (stage.timers, stage.over) == (0, [])


def test_calls_that_are_due_together_end_together(stage: Stage) -> None:
    """A call that another one's end has ended is not told any more; one that fails does not keep the others waiting."""
    first, second = stage.watch("a", 1.0), stage.watch("b", 1.0)

    def fail() -> None:
        stage.timeouts.forget(second)
        stage.watch("d", 1.0)
        raise RuntimeError("on purpose")

    first.time_out = fail  # type: ignore[method-assign]
    stage.watch("c", 1.0)
    stage.wait(1.5)
    assert stage.over == [("c", 1.0)]
    stage.wait(2.5)
    assert stage.over == [("c", 1.0), ("d", 2.0)]


def test_a_call_whose_end_ends_all_is_the_last(stage: Stage) -> None:
    """Its callback may trap, and its guest with it."""
    first = stage.watch("a", 1.0)
    first.time_out = stage.timeouts.close  # type: ignore[method-assign]
    stage.watch("b", 1.0)
    stage.watch("c", 2.0)
    stage.wait(10.0)
    assert (stage.over, stage.timers) == ([], 0)


def test_nothing_is_watched_behind_the_end(stage: Stage) -> None:
    """The guest that waited for the calls is gone."""
    stage.watch("a", 1.0)
    stage.timeouts.close()
    stage.wait(10.0)
    assert (stage.over, stage.timers) == ([], 0)
