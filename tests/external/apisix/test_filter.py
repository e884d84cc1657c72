"""Exchanges that a runner has a say in: what goes on, what is answered, what becomes of failures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from host.config.runner_values import Runner
from host.external.apisix.call import Answer, RunnerError
from host.external.apisix.codec import InfoRequest, InfoType, RequestReply, ResponseReply, Rewrite, Stop
from host.external.apisix.filter import MOST_BODY, RunnerRequestFilter, RunnerResponseFilter
from host.external.apisix.tokens import Configuration
from host.headers import HeaderMap
from host.testing import ChainHost, HostedStream
from tests.external.test_filter import run, settle
from tests.plugin.guests import GET, OK, POST, answer, send

Judge = Callable[[Answer], Awaitable[Any]]


class Client:
    """Stands in for a runner's: what it says is given."""

    def __init__(self, says: Any, **settings: Any) -> None:
        self.runner = Runner(**settings)
        self.says = says
        self.seen: list[list[tuple[bytes, bytes]]] = []

    async def request(
        self, _: Configuration, headers: HeaderMap, address: bytes, answer: Answer
    ) -> RequestReply:
        return RequestReply(1, await self._say(headers, answer))

    async def response(self, _: Configuration, headers: HeaderMap, answer: Answer) -> ResponseReply:
        reply = await self._say(headers, answer)
        assert isinstance(reply, ResponseReply)
        return reply

    async def _say(self, headers: HeaderMap, answer: Answer) -> Any:
        self.seen.append(headers.items())
        await asyncio.sleep(0)
        if isinstance(self.says, Exception):
            raise self.says
        return await self.says(answer) if callable(self.says) else self.says


def request_filter(says: Any, *, degrades: bool = False, **settings: Any) -> RunnerRequestFilter:
    client: Any = Client(says, **settings)
    return RunnerRequestFilter(
        "ext-plugin-pre-req", client, Configuration(b"k", ()), allows_degradation=degrades
    )


def response_filter(says: Any, *, degrades: bool = False, **settings: Any) -> RunnerResponseFilter:
    client: Any = Client(says, **settings)
    return RunnerResponseFilter(
        "ext-plugin-post-resp", client, Configuration(b"k", ()), allows_degradation=degrades
    )


def exchange(filter_: Any, test: Callable[[HostedStream], Awaitable[None]]) -> None:
    async def whole() -> None:
        with ChainHost([filter_]) as host, host.http_stream() as stream:
            await test(stream)

    run(whole())


async def whole(stream: HostedStream, *body: bytes, headers: Any = None) -> None:
    """A request, and the origin's answer where it gets so far."""
    send(stream, *body, headers=headers)
    await settle()
    if stream.to_upstream.ended and not stream.to_client.ended:
        answer(stream, b"hello")
        await settle()


def test_a_request_without_an_action_goes_on_as_it_was() -> None:
    async def test(stream: HostedStream) -> None:
        await whole(stream, b"body")
        assert (stream.to_upstream.headers, stream.to_upstream.body) == (POST, b"body")
        assert (stream.to_client.headers, stream.to_client.body) == (OK, b"hello")

    exchange(request_filter(None), test)


def test_a_stop_is_the_answer() -> None:
    async def test(stream: HostedStream) -> None:
        await whole(stream, b"body")
        assert not stream.to_upstream.headers
        assert (stream.to_client.status, stream.to_client.body) == (403, b"no")
        assert stream.to_client.get(b"x-why") == b"because"

    exchange(request_filter(Stop(403, [(b"X-Why", b"because")], b"no")), test)


def test_a_rewrite_changes_head_body_and_the_response_s_fields() -> None:
    async def test(stream: HostedStream) -> None:
        await whole(stream, b"body")
        assert stream.to_upstream.get(b":path") == b"/new?b=c"
        assert stream.to_upstream.get(b"x-user") == b"17"
        assert stream.to_upstream.body == b"other"
        assert stream.to_client.headers == [*OK, (b"x-by", b"runner")]

    rewrite = Rewrite(b"/new", [(b"x-user", b"17")], [], [(b"X-By", b"runner")], b"other")
    exchange(request_filter(rewrite), test)


def test_a_rewrite_that_cannot_be_fails_the_request() -> None:
    """Nothing of it reaches the origin."""

    async def test(stream: HostedStream) -> None:
        await whole(stream)
        assert not stream.to_upstream.headers
        assert stream.to_client.status == 503

    exchange(request_filter(Rewrite(headers=[(b"a b", b"c")])), test)
    exchange(request_filter(Stop(99)), test)


def test_the_runner_gets_the_request_s_body_when_it_asks() -> None:
    """Whole; what a request does not have it gets as nothing, with a line in the log."""

    async def says(answer: Answer) -> Stop:
        body = await answer(InfoRequest(InfoType.REQUEST_BODY))
        other = await answer(InfoRequest(InfoType.RESPONSE_BODY))
        unknown = await answer(InfoRequest(InfoType.VARIABLE, b"no_such_\xff"))
        return Stop(200, [], repr((body, other, unknown)).encode())

    async def test(stream: HostedStream) -> None:
        await whole(stream, b"one", b"two")
        assert stream.to_client.body == b"(b'onetwo', None, None)"

    exchange(request_filter(says), test)


