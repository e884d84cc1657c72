"""Plugins that are used as access loggers: they see the end of each exchange, and nothing of its way."""

from __future__ import annotations

from typing import Any

import pytest

from abi import join_path
from host import FilterContext, PythonFilter
from host.testing import ChainHost, WasmPlugin
from testdata import relay
from tests.plugin.guests import GET, OK, POST, answer, plugin_file, send, wat

VALUE = "proxy_get_header_map_value"
OUT = relay.SCRATCH
WAY = [f"proxy_on_{side}_{part}" for side in ("request", "response") for part in ("headers", "body")]
CALLBACKS = ["proxy_on_context_create", "proxy_on_log", "proxy_on_done", "proxy_on_delete"]


def logger(*steps: Any, **options: Any) -> WasmPlugin:
    """A relay that does these steps in proxy_on_log, and would hold, answer and trap elsewhere."""
    harm = [
        ("request_headers", relay.RETURN, 1),
        ("request_body", relay.TRAP),
        ("response_headers", relay.TRAP),
        ("response_body", relay.TRAP),
    ]
    script = relay.script(*harm, *[("log", *step) for step in steps])
    return WasmPlugin(wat("relay"), script, name="logger", access_logger=True, **options)


def stream_rows(chain: ChainHost) -> list[str]:
    """The callbacks of the exchange's context, in order."""
    return [row.name for row in chain.trace() if row.context == 2 and row.name in CALLBACKS + WAY]


def results(chain: ChainHost) -> list[int]:
    return [int(line.split()[3], 16) for line in chain.logs(plugin="logger") if line.startswith("relay ")]


def test_an_access_logger_sees_the_log_alone() -> None:
    """EH Create: the context is made just for it; no other callback runs, and no body comes by."""
    with ChainHost([logger()]) as chain:
        assert not chain.chain.wants_request_body
        assert not chain.chain.changes_response_body
        with chain.http_stream() as stream:
            send(stream, b"body")
            answer(stream, b"answer")
            assert stream.to_upstream.ended
            assert stream.to_client.ended
            assert stream_rows(chain) == []
        assert stream_rows(chain) == CALLBACKS


def test_it_reads_what_was_asked_and_answered() -> None:
    """EH AccessLog: :path, :status, and the properties of a whole exchange."""
    steps = [
        (VALUE, 0, b":path", OUT, OUT + 4),
        (VALUE, 2, b":status", OUT + 8, OUT + 12),
        ("proxy_get_property", join_path([b"response", b"code"]), OUT + 16, OUT + 20),
        ("proxy_get_property", join_path([b"request", b"duration"]), OUT + 24, OUT + 28),
    ]
    with ChainHost([logger(*steps)]) as chain:
        with chain.http_stream() as stream:
            send(stream)
            answer(stream)
        assert results(chain) == [0, 0, 0, 0]
        vm = chain.plugins["logger"].vm
        assert vm is not None

        def given(at: int) -> bytes:
            pointer, length = (int.from_bytes(vm.read_memory(place, 4), "little") for place in (at, at + 4))
            return vm.read_memory(pointer, length)

        assert [given(OUT), given(OUT + 8), given(OUT + 16)] == [
            b"/a?b=c",
            b"200",
            (200).to_bytes(8, "little"),
        ]


def test_it_can_change_nothing() -> None:
    """The exchange is over: writing is BAD_ARGUMENT (2)."""
    steps = [
        ("proxy_add_header_map_value", 2, b"x", b"y"),
        ("proxy_send_local_response", 403, b"", b"", b"", -1),
    ]
    with ChainHost([logger(*steps)]) as chain:
        with chain.http_stream() as stream:
            send(stream)
            answer(stream)
        assert results(chain) == [2, 2]
        assert stream.to_client.headers == OK


@pytest.mark.parametrize("events", [0, 1, 2, 3])
def test_an_exchange_that_is_broken_off_is_logged_once(events: int) -> None:
    """EH ClientDisconnected, DisabledForIncompleteStream: a missing :status is NOT_FOUND; without a head there is none."""
    with ChainHost([logger((VALUE, 2, b":status", OUT, OUT + 4))]) as chain:
        stream = chain.http_stream()
        steps = [
            lambda: stream.request_headers(POST),
            lambda: stream.request_body(b"x"),
            lambda: stream.response_headers(OK),
        ]
        for step in steps[:events]:
            step()
        stream.close()
        stream.close()
        assert results(chain) == ([] if events == 0 else [0] if events == 3 else [1])
        assert stream_rows(chain) == (CALLBACKS if events else [])


def test_it_logs_what_another_filter_answers() -> None:
    """The answer's status, though no request left."""
    script = relay.script(("request_headers", "proxy_send_local_response", 403, b"", b"no", b"", -1))
    filters = [
        WasmPlugin(wat("relay"), script, name="waf"),
        logger((VALUE, 2, b":status", OUT, OUT + 4)),
    ]
    with ChainHost(filters) as chain:
        with chain.http_stream() as stream:
            send(stream)
            assert stream.to_client.status == 403
        assert results(chain) == [0]


def test_a_logger_that_traps_harms_no_one() -> None:
    """The next exchange has a new VM."""
    with ChainHost([logger((relay.TRAP,))]) as chain:
        for _ in range(2):
            with chain.http_stream() as stream:
                send(stream)
                answer(stream, b"x")
                assert (stream.to_client.body, stream.to_client.ended) == (b"x", True)
            assert not stream.is_reset
        assert chain.plugins["logger"].failures == 2


def test_a_plugin_is_a_filter_and_an_access_logger_at_once() -> None:
    """Two uses of one plugin: two plugin contexts on one VM."""
    filters = [
        WasmPlugin(plugin_file("lifecycle"), "filter", name="one"),
        WasmPlugin(plugin_file("lifecycle"), "logger", name="one", access_logger=True),
    ]
    with ChainHost(filters) as chain:
        with chain.http_stream() as stream:
            send(stream)
            answer(stream)
        lines = [line for line in chain.logs() if "request_headers" in line or "on_log" in line]
        assert lines == ["proxy_on_request_headers(3, 4, 1)", "proxy_on_log(3)", "proxy_on_log(4)"]


class _Both(PythonFilter):
    """Would answer each request."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        context.respond(500)

    def on_log(self, context: FilterContext, end_of_stream: bool) -> None:
        LOGGED.append(context.response_headers.get(b":status"))


LOGGED: list[bytes | None] = []


def test_a_filter_in_python_is_used_in_the_same_way() -> None:
    """Its on_log alone is called."""
    from host.chain import FilterChain
    from host.filters.python import PythonFilterAdapter
    from host.testing import HostedStream

    chain = FilterChain([PythonFilterAdapter(_Both(), access_logger=True)])
    with HostedStream(chain, lambda: None) as stream:
        stream.request_headers(GET, end_of_stream=True)
        stream.response_headers(OK, end_of_stream=True)
        assert stream.to_client.status == 200
    assert LOGGED == [b"200"]
