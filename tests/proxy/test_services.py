"""What plugins have of the event loop."""

from __future__ import annotations

import asyncio
import threading

from host.services import LoopServices
from tests.proxy.test_settings import run


def test_what_waits_leaves_the_loop_its_turns() -> None:
    """A thousand callbacks from another thread run in order, with other work of the loop in between."""
    seen: list[int] = []

    async def test() -> None:
        services = LoopServices(asyncio.get_running_loop())
        thread = threading.Thread(
            target=lambda: [
                services.soon(lambda number=number: seen.append(number)) for number in range(1000)
            ]
        )
        thread.start()
        thread.join()
        turns = 0
        while len(seen) < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert seen == list(range(1000))
        assert turns >= 20
        services.close()

    run(test())


def test_a_callback_that_fails_keeps_no_other_from_its_turn() -> None:
    """It is logged."""
    seen: list[int] = []

    async def test() -> None:
        services = LoopServices(asyncio.get_running_loop())
        services.soon(lambda: seen.append(1 // 0))
        services.soon(lambda: seen.append(2))
        await asyncio.sleep(0.01)
        services.soon(lambda: seen.append(3))
        await asyncio.sleep(0.01)
        assert seen == [2, 3]
        services.close()

    run(test())


def test_closed_services_take_work_and_do_nothing() -> None:
    """A timer of a plugin may still come when the gateway has closed."""
    seen: list[object] = []

    async def test() -> None:
        services = LoopServices(asyncio.get_running_loop())
        services.close()
        services.in_background(lambda: seen.append(1), seen.append)
        await asyncio.sleep(0.05)

    run(test())
    assert seen == []
