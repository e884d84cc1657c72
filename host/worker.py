"""A worker process: one gateway on one event loop, told what to do through a control connection.

Started by the supervisor as `python -m host.worker CONTROL_FD SOCKET_FD…`. When the supervisor is gone, so is the
worker, after it has finished its requests.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from host import log as logs
from host.config import Config
from host.errors import ConfigError
from host.proxy import Proxy

logger = logging.getLogger("sluiceway.worker")


class Worker:
    """Obeys `("start", Config)`, `("reload", Config)`, `("drain", seconds)`; answers each with a tuple of its own."""

    def __init__(self, control: Connection, sockets: list[socket.socket]) -> None:
        self._control = control
        self._sockets = sockets
        self._proxy: Proxy | None = None
        self._orders: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def run(self) -> int:
        """Serve until drained. Returns the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._control.fileno(), self._receive)
        try:
            while True:
                order, argument = await self._orders.get()
                if order == "start":
                    await self._start(argument)
                elif order == "reload":
                    await self._reload(argument)
                else:
                    return await self._drain(argument)
        finally:
            loop.remove_reader(self._control.fileno())

    def _receive(self) -> None:
        try:
            self._orders.put_nowait(self._control.recv())
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._orders.put_nowait(("drain", 10.0))

    async def _start(self, config: Config) -> None:
        log = logs.setup(config.log.level, config.log.format)
        self._proxy = Proxy(config, log=log)
        await self._proxy.start(self._sockets)
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it again
        self._answer("ready", [str(problem) for problem in self._proxy.problems])

    async def _reload(self, config: Config) -> None:
        assert self._proxy is not None
        try:
            await self._proxy.reload(config)
        except ConfigError as error:
            self._answer("refused", [str(problem) for problem in error.problems])
        except Exception as error:
            logger.exception("reload failed")
            self._answer("refused", [repr(error)])
        else:
            self._answer("reloaded", [])

    async def _drain(self, within: float) -> int:
        if self._proxy is None:
            return 0
        ended = await self._proxy.drain(within)
        await self._proxy.close()
        return 0 if ended else 1

    def _answer(self, kind: str, lines: list[str]) -> None:
        try:
            self._control.send((kind, lines))
        except OSError:
            logger.warning("the supervisor is gone")


def main(arguments: list[str]) -> int:
    """Run a worker on the file descriptors that the supervisor passed."""
    # Signals of the terminal go to the whole process group: the supervisor decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    control = Connection(int(arguments[0]))
    sockets = [socket.socket(fileno=int(number)) for number in arguments[1:]]
    return uvloop.run(Worker(control, sockets).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
