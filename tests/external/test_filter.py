"""Filters that wait for another process: what is held meanwhile, what they change, and what becomes of faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from host import Action, FilterContext, PythonFilter
from host.errors import PluginTrap
from host.external.filter import RequestFilter, ResponseFilter
from host.external.message import Gone, HeldMessage
from host.testing import ChainHost, HostedStream, Message
from tests.http.test_upgrade import ASK, SWITCH
from tests.http.wire import Wire, status_of
from tests.plugin.guests import GET, OK, POST, answer, send

Work = Callable[[HeldMessage], Awaitable[None]]
TRAILERS = [(b"x-sum", b"1")]
SIDES = ["request", "response"]


class Both(RequestFilter, ResponseFilter):
    """Does the given work on one side, and nothing on the other."""

    def __init__(self, side: str, work: Work) -> None:
        super().__init__()
        self.side, self.work = side, work
        self.ended = 0

    async def request(self, message: HeldMessage) -> None:
        if self.side == "request":
            await self.work(message)

    async def response(self, message: HeldMessage) -> None:
        if self.side == "response":
            await self.work(message)

    def on_log(self, context: FilterContext, end_of_stream: bool) -> None:
        self.ended += 1


async def settle() -> None:
    """Let the tasks do what they can."""
    for _ in range(10):
        await asyncio.sleep(0)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


async def feed(stream: HostedStream, side: str, *body: bytes, trailers: Any = None) -> Message:
    """A message of this side; returns what has left."""
    if side == "request":
        send(stream, *body, trailers=trailers)
        await settle()
        return stream.to_upstream
    send(stream)
    await settle()
    answer(stream, *body, trailers=trailers)
    await settle()
    return stream.to_client


def head(side: str, has_body: bool = True) -> Any:
    return OK if side == "response" else POST if has_body else GET


@pytest.mark.parametrize("side", SIDES)
def test_the_message_waits_for_the_work_and_goes_on_as_it_was(side: str) -> None:
    async def test() -> None:
        gate = asyncio.Event()

        async def work(message: HeldMessage) -> None:
            await gate.wait()

        with ChainHost([Both(side, work)]) as host, host.http_stream() as stream:
            message = await feed(stream, side, b"one", b"two", trailers=TRAILERS)
            assert message == Message()
            gate.set()
            await settle()
            assert (message.headers, message.body, message.trailers) == (head(side), b"onetwo", TRAILERS)
            assert message.ended

    run(test())


@pytest.mark.parametrize("side", SIDES)
def test_the_body_is_whole_when_the_work_asks_for_it(side: str) -> None:
    """Asked for before its end and behind it, with trailers and without."""

    async def test() -> None:
        for trailers in (None, TRAILERS):
            for turns in (0, 8):
                seen = []

                async def work(message: HeldMessage, turns: int = turns, seen: list[bytes] = seen) -> None:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    seen.append(await message.body())
                    seen.append(await message.body())

                with ChainHost([Both(side, work)]) as host, host.http_stream() as stream:
                    if side == "response":
                        send(stream)
                        await settle()
                        stream.response_headers(OK, end_of_stream=False)
                        await settle()
                        stream.response_body(b"on", end_of_stream=False)
                        await settle()
                        stream.response_body(b"e", end_of_stream=trailers is None)
                        if trailers:
                            stream.response_trailers(trailers)
                        message = stream.to_client
                    else:
                        stream.request_headers(POST, end_of_stream=False)
                        await settle()
                        stream.request_body(b"on", end_of_stream=False)
                        await settle()
                        stream.request_body(b"e", end_of_stream=trailers is None)
                        if trailers:
                            stream.request_trailers(trailers)
                        message = stream.to_upstream
                    await settle()
                    await settle()
                    assert seen == [b"one", b"one"]
                    assert (message.headers, message.body) == (head(side), b"one")
                    assert (message.trailers, message.ended) == (trailers or [], True)

    run(test())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("body", [(), (b"one", b"two")], ids=["none", "some"])
def test_a_body_is_replaced_whatever_its_length(side: str, body: tuple[bytes, ...]) -> None:
    async def test() -> None:
        async def work(message: HeldMessage) -> None:
            message.replace_body(b"other")

        with ChainHost([Both(side, work)]) as host, host.http_stream() as stream:
            message = await feed(stream, side, *body)
            assert (message.headers, message.body, message.ended) == (
                head(side, bool(body)),
                b"other",
                True,
            )

    run(test())


@pytest.mark.parametrize("side", SIDES)
def test_a_replaced_body_is_forgotten_while_it_comes(side: str) -> None:
    """The original may be longer than what a filter may hold."""

    async def test() -> None:
        async def work(message: HeldMessage) -> None:
            message.replace_body(b"other")

        filter_ = Both(side, work)
        filter_.max_body_size = 10
        with ChainHost([filter_]) as host, host.http_stream() as stream:
            if side == "response":
                send(stream)
                await settle()
            begin, more = (
                (stream.request_headers, stream.request_body)
                if side == "request"
                else (stream.response_headers, stream.response_body)
            )
            begin(head(side), end_of_stream=False)
            await settle()
            for _ in range(9):
                more(b"123456789", end_of_stream=False)
            more(b"", end_of_stream=True)
            await settle()
            message = stream.to_upstream if side == "request" else stream.to_client
            assert (message.body, message.ended) == (b"other", True)

    run(test())


def test_a_body_that_is_not_asked_for_is_held_back_and_not_refused() -> None:
    """Back-pressure until the work is done; asked for, it is bounded: 413."""

    async def test(asks: bool) -> None:
        gate = asyncio.Event()

        async def work(message: HeldMessage) -> None:
            await gate.wait()
            if asks:
                await message.body()

        filter_ = Both("request", work)
        filter_.max_body_size = 10
        with ChainHost([filter_]) as host, host.http_stream() as stream:
            stream.request_headers(POST, end_of_stream=False)
            await settle()
            stream.request_body(b"x" * 20, end_of_stream=False)
            assert stream.request_blocked
            gate.set()
            await settle()
            if not asks:
                assert not stream.request_blocked
                assert stream.to_upstream.body == b"x" * 20
                return
            assert not stream.request_blocked
            stream.request_body(b"more", end_of_stream=False)
            await settle()
            assert stream.to_client.status == 413

    run(test(asks=False))
    run(test(asks=True))


@pytest.mark.parametrize("side", SIDES)
def test_an_answer_takes_the_place_of_what_was_held(side: str) -> None:
    async def test() -> None:
        async def work(message: HeldMessage) -> None:
            message.respond(418, [(b"x-a", b"1")], b"tea", "because")
            message.respond(200)  # the first wins
            assert message.done

        with ChainHost([Both(side, work)]) as host, host.http_stream() as stream:
            await feed(stream, side, b"body")
            assert (stream.to_client.status, stream.to_client.body) == (418, b"tea")
            assert stream.to_client.get(b"x-a") == b"1"
            assert stream.to_upstream.ended == (side == "response")

    run(test())


def test_a_failure_is_answered_by_what_it_hints_at(caplog: pytest.LogCaptureFixture) -> None:
    """And told in the log, under the filter's name."""

    async def test(error: Exception, status: int) -> None:
        async def work(message: HeldMessage) -> None:
            raise error

        with ChainHost([Both("request", work)]) as host, host.http_stream() as stream:
            await feed(stream, "request")
            assert stream.to_client.status == status

    run(test(PluginTrap("p", "no more"), 503))
    run(test(KeyError("x"), 503))
    assert [record.message for record in caplog.records] == ["external: plugin p: no more", "external: 'x'"]


