"""Messages that are all here pass in one go (core/passage.c): the wire must show nothing of it.

Each exchange is run twice: once as it comes, and once with the passage kept from it, so that it goes step by step.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from abi.types import Action
from host._core import lib
from host.exchange import Exchange
from host.filters.python import FilterContext, PythonFilter
from host.upstream.balancer import Node
from tests.http.test_exchange_filters import Doubles, Gathers, Sets, Waits
from tests.http.wire import Wire

GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 4\r\n\r\nabcd"
EMPTY = b"HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n"


class Notes(PythonFilter):
    """Writes down what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        self.seen.append(("request", context.request_headers.get(b":path"), end_of_stream))

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        self.seen.append(("response", context.response_headers.get(b":status"), end_of_stream))

    def on_log(self, context: FilterContext, end_of_stream: bool) -> None:
        self.seen.append(("log", context.response_headers.get(b":status")))


class Answers(PythonFilter):
    """Answers in the place of the upstream's response."""

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action:
        context.respond(418, [(b"x-why", b"tea")], b"short and stout")
        return Action.PAUSE


class AnswersAtOnce(PythonFilter):
    """Answers before the upstream is asked."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action:
        context.respond(403)
        return Action.PAUSE


class Resets(PythonFilter):
    """Aborts the exchange on its response."""

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> None:
        context.reset()


class Resumed(Waits):
    """Holds the request until the test resumes it."""


class Makes(PythonFilter):
    """Makes a body where there is none."""

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        if end_of_stream:
            context.response_body = b"made"


def judge_alone(self: Exchange, judge: Any, request: int, data: bytes, at: int) -> tuple[int, bool]:
    """Stands in for `judge_response`: everything behind the judge goes step by step."""
    self._passed, self._response = -1, None
    head = lib.sw_judge_response(self._upstream.judge, data, at, len(data), request, self.response_pointer)
    return head, False


def exchange(
    filters: tuple[PythonFilter, ...], request: bytes, response: bytes, in_steps: bool
) -> list[object]:
    """Pass two requests of one client, one after the other; return what both sides saw."""
    wire = Wire(filters=filters)
    if in_steps:
        wire.upstream.host = None
    client = wire.client()
    seen: list[object] = []
    for _ in range(2):
        client.send(request)
        for filter_ in filters:
            if isinstance(filter_, Resumed):
                filter_.context.resume_request()
        if not wire.upstreams and wire.dialer.waiting:
            wire.accept()
        if not wire.upstreams:
            break
        upstream = wire.upstreams[0]
        seen.append(upstream.received())
        upstream.send(response)
        seen.append(re.sub(rb"Date: [^\r]+", b"Date: d", client.received()))
        seen.append((client.transport.closed, client.transport.aborted, upstream.transport.closed))
        if client.transport.closed or client.transport.eof:
            break
    return seen


FILTERS: dict[str, Callable[[], tuple[PythonFilter, ...]]] = {
    "none": lambda: (),
    "fields": lambda: (Sets(request={b"X-B": b"2"}, response={b"X-C": b"3", b"server": b"s"}),),
    "notes": lambda: (Notes(),),
    "body": lambda: (Doubles(),),
    "two": lambda: (Notes(), Doubles(), Gathers()),
    "answer": lambda: (Answers(), Notes()),
    "reset": lambda: (Resets(),),
    "make": lambda: (Makes(),),
    "make and change": lambda: (Makes(), Doubles()),
    "204": lambda: (Sets(response={b":status": b"204"}),),
    "304": lambda: (Sets(response={b":status": b"304"}), Doubles()),
    "bad request": lambda: (Sets(request={b":method": b"A B"}),),
    "bad response": lambda: (Sets(response={b"x-a": b"b\r\nc"}),),
    "hold the request": lambda: (Waits(),),
    "resume the request": lambda: (Resumed(), Notes()),
    "resume, fields": lambda: (Notes(), Resumed(), Sets(request={b"X-B": b"2"})),
    "resume, body": lambda: (Resumed(), Doubles()),
    "resume, answer": lambda: (Resumed(), AnswersAtOnce()),
    "resume, bad request": lambda: (Resumed(), Sets(request={b":path": b"/ "})),
    "resume twice": lambda: (Resumed(), Notes(), Resumed()),
    "hold the response": lambda: (Waits(request=False),),
}
RESPONSES = {"with a body": OK, "empty": EMPTY}
REQUESTS = {
    "get": GET,
    "close": GET.replace(b"X-A: 1", b"Connection: close"),
    "HTTP/1.0": GET.replace(b"1.1", b"1.0"),
    "HEAD": GET.replace(b"GET", b"HEAD"),
}


@pytest.mark.parametrize("response", RESPONSES)
@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("filters", FILTERS)
def test_one_go_and_step_by_step_give_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch, filters: str, request_: str, response: str
) -> None:
    """Also the same end of the connections, and the filters see the same."""
    answer = RESPONSES[response]
    if request_ == "HEAD":
        answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    at_once, step_by_step = FILTERS[filters](), FILTERS[filters]()
    expected = exchange(at_once, REQUESTS[request_], answer, in_steps=False)
    monkeypatch.setattr(Exchange, "judge_response", judge_alone)
    assert exchange(step_by_step, REQUESTS[request_], answer, in_steps=True) == expected
    assert [vars(filter_).get("seen") for filter_ in step_by_step] == [
        vars(filter_).get("seen") for filter_ in at_once
    ]


def test_a_whole_response_frees_its_connection_before_the_next_request_looks_for_one() -> None:
    """Pipelined requests of one client share one upstream connection."""
    wire = Wire()
    client = wire.client()
    client.send(GET * 3)
    upstream = wire.accept()
    for _ in range(3):
        upstream.send(OK)
    assert not wire.dialer.waiting
    assert client.received().count(b"\r\n\r\nabcd") == 3


def test_nodes_with_hosts_of_their_own_get_each_its_own() -> None:
    """`pass_host: node` with two nodes: the head cannot be written before the node is chosen."""
    wire = Wire(nodes=(Node("10.0.0.1", 80), Node("10.0.0.2", 8080)), pass_host="node")
    hosts = set()
    for _ in range(2):
        wire.client().send(GET)
        head = wire.accept().received()
        hosts.add(re.findall(rb"\r\nHost: ([^\r]+)", head)[0])
    assert hosts == {b"10.0.0.1", b"10.0.0.2:8080"}
