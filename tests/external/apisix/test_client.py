"""What the gateway does with runners of every kind: such as do their work, and such as do not."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from host.config.runner_values import Runner
from host.errors import ConnectionLost, HostError, PeerUnavailable
from host.external.apisix.call import MOST_QUESTIONS, RunnerError
from host.external.apisix.client import RunnerClient
from host.external.apisix.codec import InfoRequest, ResponseReply
from host.headers import HeaderMap
from tests.external.apisix import frames
from tests.external.apisix.fakes import (
    HEADERS,
    Call,
    FakeRunner,
    Link,
    ask,
    asked,
    configuration,
    echo,
    no_answer,
)

Reply = Callable[[FakeRunner, Call, Link], Coroutine[Any, Any, bytes]]


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(test, 20)

    asyncio.run(bounded())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runner.sock"


def raw(answer: bytes, *, close: bool = True) -> Reply:
    """Answer with these bytes, whatever they are."""

    async def reply(runner: FakeRunner, call: Call, link: Link) -> bytes:
        link.writer.write(answer)
        await link.writer.drain()
        if close:
            link.writer.close()
        await asyncio.Event().wait()
        return b""

    return reply


# --- what works ----------------------------------------------------------------------------------------------


def test_a_configuration_is_sent_once_and_used_by_its_token(path: Path) -> None:
    async def test() -> None:
        async with asked(path) as (runner, client):
            for name in "abba":
                assert await ask(client, name) == name.encode()
            assert runner.prepared == [b"a", b"b"]
            assert [call.token for call in runner.calls] == [1, 2, 2, 1]
            assert runner.connections == 1

    run(test())


def test_a_response_is_sent_with_its_status(path: Path) -> None:
    async def test() -> None:
        async with asked(path) as (runner, client):
            headers = HeaderMap([(b":status", b"404"), (b"x-a", b"b")])
            reply = await client.response(configuration("a"), headers, no_answer)
            assert reply == ResponseReply(runner.calls[0].id, headers=[], body=b"a")
            reader = runner.calls[0].reader
            assert (reader.number(1, frames.number_types.Uint16Flags), reader.entries(2)) == (
                404,
                [(b"x-a", b"b")],
            )

    run(test())


def test_calls_at_once_prepare_a_configuration_once(path: Path) -> None:
    """Each has a connection of its own, and the token of the first."""

    async def test() -> None:
        async with asked(path) as (runner, client):
            bodies = await asyncio.gather(*(ask(client, name) for name in "ab" * 20))
            assert bodies == [b"a", b"b"] * 20
            assert sorted(runner.prepared) == [b"a", b"b"]

    run(test())


def test_the_call_that_prepares_may_be_given_up(path: Path) -> None:
    """Another one takes its place."""

    async def test() -> None:
        async with asked(path) as (runner, client):
            gate = asyncio.Event()

            async def hang_once(runner: FakeRunner, link: Link) -> bytes | None:
                if len(runner.prepared) == 1:
                    gate.set()
                    await asyncio.Event().wait()
                return None

            runner.on_prepare = hang_once
            first = asyncio.ensure_future(ask(client))
            await gate.wait()
            others = [asyncio.ensure_future(ask(client)) for _ in range(3)]
            await asyncio.sleep(0)
            first.cancel()
            assert await asyncio.gather(*others) == [b"a"] * 3
            assert runner.prepared == [b"a", b"a"]

    run(test())


def test_a_token_is_prepared_again_in_time(path: Path) -> None:
    """Before the runner, which keeps configurations a fifth longer, forgets it."""

    async def test() -> None:
        times = [0.0]
        async with asked(path, now=lambda: times[0], conf_expire_time=10.0) as (runner, client):
            for time, prepared in ((0.0, 1), (9.0, 1), (10.0, 2), (19.0, 2)):
                times[0] = time
                assert await ask(client) == b"a"
                assert len(runner.prepared) == prepared

    run(test())


def test_numbers_of_calls_go_round_without_zero(path: Path) -> None:
    """The Python runner drops its own answer to call 0."""

    async def test() -> None:
        async with asked(path) as (runner, client):
            client._line._last_id = 2**32 - 2
            for _ in range(3):
                await ask(client)
            assert [call.id for call in runner.calls] == [2**32 - 1, 1, 2]

    run(test())


def test_a_runner_asks_before_it_answers(path: Path) -> None:
    """As often as it likes; what there is none of is told apart from what is empty."""

    async def reply(runner: FakeRunner, call: Call, link: Link) -> bytes:
        found = [await link.ask(1, b"uri"), await link.ask(1, b"empty"), await link.ask(2), await link.ask(9)]
        return frames.stop(call.id, 200, body=repr(found).encode())

    async def answer(question: InfoRequest) -> bytes | None:
        await asyncio.sleep(0)
        return {b"uri": b"/a", b"empty": b""}.get(question.name, b"body" if question.type == 2 else None)

    async def test() -> None:
        async with asked(path, reply=reply) as (_, client):
            found = await client.request(configuration("a"), HEADERS, bytes(4), answer)
            assert found.action is not None
            assert found.action.body == b"[b'/a', b'', b'body', None]"

    run(test())


def test_the_largest_frame_comes_through(path: Path) -> None:
    """16 MiB are the most that a length can say."""
    size = 2**24 - 200

    async def reply(runner: FakeRunner, call: Call, link: Link) -> bytes:
        return frames.stop(call.id, 200, body=bytes(size))

    async def test() -> None:
        async with asked(path, reply=reply) as (_, client):
            assert len(await ask(client)) == size

    run(test())


# --- generations -------------------------------------------------------------------------------------------------


def test_no_call_is_made_under_another_configuration_after_a_restart(path: Path) -> None:
    """The runner's tokens start from 1 again: the number of `a` is now that of `b`, and none of them says so."""

    async def test() -> None:
        async with asked(path) as (runner, client):
            assert (await ask(client, "a"), await ask(client, "b")) == (b"a", b"b")
            again = await runner.restart()
            assert (await ask(client, "b"), await ask(client, "a")) == (b"b", b"a")
            assert again.prepared == [b"b", b"a"]
            await again.stop()

    run(test())


