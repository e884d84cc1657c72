"""A connection to a plugin server, and one call on it at a time.

A call is driven by the bytes that come, without a task that would be woken for each of them: an event takes five to ten
exchanges, and being woken costs more than a message does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, Protocol

from host.errors import ConnectionLost
from host.external.connection import PeerConnection
from host.external.kong.errors import (
    BadReply,
    Disconnected,
    Expired,
    InstanceLost,
    PluginServerError,
    Refused,
)

MAX_CALLBACKS: Final = 10_000
"""Calls of the PDK's methods in one event. A plugin that makes more has lost its way."""


class Answers(Protocol):
    """Who answers a plugin's calls of the PDK's methods."""

    is_over: bool
    """Whether the plugin has given a response: there is nothing more to answer."""

    def call(self, method: str, arguments: list[Any]) -> Any:
        """Return the result, or an awaitable of it. Raises PdkError with what the plugin is told."""


class Call:
    """One call, until `done`. Its channel tells it what has come."""

    def __init__(self) -> None:
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.callbacks = 0
        self.is_last = False
        """Whether the connection is of no use behind this call."""
        self._channel: Channel | None = None

    def opening(self) -> bytes:
        """Return the bytes that begin it."""
        raise NotImplementedError

    def received(self, data: bytes) -> None:
        """Bytes have come. Raises BadReply."""
        raise NotImplementedError

    def closed(self) -> None:
        """The server has closed the connection."""
        self.is_last = True
        self.fail(Disconnected("it closed the connection within a call", has_begun=self.callbacks > 0))

    def fail(self, error: Exception) -> None:
        """End without a result."""
        if not self.done.done():
            self.done.set_exception(error)

    def finish(self, result: Any = None) -> None:
        """End with a result."""
        if not self.done.done():
            self.done.set_result(result)

    def write(self, data: bytes) -> None:
        """Send to the server."""
        if self._channel is not None:
            self._channel.write(data)

    def begin(self, channel: Channel) -> None:
        """Send the first bytes."""
        self._channel = channel
        channel.write(self.opening())

    def counted(self) -> None:
        """A further callback has come. Raises BadReply for one too many, and for one ahead of the last one's answer."""
        self.callbacks += 1
        if self.callbacks > MAX_CALLBACKS:
            raise BadReply(f"the plugin made more than {MAX_CALLBACKS} calls in one event")
        if self._channel is not None and self._channel.connection.is_full:
            raise BadReply("it asks for more and does not read the answers")

    def later(self, answer: Awaitable[Any]) -> None:
        """Wait for an answer to the plugin, on the time of whoever gives it and not on the server's."""
        assert self._channel is not None
        self._channel.wait_for(answer, self)

    def answer(self, value: Any, error: Exception | None) -> None:
        """Send the plugin what was waited for."""
        raise NotImplementedError


class Channel:
    """What is known of one connection beyond its bytes; the connection tells it what comes."""

    def __init__(self, connection: PeerConnection) -> None:
        self.connection = connection
        connection.receiver = self
        self._call: Call | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._waiting: asyncio.Task[None] | None = None

    def received(self, data: bytes) -> None:
        """Bytes have come. Without a call they are unasked for."""
        call = self._call
        if call is None:
            self.unasked(data)
            return
        try:
            call.received(data)
        except PluginServerError as error:
            call.is_last = not isinstance(error, Refused | InstanceLost)
            call.fail(error)
        except Exception as error:  # whatever a hostile message may bring about
            call.is_last = True
            call.fail(BadReply(f"it sent what cannot be read: {error!r:.200}"))

    def lost(self) -> None:
        """The connection is closed."""
        if self._call is not None:
            self._call.closed()

    def unasked(self, data: bytes) -> None:
        """Bytes have come outside of a call: what comes next could not be told apart."""
        self.connection.close()

    def write(self, data: bytes) -> None:
        """Send bytes; nothing when the connection is closed, which the call hears of."""
        try:  # noqa: SIM105 - for each callback of each event
            self.connection.write(data)
        except ConnectionLost:
            pass

    async def run(self, call: Call, within: float) -> Any:
        """Make a call and return its result. The server has `within` seconds for it, what it waits for here apart.

        Raises PluginServerError. A connection that `call.is_last` says so of is to be given up, as after any other
        exception: an answer may be on its way.
        """
        if self.connection.is_closed:
            raise Disconnected("it has closed the connection", has_begun=False)
        loop = asyncio.get_running_loop()
        self._call, self._deadline = call, loop.time() + within
        self._timer = loop.call_at(self._deadline, self._expire, within)
        try:
            call.begin(self)
            return await call.done
        finally:
            self._call = None
            self._timer.cancel()
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

    def wait_for(self, answer: Awaitable[Any], call: Call) -> None:
        """Have the call go on when the answer is there; the server's time stands still meanwhile."""

        async def wait() -> None:
            began = loop.time()
            try:
                value, error = await answer, None
            except Exception as caught:
                value, error = None, caught
            self._deadline += loop.time() - began
            self._waiting = None
            try:
                call.answer(value, error)
            except Exception as caught:
                call.is_last = True
                call.fail(BadReply(f"no answer can be given: {caught!r}"))

        loop = asyncio.get_running_loop()
        self._waiting = loop.create_task(wait())

    def _expire(self, timeout: float) -> None:
        call = self._call
        if call is None:
            return
        loop = asyncio.get_running_loop()
        if self._waiting is not None:
            self._timer = loop.call_later(timeout, self._expire, timeout)
        elif loop.time() < self._deadline:
            self._timer = loop.call_at(self._deadline, self._expire, timeout)
        else:
            call.is_last = True
            call.fail(Expired(f"it did not answer within {timeout:g} s", has_begun=call.callbacks > 0))
