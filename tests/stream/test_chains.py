"""Several filters in one chain: order, local responses from the middle, filters in Python beside plugins."""

from __future__ import annotations

import pytest

from abi import Action
from host.chain import PhaseClass, Placed, ordered
from host.errors import PluginError
from host.filters.python import FilterContext, PythonFilter
from host.testing import ChainHost, Message, WasmPlugin
from tests.plugin.guests import GET, OK, POST, answer, plugin_file, send

LIFECYCLE, LOCAL = plugin_file("lifecycle"), plugin_file("local_response")


class Recorder(PythonFilter):
    """Writes its callbacks into a list that a test gives it."""

    def __init__(self, name: str, calls: list[str]) -> None:
        super().__init__()
        self.name, self.calls = name, calls

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.calls.append(f"{self.name} request {end_of_stream}")
        return None

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.calls.append(f"{self.name} response {end_of_stream}")
        return None

    def on_log(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.calls.append(f"{self.name} log")
        return None

    def on_delete(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.calls.append(f"{self.name} delete")
        return None


@pytest.mark.parametrize(("reverse", "back"), [(False, ["a", "b", "c"]), (True, ["c", "b", "a"])])
def test_requests_pass_in_order_and_responses_as_configured(reverse: bool, back: list[str]) -> None:
    """APISIX's order, or Envoy's."""
    filters = [WasmPlugin(LIFECYCLE, name=name) for name in "abc"]
    with ChainHost(filters, reverse_response=reverse) as chain:
        del chain.lines[:]
        with chain.http_stream() as stream:
            send(stream)
            answer(stream)
        seen = {
            part: [line.plugin for line in chain.lines if part in line.message]
            for part in ("request_h", "response_h", "log", "delete")
        }
        assert seen == {
            "request_h": ["a", "b", "c"],
            "response_h": back,
            "log": ["a", "b", "c"],
            "delete": ["a", "b", "c"],
        }


def test_filters_sort_by_class_priority_and_declaration() -> None:
    """global_rules before the route's own; higher priorities first."""
    a, b, c, d, e = (Recorder(name, []) for name in "abcde")
    placed = [
        Placed(a, 1),  # type: ignore[arg-type]
        Placed(b, 5),  # type: ignore[arg-type]
        Placed(c, 5),  # type: ignore[arg-type]
        Placed(d, 0, PhaseClass.REWRITE),  # type: ignore[arg-type]
        Placed(e, -9, PhaseClass.POST, is_global=True),  # type: ignore[arg-type]
    ]
    assert [each.filter.name for each in ordered(placed)] == ["e", "d", "b", "c", "a"]  # type: ignore[attr-defined]


def test_a_filter_in_the_middle_answers() -> None:
    """K 102-20,21: later request callbacks are skipped, all response callbacks and the log run."""
    answerer = {"responses": [{"phase": "request_headers", "code": 403}]}
    filters = [
        WasmPlugin(LIFECYCLE, name="a"),
        WasmPlugin(LOCAL, answerer, name="b"),
        WasmPlugin(LIFECYCLE, name="c"),
    ]
    with ChainHost(filters) as chain:
        del chain.lines[:]
        with chain.http_stream() as stream:
            send(stream)
            assert stream.to_client.status == 403
        calls = {name: [line.partition("(")[0] for line in chain.logs(plugin=name)] for name in "ac"}
        end = ["proxy_on_response_headers", "proxy_on_log", "proxy_on_done", "proxy_on_delete"]
        assert calls["a"] == ["proxy_on_context_create", "proxy_on_request_headers", *end]
        assert calls["c"] == ["proxy_on_context_create", *end]


def test_an_answer_from_the_response_pass_does_not_begin_it_anew() -> None:
    """Envoy's direct local reply: each filter sees one head of a response."""
    answerer = {"responses": [{"phase": "response_headers", "code": 502, "body": "bad"}]}
    filters = [
        WasmPlugin(LIFECYCLE, name="a"),
        WasmPlugin(LOCAL, answerer, name="b"),
        WasmPlugin(LIFECYCLE, name="c"),
    ]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        send(stream)
        answer(stream, b"upstream's")
        assert (stream.to_client.status, stream.to_client.body) == (502, b"bad")
        counts = {name: sum("response_headers" in line for line in chain.logs(plugin=name)) for name in "ac"}
        assert counts == {"a": 1, "c": 0}


def test_the_first_of_two_answering_filters_wins() -> None:
    """EC LocalReplyInRequestAndResponse: one reply, and the stream ends."""
    answers = [
        {"responses": [{"phase": "request_headers", "code": 401}]},
        {"responses": [{"phase": "response_headers", "code": 500}]},
    ]
    filters = [WasmPlugin(LOCAL, each, name=str(n)) for n, each in enumerate(answers)]
    with ChainHost(filters) as chain, chain.http_stream() as stream:
        send(stream)
        assert stream.to_client.status == 401
        assert stream.to_client.ended


def test_the_gateways_own_answer_passes_the_response_filters() -> None:
    """A 502 gets the fields that responses get."""
    adder = {"response": [{"op": "add", "name": "x-b", "value": "2"}]}
    with ChainHost([WasmPlugin(plugin_file("http_headers"), adder)]) as chain, chain.http_stream() as stream:
        send(stream)
        assert stream.gateway_response(502, b"no upstream", "connect_failed") is Action.CONTINUE
        assert stream.local_response is not None
        assert (stream.local_response.status, stream.local_response.details) == (502, "connect_failed")
        assert stream.to_client.get(b"x-b") == b"2"


def test_python_and_wasm_take_part_in_one_order() -> None:
    """The native filter sees what plugins before it have written, and they what it has."""

    class Marker(PythonFilter):
        def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
            context.request_headers.add(b"x-python", context.request_headers.get(b"x-first") or b"none")
            context.set_property(b"python", b"was here")
            return None

    first = {"request": [{"op": "add", "name": "x-first", "value": "1"}]}
    last = {"request": [{"op": "get", "name": "x-python"}]}
    wasm = plugin_file("http_headers")
    with ChainHost([WasmPlugin(wasm, first, name="a"), Marker(), WasmPlugin(wasm, last, name="b")]) as chain:
        with chain.http_stream() as stream:
            send(stream)
            assert stream.to_upstream.headers == [*GET, (b"x-first", b"1"), (b"x-python", b"1")]
        assert any("x-python" in line and line.endswith("1") for line in chain.logs(plugin="b"))


def test_a_python_filter_gets_what_it_overrides_and_nothing_else() -> None:
    """Order and arguments are a plugin's."""
    calls: list[str] = []
    with ChainHost([Recorder("one", calls), Recorder("two", calls)]) as chain, chain.http_stream() as stream:
        send(stream, b"body")
        answer(stream)
    assert calls == [
        *("one request False", "two request False", "one response True", "two response True"),
        *("one log", "two log", "one delete", "two delete"),
    ]


class Holder(PythonFilter):
    """Pauses a request and gives its context to the test."""

    context: FilterContext

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        self.context = context
        return Action.PAUSE

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        context.request_body = context.request_body.upper()
        return Action.CONTINUE if end_of_stream else Action.PAUSE


def test_a_python_filter_pauses_resumes_and_edits() -> None:
    """Also from outside of a callback."""
    holder = Holder()
    with ChainHost([holder]) as chain, chain.http_stream() as stream:
        assert stream.request_headers(POST) is Action.PAUSE
        holder.context.resume_request()
        assert stream.to_upstream == Message(POST)
        assert stream.request_body(b"one") is Action.PAUSE
        assert stream.request_body(b"two", end_of_stream=True) is Action.CONTINUE
        assert stream.to_upstream.body == b"ONETWO"


def test_a_python_filter_answers_from_outside() -> None:
    """As a plugin does from a tick."""
    holder = Holder()
    with ChainHost([holder, WasmPlugin(LIFECYCLE)]) as chain, chain.http_stream() as stream:
        send(stream)
        holder.context.respond(429, [(b"retry-after", b"1")], b"slow down", "limited")
        assert stream.local_response is not None
        assert (stream.local_response.status, stream.local_response.details) == (429, "limited")
        holder.context.respond(500)
        assert stream.to_client.status == 429


def test_a_python_filter_resets() -> None:
    """The exchange is cut."""
    holder = Holder()
    with ChainHost([holder]) as chain, chain.http_stream() as stream:
        send(stream)
        holder.context.reset()
        assert stream.is_reset


def test_a_body_out_of_a_filters_hands_cannot_be_set() -> None:
    """A plugin gets BAD_ARGUMENT; a filter in Python is told by an exception."""
    holder = Holder()
    with ChainHost([holder]) as chain, chain.http_stream() as stream:
        send(stream)
        holder.context.request_body = b"made"  # it holds the request
        with pytest.raises(RuntimeError, match="in its own callbacks and while the filter holds it"):
            holder.context.response_body = b"no"
        holder.context.resume_request()
        assert stream.to_upstream.body == b"made"
        with pytest.raises(RuntimeError):
            holder.context.request_body = b"late"


@pytest.mark.parametrize("field", [(b"a", b"b\r\nc: d"), (b"a b", b""), (b"", b"")])
def test_a_python_filter_cannot_answer_with_a_broken_head(field: tuple[bytes, bytes]) -> None:
    """Values often come from the request."""
    holder = Holder()
    with ChainHost([holder]) as chain, chain.http_stream() as stream:
        send(stream)
        with pytest.raises(ValueError, match="no field of a response"):
            holder.context.respond(302, [field])
        with pytest.raises(ValueError, match="no status"):
            holder.context.respond(1000)
        assert not stream.is_local


@pytest.mark.parametrize(
    "callback", ["on_request_headers", "on_request_body", "on_response_headers", "on_response_body"]
)
def test_a_python_filter_that_raises_answers_500_once(
    callback: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is called no more for this exchange, but for its end, and other exchanges are not touched."""
    ended: list[str] = []

    def broken(self: PythonFilter, context: FilterContext, end_of_stream: bool) -> Action | None:
        raise LookupError("broken")

    def on_log(self: PythonFilter, context: FilterContext, end_of_stream: bool) -> Action | None:
        ended.append("log")
        return None

    members = dict.fromkeys(("on_response_headers", callback), broken) | {"on_log": on_log}
    filter_ = type("Broken", (PythonFilter,), members)()
    with ChainHost([filter_, WasmPlugin(LIFECYCLE)]) as chain:
        with chain.http_stream() as stream:
            send(stream, b"body")
            answer(stream, b"body")
            assert stream.to_client.status == 500
            assert stream.to_client.body == b""
        assert stream.local_response is not None
        assert stream.local_response.details == "python_filter_failed"
        assert ended == ["log"]
        assert "LookupError: broken" in caplog.text
        assert not any(isinstance(event, PluginError) for event in chain.events)


def test_an_empty_chain_lets_everything_pass() -> None:
    """A route without plugins."""
    with ChainHost([]) as chain, chain.http_stream() as stream:
        send(stream, b"a", b"b", trailers=[(b"t", b"1")])
        answer(stream, b"c")
        assert stream.to_upstream == Message(POST, [b"a", b"b"], [(b"t", b"1")], ended=True)
        assert stream.to_client == Message(OK, [b"c"], ended=True)