def test_no_call_is_made_under_another_configuration_when_the_runner_restarts_behind_prepare(
    path: Path,
) -> None:
    """Between the answer to `prepare` and the call the runner is another one, which has been asked about `b` already."""

    async def test() -> None:
        async with asked(path) as (runner, client):
            runs = [runner]

            async def restart(old: FakeRunner, link: Link) -> bytes | None:
                old.on_prepare = None
                link.writer.write(frames.prepare_reply(1))
                await link.writer.drain()
                runs.append(await old.restart())
                assert await ask(client, "b") == b"b"
                return b""

            runner.on_prepare = restart
            assert await ask(client, "a") == b"a"
            assert [call.conf[0][1] for call in runs[1].calls] == [b"b", b"a"]
            await runs[1].stop()

    run(test())


def test_calls_in_flight_go_on_under_their_own_configurations_through_restarts(path: Path) -> None:
    """Many at once, in any order: a right answer or an error, never another route's."""

    async def test() -> None:
        async with asked(path, start_timeout=5.0, process="runner") as (runner, client):
            wrong = []

            async def many(name: str) -> None:
                for _ in range(40):
                    try:
                        body = await ask(client, name)
                    except HostError:
                        continue
                    if body != name.encode():
                        wrong.append((name, body))

            asking = asyncio.gather(*(many(name) for name in "abcdef"))
            for _ in range(8):
                await asyncio.sleep(0.01)
                runner = await runner.restart()
            await asking
            assert not wrong
            assert await ask(client, "a") == b"a"
            await runner.stop()

    run(test())