def test_what_meets_failures_may_let_the_message_go_or_fail_itself() -> None:
    async def work(message: HeldMessage) -> None:
        raise ConnectionError("gone")

    class Degrades(Both):
        def failed(self, message: HeldMessage, error: Exception) -> None:
            message.context.request_headers.set(b"x-degraded", b"1")

    class Fails(Both):
        def failed(self, message: HeldMessage, error: Exception) -> None:
            raise KeyError("x")

    async def test() -> None:
        with ChainHost([Degrades("request", work)]) as host, host.http_stream() as stream:
            await feed(stream, "request")
            assert stream.to_upstream.get(b"x-degraded") == b"1"
        with ChainHost([Fails("request", work)]) as host, host.http_stream() as stream:
            await feed(stream, "request")
            assert stream.to_client.status == 503

    run(test())


def test_work_that_takes_too_long_fails() -> None:
    async def test() -> None:
        async def work(message: HeldMessage) -> None:
            await asyncio.Event().wait()

        class Late(Both):
            met = asyncio.Event()

            def failed(self, message: HeldMessage, error: Exception) -> None:
                super().failed(message, error)
                self.met.set()

        filter_ = Late("request", work)
        filter_.deadline = 0.0
        with ChainHost([filter_]) as host, host.http_stream() as stream:
            await feed(stream, "request")
            await filter_.met.wait()
            assert stream.to_client.status == 503

    run(test())