def test_a_body_that_fits_into_no_frame_is_refused() -> None:
    """413, rather than a part of it."""

    async def says(answer: Answer) -> None:
        await answer(InfoRequest(InfoType.REQUEST_BODY))

    async def test(stream: HostedStream) -> None:
        stream.request_headers(POST, end_of_stream=False)
        await settle()
        stream.request_body(bytes(MOST_BODY), end_of_stream=False)
        stream.request_body(b"1", end_of_stream=True)
        await settle()
        assert stream.to_client.status == 413

    exchange(request_filter(says), test)


@pytest.mark.parametrize("failure", [RunnerError("it fails"), TimeoutError(), KeyError("own fault")])
def test_a_failure_is_503_or_passed_by(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """As `allow_degradation` says, in APISIX's words."""

    async def refused(stream: HostedStream) -> None:
        await whole(stream, b"body")
        assert (stream.to_client.status, stream.to_upstream.headers) == (503, None)

    async def passed(stream: HostedStream) -> None:
        await whole(stream, b"body")
        assert (stream.to_upstream.headers, stream.to_upstream.body) == (POST, b"body")
        assert stream.to_client.body == b"hello"

    with caplog.at_level(logging.WARNING):
        exchange(request_filter(failure), refused)
        exchange(request_filter(failure, degrades=True), passed)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "Plugin Runner is wrong, allow degradation" in caplog.records[1].message


def test_a_method_that_the_protocol_does_not_know_is_not_sent() -> None:
    filter_ = request_filter(None)

    async def test(stream: HostedStream) -> None:
        await whole(stream, headers=[(b":method", b"QUERY"), *GET[1:]])
        assert stream.to_client.status == 503

    exchange(filter_, test)
    assert not filter_.client.seen  # type: ignore[attr-defined]


def test_a_response_is_changed_in_head_and_body() -> None:
    async def says(answer: Answer) -> ResponseReply:
        body = await answer(InfoRequest(InfoType.RESPONSE_BODY))
        assert await answer(InfoRequest(InfoType.REQUEST_BODY)) is None
        return ResponseReply(1, 201, [(b"X-A", b"1")], (body or b"") + b" world")

    async def test(stream: HostedStream) -> None:
        await whole(stream)
        assert stream.to_client.headers == [(b":status", b"201"), OK[1], (b"x-a", b"1")]
        assert stream.to_client.body == b"hello world"

    exchange(response_filter(says), test)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", b"200"), (b"GET", b"304"), (b"GET", b"204")])
def test_a_response_without_a_body_stays_so(method: bytes, status: bytes) -> None:
    """A body behind it would be the next response's head."""

    async def test(stream: HostedStream) -> None:
        send(stream, headers=[(b":method", method), *GET[1:]])
        await settle()
        stream.response_headers([(b":status", status)], end_of_stream=True)
        await settle()
        assert stream.to_client.headers == [(b":status", status), (b"x-a", b"1")]
        assert (stream.to_client.body, stream.to_client.ended) == (b"", True)

    exchange(response_filter(ResponseReply(1, 0, [(b"x-a", b"1")], b"unasked")), test)


def test_a_response_of_the_gateway_s_own_is_not_judged() -> None:
    """In APISIX the plugin asks the upstream itself: where it is not asked, nor is the runner."""
    judge, stop = response_filter(ResponseReply(1, 201)), request_filter(Stop(200))

    async def test() -> None:
        with ChainHost([judge, stop]) as host, host.http_stream() as stream:
            await whole(stream)
            assert stream.to_client.status == 200

    run(test())
    assert not judge.client.seen  # type: ignore[attr-defined]


@pytest.mark.parametrize("reply", [RunnerError("it fails"), ResponseReply(1, 99)])
def test_a_failure_behind_the_upstream_is_503_or_passed_by(reply: Any) -> None:
    async def refused(stream: HostedStream) -> None:
        await whole(stream)
        assert stream.to_client.status == 503

    async def passed(stream: HostedStream) -> None:
        await whole(stream)
        assert (stream.to_client.headers, stream.to_client.body) == (OK, b"hello")

    exchange(response_filter(reply), refused)
    exchange(response_filter(reply, degrades=True), passed)


def test_an_exchange_that_ends_takes_the_call_with_it() -> None:
    """The client is gone: nobody waits for the runner any more."""
    ended = []

    async def says(answer: Answer) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(True)
            raise

    async def test() -> None:
        with ChainHost([request_filter(says)]) as host:
            with host.http_stream() as stream:
                send(stream)
                await settle()
                assert not ended
            await settle()
            assert ended

    run(test())
