"""Configurations made real on an event loop, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from host import config as configs
from host.assembly import Assembly, Surroundings, assemble
from host.callouts import Callouts
from host.config import Config
from host.exchange import Route
from host.http.deadlines import Deadlines
from host.metrics.table import RequestCounters
from host.services import LoopServices
from host.upstream.dial import TcpDialer

ROOT = Path(__file__).resolve().parents[2]
NODE = "upstream: {nodes: {'127.0.0.1:1': 1}}"


def plugin(name: str) -> str:
    """The file of a plugin of testdata."""
    return str(ROOT / "testdata/plugins" / name / "plugin.wasm")


@asynccontextmanager
async def surroundings() -> AsyncIterator[Surroundings]:
    """What a worker has."""
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop.time)
    callouts = Callouts(deadlines)
    services = LoopServices(loop, callouts=callouts)
    try:
        requests = RequestCounters(services.metrics)
        yield Surroundings(services, deadlines, TcpDialer(), callouts, requests)
    finally:
        services.close()


@asynccontextmanager
async def assembled(config: Config | str, folder: Path | None = None) -> AsyncIterator[Assembly]:
    """The assembly of a configuration; `folder` is what its paths start from."""
    if isinstance(config, str):
        config = configs.loads(config, str((folder or ROOT) / "c.yaml"))
    async with surroundings() as around:
        assembly = await assemble(config, around)
        try:
            yield assembly
        finally:
            assembly.close()


def route(assembly: Assembly, path: str) -> Route:
    """The route of a path."""
    found = assembly.router.match(b"a", b"GET", path.encode())
    assert found is not None
    return found