def test_a_token_that_the_runner_has_forgotten_is_asked_for_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In APISIX's words, for whoever follows its guide."""

    async def test() -> None:
        async with asked(path) as (runner, client):
            assert await ask(client) == b"a"
            runner.forgets = 2
            assert await ask(client) == b"a"
            assert runner.prepared == [b"a"] * 3
            said = "ext-plugin: key not found: refresh cache and try again"
            assert [record.message for record in caplog.records] == [said] * 2

    with caplog.at_level(logging.WARNING, "sluiceway.runner"):
        run(test())


def test_a_token_that_is_always_unknown_fails_the_call(path: Path) -> None:
    """Without end it would be a loop."""

    async def test() -> None:
        async with asked(path) as (runner, client):
            runner.forgets = 99
            with pytest.raises(RunnerError, match="key not found"):
                await ask(client)
            assert len(runner.prepared) == 3

    run(test())


def test_an_answer_to_another_call_is_none(path: Path) -> None:
    """The Python runner answers 0 where it does not know the token: taken for an answer, the plugin would be skipped."""

    async def reply(runner: FakeRunner, call: Call, link: Link) -> bytes:
        return frames.no_action(0) if len(runner.calls) == 1 else await echo(runner, call, link)

    async def test() -> None:
        async with asked(path, reply=reply) as (runner, client):
            assert await ask(client) == b"a"
            assert (runner.prepared, runner.connections) == ([b"a", b"a"], 2)

            async def wrong(runner: FakeRunner, call: Call, link: Link) -> bytes:
                return frames.stop(call.id + 1, 200, body=b"of another")

            runner.reply = wrong
            with pytest.raises(RunnerError, match=r"answers call \d+, not \d+"):
                await ask(client)

    run(test())


# --- runners that do not do their work -----------------------------------------------------------------------


def test_a_runner_that_is_not_there_fails_at_once(path: Path) -> None:
    async def test() -> None:
        client = RunnerClient(Runner(), path)
        with pytest.raises(PeerUnavailable, match="No such file"):
            await ask(client)
        client.close()

    run(test())


def test_a_runner_that_is_being_started_is_waited_for(path: Path) -> None:
    """One that is the gateway's own; and not beyond start_timeout."""

    async def test() -> None:
        runner = FakeRunner(path)
        client = RunnerClient(Runner(process="runner", start_timeout=10.0), path)
        asking = asyncio.ensure_future(ask(client))
        await asyncio.sleep(0)
        await runner.start()
        assert await asking == b"a"
        client.close()
        await runner.stop()
        hasty = RunnerClient(Runner(process="runner", start_timeout=0.05), path.with_name("nobody.sock"))
        with pytest.raises(PeerUnavailable):
            await ask(hasty)
        hasty.close()

    run(test())


FRAME = frames.stop(1, 200, body=b"hello")
BAD_ANSWERS = [
    pytest.param(raw(b""), "closed the connection", id="closed"),
    pytest.param(raw(FRAME[:2]), "closed the connection", id="half a header"),
    pytest.param(raw(FRAME[:-20]), "closed the connection", id="half a frame"),
    pytest.param(raw(FRAME[:-20], close=False), "does not answer within 0.5 s", id="half, and hangs"),
    pytest.param(raw(b"", close=False), "does not answer within 0.5 s", id="hangs"),
    pytest.param(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "type 72", id="garbage"),
    pytest.param(raw(b"\x05\xff\xff\xff"), "type 5", id="16 MiB of nonsense"),
    pytest.param(raw(b"\x02\0\0\0"), "cannot be read", id="nothing in it"),
    pytest.param(raw(b"\x02\0\0\x08" + b"\xff" * 8), "cannot be read", id="no FlatBuffer"),
    pytest.param(raw(frames.prepare_reply(1)), "answers REQUEST_CALL with PREPARE_CONF", id="another type"),
    pytest.param(raw(frames.response_reply(1)), "answers REQUEST_CALL with RESPONSE_CALL", id="a response"),
    pytest.param(raw(frames.error_reply(0)), "answers with BAD_REQUEST", id="error 0"),
    pytest.param(raw(frames.error_reply(1)), "answers with SERVICE_UNAVAILABLE", id="error 1"),
    pytest.param(raw(frames.error_reply(9)), "answers with error 9", id="error 9"),
]


