"""One side of an exchange while the work of an external plugin on it is under way.

It must not know whose work that is, nor how it is begun and ended: that is `host.external.filter`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from host.filters.python import FilterContext

REQUEST, RESPONSE = 0, 1


class Gone(Exception):
    """The exchange has been answered by somebody else: what remains to be done on this message is void."""


class HeldMessage:
    """A request or a response that a filter holds: its head in `context`, its body when it is asked for.

    `end_of_stream`: the head is all of it. `done`: the filter lets it go; what comes now comes too late.
    """

    __slots__ = ("_arrived", "_discards", "_replacement", "_side", "context", "done", "end_of_stream")

    def __init__(self, context: FilterContext, side: int, end_of_stream: bool) -> None:
        self.context = context
        self.end_of_stream = end_of_stream
        self.done = False
        self._side = side
        self._arrived: asyncio.Future[None] | None = None  # once the body is watched: that it is all here
        self._discards = False
        self._replacement: bytes | None = None

    async def body(self) -> bytes:
        """Return the whole body, when it has come. Raises Gone.

        One that is too long for the filter is answered (413, 502): this then does not return.
        """
        await self._all_of_it()
        if self.done:  # the stream may carry another exchange by now
            raise Gone
        return self.context.request_body if self._side == REQUEST else self.context.response_body

    def replace_body(self, data: bytes) -> None:
        """Put other content in the place of the message's own, whatever its length."""
        self._replacement = data

    def respond(
        self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"", details: str = ""
    ) -> None:
        """Answer, unless the message is done; raises as `FilterContext.respond` does."""
        if not self.done:
            self.context.respond(status, headers, body, details)
            self.done = True

    # --- what the filter calls

    async def settle_body(self) -> None:
        """Make the replacement the body, when the original has gone by. Raises Gone."""
        if self._replacement is None:
            return
        if not self.end_of_stream:
            self._discards = True
            await self._all_of_it()
        try:
            if self._side == REQUEST:
                self.context.request_body = self._replacement
            else:
                self.context.response_body = self._replacement
        except RuntimeError as error:
            raise Gone from error

    def body_event(self, end: bool) -> bool:
        """Take note of content, or of trailers; returns whether what came can be forgotten."""
        if end and self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
        return self._discards

    def release(self) -> None:
        """Let it go, if that is still to be done."""
        if self.done:
            return
        self.done = True
        if self._side == REQUEST:
            self.context.resume_request()
        else:
            self.context.resume_response()

    async def _all_of_it(self) -> None:
        if self.end_of_stream:
            return
        if self._arrived is None:
            self._arrived = asyncio.get_running_loop().create_future()
            context = self.context
            watch = context.watch_request_body if self._side == REQUEST else context.watch_response_body
            try:
                is_whole = watch()
            except RuntimeError as error:
                raise Gone from error
            if is_whole and not self._arrived.done():
                self._arrived.set_result(None)
        await self._arrived
