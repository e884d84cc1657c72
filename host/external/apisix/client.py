"""Asks a runner: one exchange at a time on a connection, with the token of a configuration.

It must not know what becomes of an answer, nor who starts the runner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar, Final

from host.config.runner_values import Runner
from host.errors import ConnectionLost, HostError
from host.external.apisix.codec import (
    HEADER_SIZE,
    Codec,
    ErrorCode,
    ErrorReply,
    FrameError,
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
from host.headers import HeaderMap
from host.metrics.table import MetricsTable

logger = logging.getLogger("sluiceway.runner")

Answer = Callable[[InfoRequest], Awaitable[bytes | None]]
"""Answers what a runner asks while it has a call; None: there is no such thing."""

MOST_QUESTIONS: Final = 1024
"""Of one call. A plugin that reads every variable asks some tens."""

_IDS = 0xFFFF_FFFF


class RunnerError(HostError):
    """A runner that did not do what it was asked."""

    status_hint: ClassVar[int | None] = 503


class _UnknownToken(RunnerError):
    """The runner does not know the token."""


class _WrongCall(RunnerError):
    """The answer is one to another call.

    The Python runner's BAD_REQUEST reads so, as defaults are not written; other runners are out of step.
    """


class RunnerClient:
    """One runner, asked by one worker. To be closed."""

    def __init__(
        self,
        runner: Runner,
        path: Path | str,
        now: Callable[[], float] | None = None,
        metrics: MetricsTable | None = None,
    ) -> None:
        """`path`: of the runner's socket. `now`: the clock of tokens, the loop's by default."""
        self.runner = runner
        table = metrics if metrics is not None else MetricsTable()
        labels = {"runner": runner.name}
        self._call_counter = table.counter("runner_calls_total", labels)
        self._failure_counter = table.counter("runner_failures_total", labels)
        self._codec = Codec()
        self._connections = Connections(
            path,
            most=runner.max_connections,
            connect_timeout=runner.connect_timeout,
            patience=runner.start_timeout if runner.process else 0.0,
        )
        self._tokens = Tokens(runner.conf_expire_time, now or asyncio.get_running_loop().time)
        self._is_closed = False
        self._last_id = 0
        self._calls = 0
        self._users = 0

    @property
    def is_closed(self) -> bool:
        """Nobody has it any more, and the last call has ended."""
        return self._is_closed

    # --- who uses it -------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """One more has it."""
        self._users += 1

    def let_go(self) -> None:
        """One less has it; the last one's calls still end properly."""
        self._users -= 1
        self._close_unused()

    def close(self) -> None:
        """End all calls now."""
        self._is_closed = True
        self._connections.close()

    def _close_unused(self) -> None:
        if not self._users and not self._calls:
            self.close()

    # --- what it is asked --------------------------------------------------------------------------------------

    async def request(
        self, configuration: Configuration, headers: HeaderMap, address: bytes, answer: Answer
    ) -> RequestReply:
        """Have a request judged. Raises RunnerError and other HostErrors, TimeoutError, and what `answer` does."""

        def write(id_: int, token: int) -> bytes:
            return self._codec.write_request_call(
                headers, id_, token, address, has_bare_arguments=self.runner.has_bare_arguments
            )

        reply = await self._call(configuration, FrameType.REQUEST_CALL, write, answer)
        assert isinstance(reply, RequestReply)
        return reply

    async def response(
        self, configuration: Configuration, headers: HeaderMap, answer: Answer
    ) -> ResponseReply:
        """Have a response judged. Raises as `request` does."""

        def write(id_: int, token: int) -> bytes:
            return self._codec.write_response_call(headers, id_, token)

        reply = await self._call(configuration, FrameType.RESPONSE_CALL, write, answer)
        assert isinstance(reply, ResponseReply)
        return reply

    async def _call(
        self,
        configuration: Configuration,
        type_: FrameType,
        write: Callable[[int, int], bytes],
        answer: Answer,
    ) -> Message:
        self._calls += 1
        self._call_counter.add()
        try:
            return await self._refreshing(configuration, type_, write, answer)
        except FrameError as error:
            self._failure_counter.add()
            raise RunnerError(str(error)) from error
        except HostError:
            self._failure_counter.add()
            raise
        finally:
            self._calls -= 1
            self._close_unused()

    async def _refreshing(
        self,
        configuration: Configuration,
        type_: FrameType,
        write: Callable[[int, int], bytes],
        answer: Answer,
    ) -> Message:
        """Again with a new token, while the runner does not know the one that it was given."""
        for left in (2, 1, 0):
            try:
                return await self._reconnecting(configuration, type_, write, answer)
            except _UnknownToken as error:
                self._tokens.flush()
                if not left:
                    raise
                self._tell_again(error)
            except _WrongCall as error:
                self._tokens.forget(configuration.key)
                if left < 2:
                    raise
                self._tell_again(error)
        raise AssertionError("the last try returns or raises")

    def _tell_again(self, error: RunnerError) -> None:
        logger.warning("%s: %s: refresh cache and try again", self.runner.name, error)

    async def _reconnecting(
        self,
        configuration: Configuration,
        type_: FrameType,
        write: Callable[[int, int], bytes],
        answer: Answer,
    ) -> Message:
        """One more time, unseen, if the runner has closed a connection of the pool before it answered a byte.

        Runners close idle ones, and one that has been started anew knows nothing of those of the last.
        """
        call = _Call(self, configuration, type_, write, answer)
        try:
            return await call.make(fresh=False)
        except ConnectionLost as error:
            if error.received or not call.can_be_made_again:
                raise
        return await call.make(fresh=True)

    def next_id(self) -> int:
        """Return the number of a new call: never 0, which stands for none."""
        self._last_id = self._last_id % _IDS + 1
        return self._last_id