def test_work_ends_with_its_exchange() -> None:
    """A client that leaves costs the peer no more than it has begun; the filter still sees the end."""

    async def test() -> None:
        cancelled = []

        async def work(message: HeldMessage) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(message.done)
                raise

        filter_ = Both("request", work)
        with ChainHost([filter_]) as host:
            stream = host.http_stream()
            await feed(stream, "request", b"body")
            stream.close()
            await settle()
            assert (cancelled, filter_.ended) == ([True], 1)

    run(test())


def test_work_on_an_exchange_that_others_have_answered_is_void(caplog: pytest.LogCaptureFixture) -> None:
    """The body of a request that somebody has answered never comes: no fault, and nothing waits for ever."""

    class Answers(PythonFilter):
        def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
            asyncio.get_running_loop().call_soon(context.respond, 403)
            return None

    async def test() -> None:
        seen = []

        async def work(message: HeldMessage) -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append("asks")
            await message.body()
            seen.append("never")

        with ChainHost([Answers(), Both("request", work)]) as host, host.http_stream() as stream:
            await feed(stream, "request", b"body")
            assert stream.to_client.status == 403
            assert seen == ["asks"]
        assert not caplog.records

    run(test())


def test_filters_of_an_exchange_share_what_they_leave_there() -> None:
    async def test() -> None:
        class Leaves(PythonFilter):
            def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
                context.shared["who"] = "me"

        async def work(message: HeldMessage) -> None:
            message.respond(200, body=message.context.shared.get("who", "nobody").encode())

        with ChainHost([Leaves(), Both("request", work)]) as host, host.http_stream() as stream:
            await feed(stream, "request")
            assert stream.to_client.body == b"me"
        with ChainHost([Both("request", work), Leaves()]) as host, host.http_stream() as stream:
            await feed(stream, "request")
            assert stream.to_client.body == b"nobody"

    run(test())


def test_a_second_of_failures_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """A process that is gone fails every request: the log would be full of it."""

    async def test() -> None:
        async def work(message: HeldMessage) -> None:
            raise PluginTrap("p", "gone")

        with ChainHost([Both("request", work)]) as host:
            for _ in range(5):
                with host.http_stream() as stream:
                    await feed(stream, "request")
                    assert stream.to_client.status == 503
            assert [record.message for record in caplog.records] == ["external: plugin p: gone"]
            while len(caplog.records) < 2:  # noqa: ASYNC110 -- a log record sets no event
                await asyncio.sleep(0.01)
            assert caplog.records[1].message == "4 further failures within a second"

    run(test())


def test_a_body_that_came_is_nobodys_when_the_message_is_done() -> None:
    """What waits runs a turn later: the stream may carry the connection's next request by then."""

    async def test() -> None:
        seen: list[HeldMessage] = []
        gate = asyncio.Event()

        async def work(message: HeldMessage) -> None:
            seen.append(message)
            await gate.wait()

        with ChainHost([Both("request", work)]) as host, host.http_stream() as stream:
            stream.request_headers(POST, end_of_stream=False)
            await settle()
            reading = asyncio.ensure_future(seen[0].body())
            await settle()
            stream.request_body(b"one", end_of_stream=True)
            seen[0].done = True
            with pytest.raises(Gone):
                await reading
            gate.set()

    run(test())


def test_a_change_of_protocols_is_no_message() -> None:
    """What follows a 101 never ends: whoever asks for it as a body would hold up the client for ever."""

    async def test() -> None:
        bodies = []

        async def work(message: HeldMessage) -> None:
            bodies.append(await message.body())

        wire = Wire(filters=(Both("response", work),))
        client = wire.client()
        client.send(ASK)
        await settle()
        node = wire.accept()
        node.send(SWITCH)
        await settle()
        assert status_of(client.received()) == 101
        client.send(b"frame")
        assert node.received().endswith(b"frame")
        assert bodies == []
        client.end()
        node.end()

    run(test())


def test_what_was_answered_here_is_no_upstreams_response() -> None:
    """As in APISIX, Kong and Tyk: an answer of the gateway's own, or of a plugin, is not given to others to judge."""

    class Answers(PythonFilter):
        def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action:
            context.respond(403, [], b"no")
            return Action.PAUSE

    async def test() -> None:
        seen = []

        async def work(message: HeldMessage) -> None:
            seen.append(message)

        with ChainHost([Both("response", work), Answers()]) as host, host.http_stream() as stream:
            send(stream)
            await settle()
            assert stream.to_client.body == b"no"
            assert seen == []

    run(test())
