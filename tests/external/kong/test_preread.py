"""A TCP connection that waits for a plugin, whatever becomes of the plugin's event."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from host.external.kong.connection import PrereadFilter
from host.external.kong.errors import Unreachable


class Use:
    """Fails at every event."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.failures: list[Exception] = []

    async def handle(self, phase: str, view: Any, held: Any) -> None:
        raise self.error

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


class Context:
    """A connection: what has become of it."""

    client = None

    def __init__(self) -> None:
        self.shared: dict[str, Any] = {}
        self.data: Any = None
        self.ends: list[str] = []

    def reset(self) -> None:
        self.ends.append("reset")

    def resume_downstream(self) -> None:
        self.ends.append("resumed")


@pytest.mark.parametrize("error", [Unreachable("nobody is there"), RuntimeError("nobody expected that")])
def test_a_failure_ends_the_connection(error: Exception) -> None:
    """It would wait for ever, as nobody else lets it go."""

    async def test() -> None:
        use, context = Use(error), Context()
        filter_: Any = PrereadFilter(use)  # type: ignore[arg-type]
        filter_.on_new_connection(context)
        await context.data
        assert context.ends == ["reset"]
        assert use.failures == [error]

    asyncio.run(asyncio.wait_for(test(), 10))