class _Call:
    """A call under way. `can_be_made_again`: the connection had worked before, and nothing has come in answer yet."""

    def __init__(
        self,
        client: RunnerClient,
        configuration: Configuration,
        type_: FrameType,
        write: Callable[[int, int], bytes],
        answer: Answer,
    ) -> None:
        self.can_be_made_again = False
        self._client = client
        self._runner = client.runner
        self._configuration = configuration
        self._type = type_
        self._write = write
        self._answer = answer

    async def make(self, *, fresh: bool) -> Message:
        """Do it on a connection of the pool, or on a fresh one."""
        connections = self._client._connections
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
                self._client._tokens.flush()  # it may have been started anew
            raise
        connections.release(connection)
        if isinstance(message, ErrorReply):
            raise _error_of(message)
        return message

    async def _exchange(self, connection: PeerConnection) -> Message:
        client = self._client

        async def prepare() -> int:
            frame = client._codec.write_prepare(self._configuration.key, self._configuration.conf)
            reply = await self._ask(connection, frame, FrameType.PREPARE_CONF)
            if isinstance(reply, PrepareReply) and reply.token:
                return reply.token
            if isinstance(reply, ErrorReply):
                raise RunnerError(f"the runner refuses the configuration: {_name_of(reply)}")
            raise RunnerError("the runner gives no token for the configuration")

        token = await client._tokens.token(connection.generation, self._configuration.key, prepare)
        self.can_be_made_again = True  # it has given a token, now or before
        id_ = client.next_id()
        reply = await self._ask(connection, self._write(id_, token), self._type)
        if isinstance(reply, RequestReply | ResponseReply) and reply.id != id_:
            raise _WrongCall(f"the runner answers call {reply.id}, not {id_}")
        return reply

    async def _ask(self, connection: PeerConnection, frame: bytes, type_: FrameType) -> Message:
        await self._send(connection, frame)
        for _ in range(MOST_QUESTIONS):
            message = await self._receive(connection, type_)
            if not isinstance(message, InfoRequest):
                return message
            result = await self._answer(message)
            await self._send(connection, self._client._codec.write_extra_info(result))
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
        return self._client._codec.read_message(got, payload)


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
        return _UnknownToken("key not found")
    return RunnerError(f"the runner answers with {_name_of(reply)}")
