"""The dialer of sockets."""

from __future__ import annotations

import asyncio

from host.upstream.connection import UpstreamConnection


class TcpDialer:
    """Makes TCP connections on the running loop. A task is spent on a new connection only, never on a request."""

    def __init__(self) -> None:
        self._tasks: dict[UpstreamConnection, asyncio.Task[None]] = {}

    def dial(self, connection: UpstreamConnection, host: str, port: int) -> None:
        """Connect by IPv4 or IPv6, or tell the connection why it failed."""
        task = asyncio.get_running_loop().create_task(self._dial(connection, host, port))
        self._tasks[connection] = task

    def cancel(self, connection: UpstreamConnection) -> None:
        """Forget about it."""
        task = self._tasks.pop(connection, None)
        if task is not None:
            task.cancel()

    async def _dial(self, connection: UpstreamConnection, host: str, port: int) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, host, port)
        except OSError as error:
            if self._tasks.pop(connection, None) is not None:
                connection.connect_failed(error)
        else:
            self._tasks.pop(connection, None)
