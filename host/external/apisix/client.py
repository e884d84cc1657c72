"""Asks a runner, and asks again where that is of use: with a new token, on a new connection.

It must not know what becomes of an answer, nor who starts the runner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from host.config.runner_values import Runner
from host.errors import ConnectionLost, HostError
from host.external.apisix.call import Answer, Call, Line, Order, RunnerError, UnknownToken, WrongCall
from host.external.apisix.codec import FrameError, FrameType, Message, RequestReply, ResponseReply
from host.external.apisix.tokens import Configuration, Tokens
from host.external.connections import Connections
from host.headers import HeaderMap
from host.metrics.table import MetricsTable

logger = logging.getLogger("sluiceway.runner")


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
        connections = Connections(
            path,
            most=runner.max_connections,
            connect_timeout=runner.connect_timeout,
            patience=runner.start_timeout if runner.process else 0.0,
        )
        tokens = Tokens(runner.conf_expire_time, now or asyncio.get_running_loop().time)
        self._line = Line(runner, connections, tokens)
        self._calls = 0
        self._users = 0

    @property
    def is_unused(self) -> bool:
        """Nobody has it any more, and no call is under way; exchanges that began with it may make another yet."""
        return not self._users and not self._calls

    # --- who uses it -------------------------------------------------------------------------------------------

    def hold(self) -> None:
        """One more has it."""
        self._users += 1

    def let_go(self) -> None:
        """One less has it; what began with the last one still ends properly."""
        self._users -= 1
        self._rest()

    def close(self) -> None:
        """End all calls now, and make no more."""
        self._line.connections.close()

    def _rest(self) -> None:
        """Keep no connections for calls that nobody is to make."""
        if self.is_unused:
            self._line.connections.drop_idle()

    # --- what it is asked --------------------------------------------------------------------------------------

    async def request(
        self, configuration: Configuration, headers: HeaderMap, address: bytes, answer: Answer
    ) -> RequestReply:
        """Have a request judged. Raises RunnerError and other HostErrors, TimeoutError, and what `answer` does."""

        def write(id_: int, token: int) -> bytes:
            return self._line.codec.write_request_call(
                headers, id_, token, address, has_bare_arguments=self.runner.has_bare_arguments
            )

        reply = await self._call(Order(configuration, FrameType.REQUEST_CALL, write, answer))
        assert isinstance(reply, RequestReply)
        return reply

    async def response(
        self, configuration: Configuration, headers: HeaderMap, answer: Answer
    ) -> ResponseReply:
        """Have a response judged. Raises as `request` does."""

        def write(id_: int, token: int) -> bytes:
            return self._line.codec.write_response_call(headers, id_, token)

        reply = await self._call(Order(configuration, FrameType.RESPONSE_CALL, write, answer))
        assert isinstance(reply, ResponseReply)
        return reply

    async def _call(self, order: Order) -> Message:
        self._calls += 1
        self._call_counter.add()
        try:
            return await self._refreshing(order)
        except FrameError as error:
            self._failure_counter.add()
            raise RunnerError(str(error)) from error
        except HostError:
            self._failure_counter.add()
            raise
        finally:
            self._calls -= 1
            self._rest()

    async def _refreshing(self, order: Order) -> Message:
        """Again with a new token, while the runner does not know the one that it was given."""
        for left in (2, 1, 0):
            try:
                return await self._reconnecting(order)
            except UnknownToken as error:
                self._line.tokens.flush()
                if not left:
                    raise
                self._tell_again(error)
            except WrongCall as error:
                self._line.tokens.forget(order.configuration.key)
                if left < 2:
                    raise
                self._tell_again(error)
        raise AssertionError("the last try returns or raises")

    def _tell_again(self, error: RunnerError) -> None:
        logger.warning("%s: %s: refresh cache and try again", self.runner.name, error)

    async def _reconnecting(self, order: Order) -> Message:
        """One more time, unseen, if the runner has closed a connection of the pool before it answered a byte.

        Runners close idle ones, and one that has been started anew knows nothing of those of the last.
        """
        call = Call(self._line, order)
        try:
            return await call.make(fresh=False)
        except ConnectionLost as error:
            if error.received or not call.can_be_made_again:
                raise
        return await call.make(fresh=True)
