"""The base of filters whose work is done by another process: the exchange waits for it, the event loop does not.

A message is held, head and body, with back-pressure on who sends it, while a task asks the other process; the body is
gathered only for a task that wants it. It must not know what is asked, nor of whom.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, cast

from abi.types import Action
from host.errors import HostError
from host.external.complaints import Complaints
from host.external.message import REQUEST, RESPONSE, Gone, HeldMessage
from host.filters.python import FilterContext, PythonFilter

logger = logging.getLogger("sluiceway.external")

JSON: tuple[tuple[bytes, bytes], ...] = ((b"Content-Type", b"application/json"),)

_FORGET = cast(Action, 3)  # Envoy's StopIterationNoBuffer: the bytes have been taken


class _Work:
    """What one filter has to do with one exchange."""

    __slots__ = ("data", "messages", "tasks")

    def __init__(self) -> None:
        self.data: Any = None
        self.messages: list[HeldMessage | None] = [None, None]  # by side
        self.tasks: list[asyncio.Task[None] | None] = [None, None]


class ExternalFilter(PythonFilter):
    """What `RequestFilter` and `ResponseFilter` have in common; a filter that takes both extends both.

    `name`: what log lines call it. `deadline`: seconds that the work on one message may take, None for any time.
    """

    reads_variables: ClassVar[bool] = True
    max_body_size: int = (1 << 24) - 1
    name: str = "external"
    deadline: float | None = None
    _complaints: Complaints | None = None

    def failed(self, message: HeldMessage, error: Exception) -> None:
        """Meet a failure of `request` or `response`: by 503, or by what the error hints at."""
        self.complain(error)
        status = error.status_hint if isinstance(error, HostError) and error.status_hint else 503
        text = b'{"error_msg":"%d A plugin of this route failed"}\n' % status
        message.respond(status, JSON, text, "external_plugin_failed")

    def complain(self, error: Exception) -> None:
        """Tell of a failure in the log, once a second."""
        if self._complaints is None:
            self._complaints = Complaints(self.name, logger)
        self._complaints.tell(f"{self.name}: {reason_of(error)}")

    def on_delete(self, context: FilterContext, end_of_stream: bool) -> None:
        """The exchange has ended: so does the work on it."""
        work: _Work | None = context.data
        if work is None:
            return
        for message, task in zip(work.messages, work.tasks, strict=True):
            if message is None or task is None:
                continue
            message.done = True
            # One's own answer may be what ends the exchange.
            if not task.done() and task is not asyncio.current_task():
                task.cancel()


class RequestFilter(ExternalFilter):
    """Has `request` done with each request, in a task that is cancelled when the exchange ends before it."""

    async def request(self, message: HeldMessage) -> None:
        """Do what is to be done with a request; to be overridden."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Hold the request and have the work done."""
        return _begin(self, context, REQUEST, end_of_stream, self.request)

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Content, which the work waits for or has done with."""
        return _content(context, REQUEST, end_of_stream)

    def on_request_trailers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The end of the content."""
        return _content(context, REQUEST, True)


class ResponseFilter(ExternalFilter):
    """Has `response` done with each upstream's response, in a task that is cancelled when the exchange ends before.

    What the gateway or a filter answers goes by, and so does a 101 (Switching Protocols): what follows it is no
    content, and never ends.
    """

    async def response(self, message: HeldMessage) -> None:
        """Do what is to be done with a response; to be overridden."""

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Hold the response and have the work done."""
        if context.is_local_response or context.response_headers.get(b":status") == b"101":
            return None
        return _begin(self, context, RESPONSE, end_of_stream, self.response)

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Content, which the work waits for or has done with."""
        return _content(context, RESPONSE, end_of_stream)

    def on_response_trailers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The end of the content."""
        return _content(context, RESPONSE, True)


def reason_of(error: BaseException) -> str:
    """Return what a log line says of an error."""
    if isinstance(error, TimeoutError):
        return str(error) or "took too long"
    return str(error) or repr(error)


def data_of(context: FilterContext) -> Any:
    """Return what `keep` left for this exchange, None at first."""
    work: _Work | None = context.data
    return work.data if work is not None else None


def keep(context: FilterContext, data: Any) -> None:
    """Leave something for a later callback of the same filter in the same exchange."""
    if context.data is None:
        context.data = _Work()
    context.data.data = data


def _begin(
    filter_: ExternalFilter,
    context: FilterContext,
    side: int,
    end_of_stream: bool,
    do: Callable[[HeldMessage], Awaitable[None]],
) -> Action | None:
    if context.data is None:
        context.data = _Work()
    work: _Work = context.data
    message = work.messages[side] = HeldMessage(context, side, end_of_stream)
    work.tasks[side] = asyncio.get_running_loop().create_task(_run(filter_, message, do))
    return Action.PAUSE


async def _run(
    filter_: ExternalFilter, message: HeldMessage, do: Callable[[HeldMessage], Awaitable[None]]
) -> None:
    try:
        if filter_.deadline is None:
            await do(message)
        else:
            async with asyncio.timeout(filter_.deadline):
                await do(message)
    except Gone:
        return
    except Exception as error:
        _meet(filter_, message, error)
    if not message.done:
        with contextlib.suppress(Gone):
            await message.settle_body()
            message.release()


def _meet(filter_: ExternalFilter, message: HeldMessage, error: Exception) -> None:
    try:
        filter_.failed(message, error)
    except Exception:
        logger.exception("%s: a failure could not be met", filter_.name)
        ExternalFilter.failed(filter_, message, error)


def _content(context: FilterContext, side: int, end: bool) -> Action | None:
    work: _Work | None = context.data
    message = work.messages[side] if work is not None else None
    if message is None or message.done:
        return None
    return _FORGET if message.body_event(end) else Action.PAUSE
