"""An exchange with filters that change, hold and answer: what of it reaches the wire, and with which length."""

from __future__ import annotations

import pytest

from abi.types import Action
from host.filters.python import FilterContext, PythonFilter
from tests.http.wire import Wire, status_of

DATE = b"Date: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 05:00:00 GMT\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 4\r\n\r\nabcd"


def content(message: bytes) -> bytes:
    """What follows the head."""
    return message.partition(b"\r\n\r\n")[2]


class Doubles(PythonFilter):
    """Writes every byte of a body twice."""

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> None:
        context.request_body = b"".join(bytes([byte, byte]) for byte in context.request_body)

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> None:
        context.response_body = b"".join(bytes([byte, byte]) for byte in context.response_body)


class Gathers(PythonFilter):
    """Holds both bodies until they are whole."""

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        return None if end_of_stream else Action.PAUSE

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        return None if end_of_stream else Action.PAUSE


class Waits(PythonFilter):
    """Pauses heads; the test resumes."""

    def __init__(self, request: bool = True) -> None:
        self.request = request
        self.context: FilterContext

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.context = context
        return Action.PAUSE if self.request else None

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.context = context
        return None if self.request else Action.PAUSE


class Sets(PythonFilter):
    """Sets fields of the request, and of the response."""

    def __init__(
        self, request: dict[bytes, bytes] | None = None, response: dict[bytes, bytes] | None = None
    ) -> None:
        self.request, self.response = request or {}, response or {}

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        for name, value in self.request.items():
            context.request_headers.set(name, value)

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        for name, value in self.response.items():
            context.response_headers.set(name, value)


class Answers(PythonFilter):
    """Answers at one event."""

    def __init__(self, event: str) -> None:
        setattr(type(self), event, Answers.answer)

    def answer(self, context: FilterContext, end_of_stream: bool) -> Action:
        """Answer 403 with a body."""
        context.respond(403, [(b"x-why", b"so")], b"forbidden", "test")
        return Action.PAUSE


def test_a_changed_body_that_is_whole_at_once_is_counted_anew() -> None:
    """Both ways; one write each."""
    wire = Wire(filters=(Doubles(),))
    client = wire.client()
    client.send(POST + b"wxyz")
    node = wire.accept()
    request = node.received()
    assert b"Content-Length: 8\r\n" in request
    assert content(request) == b"wwxxyyzz"
    node.send(OK)
    assert client.received() == HEAD + b"Content-Length: 8\r\n\r\naabbccdd"
    assert client.transport.writes == node.transport.writes == 1


def test_a_changed_body_in_pieces_is_chunked() -> None:
    """Its length cannot be told when the head has to go: never a wrong one."""
    wire = Wire(filters=(Doubles(),))
    client = wire.client()
    client.send(POST)
    assert not wire.dialer.waiting  # the head waits for the first bytes
    client.send(b"wx")
    node = wire.accept()
    client.send(b"yz")
    request = node.received()
    assert b"content-length" not in request.lower()
    assert content(request) == b"4\r\nwwxx\r\n4\r\nyyzz\r\n0\r\n\r\n"
    node.send(OK[:-2])
    node.send(b"cd")
    assert (
        client.received() == HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\naabb\r\n4\r\nccdd\r\n0\r\n\r\n"
    )
    client.send(GET)
    assert node.received()


def test_a_gathered_body_is_counted() -> None:
    """However many pieces it came in."""
    wire = Wire(filters=(Gathers(), Doubles()))
    client = wire.client()
    client.send(CHUNKED + b"2\r\nwx\r\n2\r\nyz\r\n0\r\n\r\n", step=1)
    node = wire.accept()
    request = node.received()
    assert b"Content-Length: 8\r\n" in request
    assert content(request) == b"wwxxyyzz"
    node.send(OK, step=1)
    assert client.received() == HEAD + b"Content-Length: 8\r\n\r\naabbccdd"


def test_trust_content_length_streams_and_ends_a_wrong_count() -> None:
    """The operator's word is taken, but no wrong count is sent: the connection ends instead."""
    wire = Wire(filters=(Doubles(),), trust_content_length=True)
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(OK)
    assert client.received() == HEAD + b"Content-Length: 4\r\n\r\naabb"
    assert client.transport.closed


def test_trust_content_length_never_sends_a_wrong_request() -> None:
    """More than was announced would be the next request: it is not sent."""
    wire = Wire(filters=(Doubles(),), trust_content_length=True)
    client = wire.client()
    client.send(POST + b"wxyz")
    node = wire.accept()
    assert b"wwxxyyzz" not in node.received()
    assert status_of(client.received()) == 500
    assert node.transport.closed


