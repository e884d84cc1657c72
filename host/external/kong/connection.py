"""The preread phase: a plugin looks at a client's TCP connection before an upstream is connected."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from abi.types import Action
from host.external.kong.filter import Use
from host.external.kong.pdk.errors import PdkError
from host.filters.connection import ConnectionContext, ConnectionFilter
from host.headers import HeaderMap
from host.reach import UpstreamChange


class ConnectionView:
    """What the PDK sees of a connection: addresses, and what plugins share."""

    is_local_response = False

    def __init__(self, context: ConnectionContext) -> None:
        self.request_headers = HeaderMap()
        self.response_headers = HeaderMap()
        self.shared: dict[str, Any] = context.shared
        self._began = time.time()
        client = context.client
        self._addresses = {
            "remote": client.source_address if client is not None else "",
            "server": client.destination_address if client is not None else "",
        }

    def variable(self, name: str) -> bytes | None:
        """nginx's variables of a connection."""
        end, _, part = name.partition("_")
        if end in self._addresses and part in ("addr", "port"):
            host, _, port = self._addresses[end].rpartition(":")
            return (port if part == "port" else host.strip("[]")).encode()
        if name in ("protocol", "scheme"):
            return b"tcp"
        return {"msec": b"%.3f" % time.time(), "request_time": b"%.3f" % (time.time() - self._began)}.get(
            name
        )

    def reach(self, change: UpstreamChange) -> bool:
        """A connection goes where its route says."""
        return False


class HeldConnection:
    """A connection that waits, in the place of a message. `is_refused`: a plugin has ended it."""

    end_of_stream = True
    done = False  # one connection is never another

    def __init__(self) -> None:
        self.is_refused = False

    async def body(self) -> bytes:
        """Nothing is read of it."""
        return b""

    def replace_body(self, data: bytes) -> None:
        """There is none. Raises PdkError."""
        raise PdkError("a connection has no body")

    def respond(self, status: int, headers: Any = (), body: bytes = b"", details: str = "") -> None:
        """End the connection: TCP has no statuses to tell."""
        self.is_refused = True


class PrereadFilter(ConnectionFilter):
    """Has a plugin handle each new connection, and lets it go on then."""

    def __init__(self, use: Use) -> None:
        super().__init__()
        self.use = use

    def on_new_connection(self, context: ConnectionContext) -> Action:
        """Hold it."""
        context.data = asyncio.get_running_loop().create_task(self._handle(context))
        return Action.PAUSE

    def on_delete(self, context: ConnectionContext) -> None:
        """It is closed, and what is done for it ends."""
        if context.data is not None and context.data is not asyncio.current_task():
            context.data.cancel()

    async def _handle(self, context: ConnectionContext) -> None:
        held = HeldConnection()
        try:
            await self.use.handle("preread", ConnectionView(context), held)
        except Exception as error:  # whatever it is: nobody else would let the connection go
            self.use.failed(error)
            held.is_refused = True
        if held.is_refused:
            context.reset()
        else:
            context.resume_downstream()
