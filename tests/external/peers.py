"""Processes for tests: small Python scripts, and what tells whether a process lives."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from host.config import ProcessSpec
from host.external.process import ManagedProcess

LISTEN = """
import os, socket, sys, time
path = os.environ["LISTEN"]
own = socket.socket(socket.AF_UNIX)
if os.path.exists(path):
    os.unlink(path)
own.bind(path)
own.listen()
print("listening", flush=True)
"""
"""Make a socket where the variable LISTEN says."""

GRANDCHILD = """
import os, signal, sys, time
child = os.fork()
if child == 0:
    if "leave" in sys.argv:
        os.setsid()
    if "ignore" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
if "ignore" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("grandchild", child, flush=True)
if "end" in sys.argv:
    sys.exit(7)
time.sleep(600)
"""
"""A process with a child. Arguments: `leave` (the child makes a session of its own), `ignore` (both ignore SIGTERM),
`end` (the process itself ends, with status 7)."""


def script(source: str, *arguments: str, **changes: Any) -> ProcessSpec:
    """A process that runs the source; it is stopped within 0.2 seconds unless told otherwise."""
    command = (sys.executable, "-S", "-c", source, *arguments)
    return ProcessSpec(**{"name": "peer", "command": command, "stop_timeout": 0.2, **changes})


def is_alive(process: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent_of(process: int) -> int:
    """The process id of its parent."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def run(test: Coroutine[Any, Any, None], *, on_uvloop: bool = False) -> None:
    """Run a test's coroutine for 30 seconds at most, on the supervisor's kind of loop or a worker's."""

    async def bounded() -> None:
        await asyncio.wait_for(test, 30)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if on_uvloop else None) as runner:
        runner.run(bounded())


@contextlib.asynccontextmanager
async def kept(spec: ProcessSpec, **options: Any) -> AsyncIterator[ManagedProcess]:
    """Keep a process running until the block ends."""
    process = ManagedProcess(spec, **options)
    process.start()
    try:
        yield process
    finally:
        await process.stop()


async def line_of(process: ManagedProcess, begin: str) -> str:
    """Wait for a line of its output, and return what follows `begin`."""
    while True:
        for line in process.last_lines:
            if line.startswith(begin):
                return line.removeprefix(begin).strip()
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds; `run` bounds the time."""
    while not condition():  # noqa: ASYNC110 -- what other processes do sets no event here
        await asyncio.sleep(0.01)


async def gone(*processes: int) -> None:
    """Wait until none of them runs."""
    await until(lambda: not any(map(is_alive, processes)))