def test_head_and_304_keep_to_what_they_are_with_body_filters() -> None:
    """No content, and no length that a filter would have changed."""
    wire = Wire(filters=(Doubles(),))
    client = wire.client()
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 4\r\n\r\n")
    assert client.received() == HEAD + b"\r\n"
    client.send(GET)
    node.send(b"HTTP/1.1 304 Not Modified\r\n" + DATE + b"\r\n")
    assert client.received().endswith(b"\r\n\r\n")
    assert not client.transport.closed


@pytest.mark.parametrize("body", [False, True])
def test_a_paused_request_leaves_when_resumed(body: bool) -> None:
    """Nothing goes before; its content is not read meanwhile."""
    waits = Waits()
    wire = Wire(filters=(waits,))
    client = wire.client()
    client.send(POST + b"wx" if body else GET)
    assert not wire.dialer.waiting
    assert client.transport.paused == body
    waits.context.resume_request()
    node = wire.accept()
    if body:
        assert not client.transport.paused
        client.send(b"yz")
        assert content(node.received()) == b"wxyz"
    node.send(OK)
    assert content(client.received()) == b"abcd"


def test_a_paused_response_leaves_when_resumed() -> None:
    """The upstream is stopped meanwhile, or done already."""
    for piece in (OK, OK[:-2]):
        waits = Waits(request=False)
        wire = Wire(filters=(waits,))
        client = wire.client()
        client.send(GET)
        node = wire.accept()
        node.send(piece)
        assert client.received() == b""
        waits.context.resume_response()
        if piece != OK:
            node.send(b"cd")
        assert client.received() == HEAD + b"Content-Length: 4\r\n\r\nabcd"


def test_a_request_paused_for_ever_is_a_504() -> None:
    """The stream timeout: nobody else would end it."""
    wire = Wire(filters=(Waits(),))
    client = wire.client()
    client.send(GET)
    wire.wait(302)
    assert status_of(client.received()) == 504


def test_a_client_that_waits_for_100_is_told_by_us_when_its_content_is_needed_here() -> None:
    """The upstream cannot ask for it: it has not got the head. The expectation ends here then."""
    wire = Wire(filters=(Gathers(),))
    client = wire.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"wxyz")
    request = wire.accept().received()
    assert b"expect" not in request.lower()
    assert content(request) == b"wxyz"


@pytest.mark.parametrize("event", ["on_request_headers", "on_request_body"])
def test_a_filter_that_answers_spares_the_upstream(event: str) -> None:
    """Its answer passes with its length; the connection lives on."""
    wire = Wire(filters=(type("Local", (Answers,), {})(event),))
    client = wire.client()
    client.send(POST + b"wxyz")
    assert not wire.dialer.waiting
    answer = client.received()
    assert status_of(answer) == 403
    assert b"x-why: so\r\n" in answer
    assert b"Content-Length: 9\r\n" in answer
    assert b"Server: sluiceway\r\n" in answer
    assert content(answer) == b"forbidden"
    assert not client.transport.closed


def test_a_filter_that_answers_for_the_upstream_drops_its_answer() -> None:
    """The connection with the rest of it is not used again."""
    wire = Wire(filters=(type("Local", (Answers,), {})("on_response_headers"),))
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    node.send(OK[:-2])
    answer = client.received()
    assert status_of(answer) == 403
    assert content(answer) == b"forbidden"
    assert node.transport.closed
    assert not client.transport.closed


def test_pseudo_headers_that_filters_change_go_to_the_upstream() -> None:
    """Method, path, authority; and a path without its slash gets one."""
    wire = Wire(filters=(Sets({b":method": b"PUT", b":path": b"?x=1", b":authority": b"b:81"}),))
    wire.client().send(GET)
    assert wire.accept().received().startswith(b"PUT /?x=1 HTTP/1.1\r\nHost: b:81\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        {b":path": b"/ HTTP/1.1\r\nHost: evil\r\n\r\n"},
        {b":path": b"/a b"},
        {b":method": b"GET /"},
        {b":method": b"CONNECT"},
        {b":authority": b"a\r\nb: c"},
        {b"x-a": b"b\r\nc: d"},
        {b"x-a": b"b\0"},
        {b"x a": b"b"},
        {b"x:a": b"b"},
    ],
)
def test_what_cannot_be_written_is_not(fields: dict[bytes, bytes]) -> None:
    """No filter can put a second request into the first: the client gets a 500, the upstream nothing."""
    wire = Wire(filters=(Sets(fields),))
    client = wire.client()
    client.send(GET)
    if wire.dialer.waiting:
        assert wire.accept().received() == b""
    assert status_of(client.received()) == 500