@pytest.mark.parametrize(("reply", "reason"), BAD_ANSWERS)
def test_a_bad_answer_fails_its_call_and_no_other(path: Path, reply: Reply, reason: str) -> None:
    """Behind it a connection is not used again, and what comes late on it belongs to nobody."""

    async def test() -> None:
        async with asked(path, reply=reply, read_timeout=0.5) as (runner, client):
            with pytest.raises(HostError, match=reason) as failure:
                await ask(client)
            assert failure.value.status_hint == 503
            runner.reply = echo
            assert await ask(client, "b") == b"b"
            assert await ask(client, "a") == b"a"
            assert client._line.connections.taken == 0

    run(test())


@pytest.mark.parametrize("seed", range(25))
def test_whatever_a_runner_sends_is_an_answer_or_a_failure(path: Path, seed: int) -> None:
    """Frames with damage anywhere, and bytes that are none; the next call is answered right."""
    dice = random.Random(seed)

    async def damaged(runner: FakeRunner, call: Call, link: Link) -> bytes:
        good = [await echo(runner, call, link), frames.no_action(call.id), frames.info_request(1, b"uri")]
        data = bytearray(dice.choice(good) if dice.random() < 0.8 else dice.randbytes(dice.randrange(200)))
        for _ in range(dice.randrange(6)):
            if data:
                data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data[: dice.randrange(len(data) + 1)] if dice.random() < 0.2 else data)

    async def test() -> None:
        async with asked(path, reply=damaged, read_timeout=0.1) as (runner, client):
            statuses = set()
            for _ in range(4):
                try:
                    reply = await client.request(configuration("a"), HEADERS, bytes(4), no_answer)
                except HostError as error:
                    statuses.add(error.status_hint)
                else:
                    assert reply.id == runner.calls[-1].id
            assert statuses <= {503}
            runner.reply = echo
            assert await ask(client) == b"a"
            assert client._line.connections.taken == 0

    run(test())


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (frames.prepare_reply(0), "gives no token"),
        (frames.error_reply(0), "refuses the configuration: BAD_REQUEST"),
        (frames.error_reply(2), "refuses the configuration: CONF_TOKEN_NOT_FOUND"),
        (frames.no_action(1), "answers PREPARE_CONF with REQUEST_CALL"),
        (frames.info_request(1, b"uri"), "answers PREPARE_CONF with EXTRA_INFO"),
    ],
)
def test_a_configuration_that_is_not_taken_fails_its_calls(path: Path, frame: bytes, reason: str) -> None:
    """All that wait for its token; the next asks again."""

    async def test() -> None:
        async with asked(path) as (runner, client):

            async def refuse(runner: FakeRunner, link: Link) -> bytes | None:
                return frame

            runner.on_prepare = refuse
            for result in await asyncio.gather(*(ask(client) for _ in range(3)), return_exceptions=True):
                assert isinstance(result, RunnerError)
                assert reason in str(result)
            runner.on_prepare = None
            assert await ask(client) == b"a"

    run(test())


def test_an_answer_that_comes_late_is_nobody_s(path: Path) -> None:
    """The next call does not get it."""

    async def test() -> None:
        late = asyncio.Event()

        async def slow(runner: FakeRunner, call: Call, link: Link) -> bytes:
            await late.wait()
            return frames.stop(call.id, 200, body=b"late")

        async with asked(path, reply=slow, read_timeout=0.1) as (runner, client):
            with pytest.raises(RunnerError, match="does not answer"):
                await ask(client)
            runner.reply = echo
            late.set()
            assert [await ask(client) for _ in range(3)] == [b"a"] * 3

    run(test())


