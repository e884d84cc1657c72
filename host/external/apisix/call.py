"""One call of a runner on one connection: a token, the call, the questions that the runner has, its answer.

It must not know when a call is made again, nor what becomes of an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from host.config.runner_values import Runner
from host.errors import ConnectionLost, HostError
from host.external.apisix.codec import (
    HEADER_SIZE,
    Codec,
    ErrorCode,
    ErrorReply,
    FrameType,
    InfoRequest,
    Message,
    PrepareReply,
    RequestReply,
    ResponseReply,
    read_header,
)
from host.external.apisix.tokens import Configuration, Tokens
from host.external.connection import PeerConnection
from host.external.connections import Connections

Answer = Callable[[InfoRequest], Awaitable[bytes | None]]
"""Answers what a runner asks while it has a call; None: there is no such thing."""

MOST_QUESTIONS: Final = 1024
"""Of one call. A plugin that reads every variable asks some tens."""

_IDS = 0xFFFF_FFFF


class RunnerError(HostError):
    """A runner that did not do what it was asked."""

    status_hint: ClassVar[int | None] = 503


class UnknownToken(RunnerError):
    """The runner does not know the token."""


class WrongCall(RunnerError):
    """The answer is one to another call.

    The Python runner's BAD_REQUEST reads so, as defaults are not written; other runners are out of step.
    """


class Line:
    """What the calls of one runner share."""

    def __init__(self, runner: Runner, connections: Connections, tokens: Tokens) -> None:
        self.runner = runner
        self.connections = connections
        self.tokens = tokens
        self.codec = Codec()
        self._last_id = 0

    def next_id(self) -> int:
        """Return the number of a new call: never 0, which stands for none."""
        self._last_id = self._last_id % _IDS + 1
        return self._last_id


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be called. `write` returns the frame, for the call's number and a token."""

    configuration: Configuration
    type: FrameType
    write: Callable[[int, int], bytes]
    answer: Answer


class Call:
    """A call under way. `can_be_made_again`: the connection had worked before, and nothing has come in answer yet."""

    def __init__(self, line: Line, order: Order) -> None:
        self.can_be_made_again = False
        self._line = line
        self._runner = line.runner
        self._order = order

    async def make(self, *, fresh: bool) -> Message:
        """Do it on a connection of the pool, or on a fresh one."""
        connections = self._line.connections
        if connections.idle and not connections.is_busy:  # what does not wait needs no timer
            connection = await connections.acquire(fresh=fresh)
        else:
            async with _within(self._runner.read_timeout, "no connection to it is free"):
                connection = await connections.acquire(fresh=fresh)
        try:
            self.can_be_made_again = connection.exchanges > 1
            message = await self._exchange(connection)
        except BaseException as error:
            connections.discard(connection)
            if isinstance(error, ConnectionLost):
                self._line.tokens.flush()  # it may have been started anew
            raise
        connections.release(connection)
        if isinstance(message, ErrorReply):
            raise _error_of(message)
        return message

    async def _exchange(self, connection: PeerConnection) -> Message:
        line, order = self._line, self._order

        async def prepare() -> int:
            frame = line.codec.write_prepare(order.configuration.key, order.configuration.conf)
            reply = await self._ask(connection, frame, FrameType.PREPARE_CONF)
            if isinstance(reply, PrepareReply) and reply.token:
                return reply.token
            if isinstance(reply, ErrorReply):
                raise RunnerError(f"the runner refuses the configuration: {_name_of(reply)}")
            raise RunnerError("the runner gives no token for the configuration")

        token = await line.tokens.token(connection.generation, order.configuration.key, prepare)
        self.can_be_made_again = True  # it has given a token, now or before
        id_ = line.next_id()
        reply = await self._ask(connection, order.write(id_, token), order.type)
        if isinstance(reply, RequestReply | ResponseReply) and reply.id != id_:
            raise WrongCall(f"the runner answers call {reply.id}, not {id_}")
        return reply

    async def _ask(self, connection: PeerConnection, frame: bytes, type_: FrameType) -> Message:
        await self._send(connection, frame)
        for _ in range(MOST_QUESTIONS):
            message = await self._receive(connection, type_)
            if not isinstance(message, InfoRequest):
                return message
            result = await self._order.answer(message)
            await self._send(connection, self._line.codec.write_extra_info(result))
        raise RunnerError(f"the runner has asked {MOST_QUESTIONS} questions and not answered")

    async def _send(self, connection: PeerConnection, frame: bytes) -> None:
        connection.write(frame)
        if connection.is_full:
            async with _within(self._runner.send_timeout, "the runner does not take what is sent"):
                await connection.drain()

    async def _receive(self, connection: PeerConnection, type_: FrameType) -> Message:
        async with _within(self._runner.read_timeout, "the runner does not answer"):
            header = await connection.read_exactly(HEADER_SIZE)
            self.can_be_made_again = False
            got, length = read_header(header)
            expects_question = type_ is not FrameType.PREPARE_CONF and got is FrameType.EXTRA_INFO
            if got not in (type_, FrameType.ERROR) and not expects_question:
                raise RunnerError(f"the runner answers {type_.name} with {got.name}")
            payload = await connection.read_exactly(length)
        return self._line.codec.read_message(got, payload)


class _within:
    """A timeout that says what took too long."""

    def __init__(self, seconds: float, what: str) -> None:
        self._seconds, self._what = seconds, what
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)  # type: ignore[arg-type]
        except TimeoutError:
            raise RunnerError(f"{self._what} within {self._seconds:g} s") from None


def _name_of(reply: ErrorReply) -> str:
    return ErrorCode(reply.code).name if reply.code in set(ErrorCode) else f"error {reply.code}"


def _error_of(reply: ErrorReply) -> RunnerError:
    if reply.code == ErrorCode.CONF_TOKEN_NOT_FOUND:
        return UnknownToken("key not found")
    return RunnerError(f"the runner answers with {_name_of(reply)}")
