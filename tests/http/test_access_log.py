"""The gateway's own access log: one line for each request, however it ends."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from host import FilterContext, PythonFilter
from host.exchange import AccessLog
from host.exchange.log_values import _source, value_of
from host.exchange.record import Record
from host.log.format import DEFAULT
from host.stream import HttpStream
from host.upstream.balancer import Node
from tests.http.wire import Wire

GET = b"GET /a?b=c HTTP/1.1\r\nHost: Example.test:81\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Kind: text\r\n\r\nhello"


class Lines:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: bytes) -> None:
        assert line.count(b"\n") == 1
        self.lines.append(line.decode("ascii").removesuffix("\n"))


def logged(format_: str, *, escape: Any = "default", **options: Any) -> tuple[Wire, list[str]]:
    """A gateway that logs in this format, and the lines."""
    sink = Lines()
    return Wire(access_log=AccessLog(format_, escape, sink), **options), sink.lines


def exchange(wire: Wire, request: bytes = GET, answer: bytes = OK) -> None:
    """One request on a connection of its own."""
    client = wire.client()
    client.send(request)
    wire.accept().send(answer)


def line_of(format_: str, request: bytes = GET, answer: bytes = OK, **options: Any) -> str:
    """The line of one exchange."""
    wire, lines = logged(format_, **options)
    exchange(wire, request, answer)
    (line,) = lines
    return line


def test_the_default_is_a_line_as_apisix_writes_it() -> None:
    """Each field of it, with the times left out."""
    line = line_of(
        DEFAULT, GET[:-2] + b"User-Agent: x\r\nReferer: http://r/\r\nAuthorization: Basic dTpw\r\n\r\n"
    )
    assert re.sub(r"\d+\.\d{3}", "T", re.sub(r"\[\d\d/\w{3}/\d{4}(:\d\d){3} [+-]\d{4}\]", "[NOW]", line)) == (
        '192.0.2.7 - u [NOW] Example.test:81 "GET /a?b=c HTTP/1.1" 200 5 T "http://r/" "x" '
        '192.0.2.7:40000 200 T "http://Example.test:81/a?b=c"'
    )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_scheme_of_an_upstream_is_the_one_it_is_spoken_to_with(scheme: str) -> None:
    """Where no node was asked there is none."""
    assert line_of("$upstream_scheme|$scheme", scheme=scheme) == f"{scheme}|http"
    wire, lines = logged("$upstream_scheme", match=lambda _: None)
    wire.client().send(GET)
    assert lines == ["-"]


@pytest.mark.parametrize(
    ("format_", "line"),
    [
        ("$remote_addr|$remote_port|$server_addr|$server_port", "192.0.2.7|40000|192.0.2.1|9080"),
        ("$request_method|$request_uri|$uri|$args|$query_string", "GET|/a?b=c|/a|b=c|b=c"),
        ("$http_host|$host|$scheme|$server_protocol", "Example.test:81|example.test|http|HTTP/1.1"),
        ("$arg_b|$arg_c|$http_x_none|$sent_http_x_kind", "c|-|-|text"),
        ("$connection_requests|$route_id|$response_code_details", "1|1|-"),
        ("100%|$status%", "100%|200%"),
        ("${property.a.b}", "-"),
    ],
)
def test_variables_are_worth_what_nginx_says(format_: str, line: str) -> None:
    """And `-` where there is nothing."""
    assert line_of(format_) == line


def test_times_and_processes_are_told() -> None:
    """Their form, not their value."""
    line = line_of("$time_iso8601 $msec $pid $hostname $connection $request_id")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d \d+\.\d{3} \d+ [\w.-]+ \d+ \d+-\d+-1", line
    )


def test_the_request_s_own_id_is_used() -> None:
    """As in the other lines about it."""
    assert line_of("$request_id", GET[:-2] + b"X-Request-Id: r-1\r\n\r\n") == "r-1"


@pytest.mark.parametrize(
    ("value", "default", "json_text"),
    [
        (b'a"b', r"a\x22b", 'a"b'),
        (b"a\\b", r"a\x5Cb", "a\\b"),
        (b"a\tb", r"a\x09b", "a\tb"),
        ("ü".encode(), r"\xC3\xBC", "ü"),
        (b"\xff", r"\xFF", "�"),
        (b"\x80\x9b1m", r"\x80\x9B1m", "��1m"),
        (b"a b", "a b", "a b"),
    ],
)
def test_what_a_client_says_is_escaped(value: bytes, default: str, json_text: str) -> None:
    """No client can end a field or begin a line; JSON stays JSON."""
    request = GET[:-2] + b"X-A: " + value + b"\r\n\r\n"
    assert line_of('"$http_x_a"', request) == f'"{default}"'
    sink: list[bytes] = []

    class Sink:
        write = staticmethod(sink.append)

    exchange(Wire(access_log=AccessLog('{"a": "$http_x_a", "n": "$http_none"}', "json", Sink())), request)
    assert json.loads(sink[0]) == {"a": json_text, "n": ""}


class _Rewrites(PythonFilter):
    """Changes what a log would tell."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        context.request_headers.set(b":path", b"/other?x=y")
        context.set_property(b"waf\0rule", b"942100")
        context.set_property(b"flat.name", b"\n1")

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        context.response_headers.set(b":status", b"299")