def test_a_call_that_is_given_up_leaves_nothing_behind(path: Path) -> None:
    """Its client is gone: its connection is closed, for the answer may still come."""

    async def test() -> None:
        called = asyncio.Event()

        async def hang(runner: FakeRunner, call: Call, link: Link) -> bytes:
            called.set()
            await asyncio.Event().wait()
            return b""

        async with asked(path, reply=hang) as (runner, client):
            asking = asyncio.ensure_future(ask(client))
            await called.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert (client._line.connections.taken, client._line.connections.idle) == (0, 0)
            runner.reply = echo
            assert await ask(client) == b"a"

    run(test())


def test_a_connection_that_the_runner_has_closed_meanwhile_costs_no_call(path: Path) -> None:
    """Runners close idle ones: the call is made again on a fresh one, once."""

    async def test() -> None:
        numbers = itertools.count()

        async def close_second(runner: FakeRunner, call: Call, link: Link) -> bytes:
            if next(numbers) == 1:
                link.writer.transport.abort()
            return await echo(runner, call, link)

        async with asked(path, reply=close_second) as (runner, client):
            assert [await ask(client) for _ in range(3)] == [b"a"] * 3
            assert runner.connections == 2

            async def close_all(runner: FakeRunner, call: Call, link: Link) -> bytes:
                link.writer.transport.abort()
                return b""

            runner.reply = close_all
            with pytest.raises(ConnectionLost):
                await ask(client)
            assert runner.connections == 3

    run(test())


def test_a_runner_that_does_not_read_is_not_waited_for(path: Path) -> None:
    """It has asked for a body, and takes but the beginning."""

    async def deaf(runner: FakeRunner, call: Call, link: Link) -> bytes:
        link.writer.transport.pause_reading()  # type: ignore[attr-defined]
        link.writer.write(frames.info_request(2))
        await asyncio.Event().wait()
        return b""

    async def answer(question: InfoRequest) -> bytes | None:
        return bytes(2**23)

    async def test() -> None:
        async with asked(path, reply=deaf, send_timeout=0.3) as (_, client):
            with pytest.raises(RunnerError, match=r"does not take what is sent within 0\.3 s"):
                await client.request(configuration("a"), HEADERS, bytes(4), answer)
            assert client._line.connections.taken == 0

    run(test())


def test_questions_of_one_call_have_an_end(path: Path) -> None:
    async def endless(runner: FakeRunner, call: Call, link: Link) -> bytes:
        while True:
            await link.ask(1, b"uri")

    async def test() -> None:
        async with asked(path, reply=endless) as (_, client):
            with pytest.raises(RunnerError, match=f"asked {MOST_QUESTIONS} questions"):
                await ask(client)

    run(test())


def test_calls_beyond_the_most_connections_wait_for_their_turn(path: Path) -> None:
    """And not for ever."""

    async def test() -> None:
        async with asked(path, max_connections=2, read_timeout=0.3) as (runner, client):
            assert await asyncio.gather(*(ask(client) for _ in range(9))) == [b"a"] * 9
            assert runner.connections == 2
            gate = asyncio.Event()

            async def hang(runner: FakeRunner, call: Call, link: Link) -> bytes:
                await gate.wait()
                return b""

            runner.reply = hang
            results = await asyncio.gather(*(ask(client) for _ in range(5)), return_exceptions=True)
            assert all(isinstance(result, RunnerError) for result in results)
            assert any("no connection to it is free" in str(result) for result in results)

    run(test())


def test_who_has_a_client_keeps_it_until_its_last_call(path: Path) -> None:
    """A reload that changes the runner lets calls in flight end."""

    async def test() -> None:
        gate = asyncio.Event()

        async def wait(runner: FakeRunner, call: Call, link: Link) -> bytes:
            await gate.wait()
            return await echo(runner, call, link)

        async with asked(path, reply=wait) as (runner, client):
            asking = asyncio.ensure_future(ask(client))
            await asyncio.sleep(0.01)
            client.let_go()
            assert not client.is_unused
            gate.set()
            assert await asking == b"a"
            assert client.is_unused
            # An exchange that began with it, and whose turn comes only now: it is served, and nothing stays open.
            assert await ask(client) == b"a"
            assert (runner.connections, client.is_unused) == (2, True)

    run(test())