@pytest.mark.parametrize(
    "name", [b"content-length", b"transfer-encoding", b"connection", b"host", b"keep-alive"]
)
def test_framing_and_connection_fields_are_not_the_filters_to_set(name: bytes) -> None:
    """They may set them; the wire has ours."""
    wire = Wire(filters=(Sets({name: b"7"}, {name: b"7"}),))
    client = wire.client()
    client.send(POST + b"wxyz")
    node = wire.accept()
    request = node.received()
    assert request.count(b"Content-Length: 4\r\n") == 1
    assert b": 7\r\n" not in request
    node.send(OK)
    answer = client.received()
    assert answer.count(b"Content-Length: 4\r\n") == 1
    assert b": 7\r\n" not in answer


@pytest.mark.parametrize("value", [b"close", b"Close", b"x-a, close"])
@pytest.mark.parametrize("body", [b"wxyz", b""])
def test_a_filter_that_says_close_closes_the_clients_connection(value: bytes, body: bytes) -> None:
    """K 112-6: `Connection: close` of a plugin is said to the client and done; the node's connection is not concerned."""
    wire = Wire(filters=(Sets(response={b"connection": value}),))
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    node = wire.accept()
    node.received()
    node.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    answer = client.received()
    assert answer.count(b"Connection: close\r\n") == 1
    assert answer.lower().count(b"connection:") == 1
    assert answer.endswith(b"\r\n\r\n" + body)
    assert client.transport.closed
    assert not node.transport.closed


def test_a_filter_that_says_close_in_a_response_of_pieces_closes_behind_the_last() -> None:
    """Chunked content, and a local response: the same."""
    wire = Wire(filters=(Sets(response={b"connection": b"close"}),))
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    node = wire.accept()
    node.received()
    node.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    assert b"Connection: close\r\n" in client.received()
    assert not client.transport.closed
    node.send(b"0\r\n\r\n")
    assert client.received().endswith(b"0\r\n\r\n")
    assert client.transport.closed


@pytest.mark.parametrize("value", [b"keep-alive", b"nonsense", b"", b"closed", b"x-a"])
def test_other_options_of_connection_are_not_the_filters_to_set(value: bytes) -> None:
    """The connection lasts, and the wire has no such field."""
    wire = Wire(filters=(Sets(response={b"connection": value}),))
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.accept().send(OK)
    assert b"connection:" not in client.received().lower()
    assert not client.transport.closed


def test_a_node_that_closes_closes_no_client() -> None:
    """Its Connection is its own hop's."""
    wire = Wire(filters=(Sets(),))
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wire.accept().send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nabcd")
    assert b"connection:" not in client.received().lower()
    assert not client.transport.closed


@pytest.mark.parametrize("status", [b"204", b"304"])
def test_a_status_that_a_filter_makes_one_without_content(status: bytes) -> None:
    """The upstream's content is not sent, and the next answer is where the client looks for it."""
    wire = Wire(filters=(Sets(response={b":status": status}),))
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    for _ in range(2):
        node.send(OK)
        answer = client.received()
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert content(answer) == b""
        client.send(GET)


def test_a_bad_status_of_a_filter_is_a_502() -> None:
    """It cannot be written."""
    wire = Wire(filters=(Sets(response={b":status": b"2\r\n"}),))
    client = wire.client()
    client.send(GET)
    wire.accept().send(OK)
    assert status_of(client.received()) == 502


@pytest.mark.parametrize(
    "event",
    [
        "on_request_headers",
        "on_request_body",
        "on_response_headers",
        "on_response_body",
        "on_log",
        "on_delete",
    ],
)
def test_a_filter_that_raises_fails_its_exchange_only(event: str) -> None:
    """With a 500 as long as no head is out; the next client's request is served or fails for itself."""

    def fail(self: PythonFilter, context: FilterContext, end_of_stream: bool) -> None:
        raise ZeroDivisionError

    wire = Wire(filters=(type("Fails", (PythonFilter,), {event: fail})(),))
    for _ in range(2):
        client = wire.client()
        client.send(POST + b"wxyz")
        for node in [*wire.upstreams, *([wire.accept()] if wire.dialer.waiting else [])]:
            if node.received():
                node.send(OK)
        assert status_of(client.received()) == (200 if event in ("on_log", "on_delete") else 500)


class Watches(PythonFilter):
    """Holds responses; the test has it watch their bodies."""

    max_body_size = 10

    def __init__(self) -> None:
        self.context: FilterContext

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.context = context
        return Action.PAUSE

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        return None if end_of_stream else Action.PAUSE


def test_a_response_that_was_held_back_goes_on_when_its_body_is_watched() -> None:
    """Nothing leaves at that moment, and yet the node may send on."""
    filter_ = Watches()
    wire = Wire(filters=(filter_,))
    wire.client().send(GET)
    node = wire.accept()
    node.send(b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 20\r\n\r\n")
    node.send(b"0123456789")
    assert node.transport.paused
    filter_.context.watch_response_body()
    assert not node.transport.paused