def test_the_request_is_told_as_it_came_and_the_rest_as_the_filters_left_it() -> None:
    """As in nginx: $request and $request_uri are the client's, $uri is what it was rewritten to."""
    format_ = (
        "$request|$uri|$upstream_uri|$status|$upstream_status|${property.waf.rule}|${property.flat.name}"
    )
    assert line_of(format_, filters=(_Rewrites(),)) == (
        r"GET /a?b=c HTTP/1.1|/other|/other?x=y|299|200|942100|\x0A1"
    )


class _Answers(PythonFilter):
    """Answers by itself."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        context.respond(403, [], b"denied", "because")


def test_a_local_response_is_logged_with_its_details() -> None:
    """There is no upstream in it."""
    wire, lines = logged(
        "$status|$body_bytes_sent|$response_code_details|$upstream_addr|$upstream_uri", filters=(_Answers(),)
    )
    wire.client().send(GET)
    assert lines == ["403|6|because|-|-"]


def test_a_request_that_no_route_matches_is_logged() -> None:
    """It has no chain."""
    wire, lines = logged("$request|$status|$body_bytes_sent|$route_id", match=lambda exchange: None)
    client = wire.client()
    client.send(GET + GET)
    assert lines == ["GET /a?b=c HTTP/1.1|404|36|-"] * 2


def test_every_node_that_was_tried_is_told() -> None:
    """As nginx does it, with commas."""
    nodes = (Node("10.0.0.1", 8080), Node("10.0.0.2", 8080))
    wire, lines = logged("$status|$upstream_addr|$upstream_status", nodes=nodes)
    wire.client().send(GET)
    wire.refuse()
    wire.accept().send(OK)
    assert lines == ["200|10.0.0.1:8080, 192.0.2.7:40000|-, 200"]


@pytest.mark.parametrize(
    ("request_bytes", "line"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "-|400|-|-"),
        (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "-|400|-|-"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "-|431|-|-"),
    ],
)
def test_what_is_no_request_is_logged_with_its_answer(request_bytes: bytes, line: str) -> None:
    """An operator wants to see who sends it."""
    wire, lines = logged("$request|$status|$http_host|$sent_http_x_kind")
    wire.client().send(request_bytes)
    assert lines == [line]


def test_a_request_whose_rest_cannot_be_read_is_logged_once() -> None:
    """As a 400 of the exchange's own."""
    wire, lines = logged("$request|$status")
    client = wire.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    client.send(b"zz\r\n")
    assert lines == ["POST / HTTP/1.1|400"]


def test_a_client_that_leaves_is_499() -> None:
    """nginx's, for an answer that nobody waited for; one that had begun keeps its status."""
    wire, lines = logged("$status|$body_bytes_sent")
    client = wire.client()
    client.send(GET)
    node = wire.accept()
    client.reset()
    other = wire.client()
    other.send(GET)
    node = wire.accept()
    node.send(OK[:-2])
    other.reset()
    assert lines == ["499|0", "200|3"]


class _Resets(PythonFilter):
    """Gives the exchange up."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        context.reset()


def test_a_request_that_a_filter_resets_is_444() -> None:
    """nginx's, for a connection that was closed without an answer; the details say why."""
    wire, lines = logged("$status|$response_code_details", filters=(_Resets(),))
    wire.client().send(GET)
    assert lines == ["444|python_filter_reset"]


def test_a_fault_of_our_own_is_500() -> None:
    """Once, though its connection is answered past the exchange."""

    def fault(_: object) -> None:
        raise ValueError

    wire, lines = logged("$request|$status", match=fault)
    client = wire.client()
    client.send(GET)
    assert client.received().startswith(b"HTTP/1.1 500 ")
    assert lines == ["GET /a?b=c HTTP/1.1|500"]


def test_a_head_request_has_no_content() -> None:
    """Whatever its length says."""
    assert line_of("$status|$body_bytes_sent", b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", OK[:-5]) == "200|0"


def test_an_upgraded_connection_is_logged_at_its_end() -> None:
    """With the status that opened it."""
    wire, lines = logged("$status|$upstream_status")
    client = wire.client()
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    node = wire.accept()
    node.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    assert lines == []
    node.reset()
    assert lines == ["101|101"]


def test_requests_of_a_connection_do_not_mix() -> None:
    """Each line is its own request's."""
    wire, lines = logged("$uri $status $upstream_status $connection_requests")
    client = wire.client()
    client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
    node = wire.accept()
    node.send(OK)
    node.send(OK.replace(b"200", b"404"))
    assert lines == ["/1 200 200 1", "/2 404 404 2"]


def test_a_variable_with_an_endless_name_is_none_and_is_not_kept() -> None:
    """Names come from plugins of others, and known ones are remembered: a thousand of 16 MB would not be missed."""
    kept = _source.cache_info().currsize
    assert value_of("http_" + "a" * 300, Record(None), HttpStream()) is None
    assert _source.cache_info().currsize == kept
