"""The order of callbacks in the life of a plugin and of its streams."""

from __future__ import annotations

from abi import Action
from host.testing import ChainHost, Message, PluginHost, WasmPlugin
from tests.plugin.guests import GET, OK, answer, host, plugin_file, send

LIFECYCLE = plugin_file("lifecycle")


def test_a_plugin_starts_creates_and_configures() -> None:
    """_start, context_create(root, 0), vm_start(root, size), configure(root, size)."""
    with PluginHost(LIFECYCLE, "four", vm_configuration="vm") as plugin:
        assert plugin.logs() == [
            "_start()",
            "proxy_on_context_create(1, 0)",
            "proxy_on_vm_start(1, 2)",
            "proxy_on_configure(1, 4)",
        ]


def test_a_stream_goes_through_all_callbacks_in_order() -> None:
    """C logging HttpLogging; and E's end: on_log, then on_done, then on_delete."""
    with PluginHost(LIFECYCLE) as plugin:
        del plugin.lines[:]
        with plugin.http_stream() as stream:
            send(stream, b"one", b"three", trailers=[(b"a", b"1")])
            answer(stream, b"four", trailers=[(b"b", b"2"), (b"c", b"3")])
        assert plugin.logs() == [
            "proxy_on_context_create(2, 1)",
            "proxy_on_request_headers(2, 4, 0)",
            "proxy_on_request_body(2, 3, 0)",
            "proxy_on_request_body(2, 5, 0)",
            "proxy_on_request_trailers(2, 1)",
            "proxy_on_response_headers(2, 2, 0)",
            "proxy_on_response_body(2, 4, 0)",
            "proxy_on_response_trailers(2, 2)",
            "proxy_on_log(2)",
            "proxy_on_done(2)",
            "proxy_on_delete(2)",
        ]


def test_a_head_that_ends_a_message_brings_no_body_callback() -> None:
    """A guest that waited for one would hang."""
    with PluginHost(LIFECYCLE) as plugin:
        with plugin.http_stream() as stream:
            send(stream)
            answer(stream)
        assert plugin.logs()[5:7] == [
            "proxy_on_request_headers(2, 4, 1)",
            "proxy_on_response_headers(2, 2, 1)",
        ]
        assert not any("body" in line for line in plugin.logs())


def test_an_empty_last_piece_is_a_body_callback_with_the_end() -> None:
    """K sends one behind the data; a filter that buffers waits for it."""
    with PluginHost(LIFECYCLE) as plugin:
        with plugin.http_stream() as stream:
            send(stream, b"data", b"")
        assert "proxy_on_request_body(2, 0, 1)" in plugin.logs()


def test_requests_in_flight_have_a_context_each_and_all_are_freed() -> None:
    """A http_lifecycle 1-3: 18 at a time; plugin_lifecycle 5,6."""
    with PluginHost(LIFECYCLE) as plugin:
        streams = [plugin.http_stream() for _ in range(18)]
        for stream in streams:
            send(stream)
        assert plugin.vm.contexts == 19
        for stream in reversed(streams):
            answer(stream)
            stream.close()
        assert plugin.vm.contexts == 1
        created = [row.arguments[0] for row in plugin.trace("proxy_on_context_create")]
        deleted = [row.arguments[0] for row in plugin.trace("proxy_on_delete")]
        assert sorted(deleted) == created[1:]


def test_an_exchange_that_never_began_makes_no_context() -> None:
    """There is nothing to log."""
    with PluginHost(LIFECYCLE) as plugin:
        with plugin.http_stream():
            pass
        assert len(plugin.trace("proxy_on_context_create")) == 1


def test_what_comes_before_the_requests_head_reaches_no_guest() -> None:
    """EH AllHeadersAndTrailersNotStarted: every event continues, and no context is made for it."""
    with PluginHost(LIFECYCLE) as plugin:
        before = len(plugin.trace())
        with plugin.http_stream() as stream:
            actions = [
                stream.request_body(b"x"),
                stream.request_trailers([(b"a", b"b")]),
                stream.response_body(b"x"),
                stream.response_trailers([(b"a", b"b")]),
            ]
            assert actions == [Action.CONTINUE] * 4
            assert (stream.to_upstream, stream.to_client) == (Message(), Message())
        assert len(plugin.trace()) == before


def test_a_client_that_goes_away_is_logged_all_the_same() -> None:
    """EH ClientDisconnected: no response, no status."""
    with PluginHost(LIFECYCLE) as plugin:
        with plugin.http_stream() as stream:
            stream.request_headers(GET)
        assert plugin.logs()[-3:] == ["proxy_on_log(2)", "proxy_on_done(2)", "proxy_on_delete(2)"]


def test_two_configurations_of_a_plugin_share_its_vm_and_have_a_context_each() -> None:
    """A plugin_lifecycle 4, http_lifecycle 4: each stream context belongs to its own."""
    with ChainHost([WasmPlugin(LIFECYCLE, text, name="one") for text in ("a", "bb", "bb")]) as chain:
        assert [row.arguments for row in chain.trace("proxy_on_configure")] == [(1, 1), (2, 2), (3, 2)]
        assert len(chain.trace("_start")) == 1
        with chain.http_stream() as stream:
            send(stream)
        created = [row.arguments for row in chain.trace("proxy_on_context_create")]
        assert created[3:] == [(4, 1), (5, 2), (6, 3)]


def test_a_context_reads_the_configuration_of_its_own_plugin_context() -> None:
    """Not the one that came last."""
    edits = [{"request": [{"op": "add", "name": "x-who", "value": value}]} for value in ("1", "2")]
    with ChainHost([WasmPlugin(plugin_file("http_headers"), edit, name="one") for edit in edits]) as chain:
        with chain.http_stream() as stream:
            send(stream)
        assert stream.to_upstream.headers == [*GET, (b"x-who", b"1"), (b"x-who", b"2")]


def test_what_comes_behind_the_end_is_ignored() -> None:
    """A parser that reads on must not confuse the chain."""
    with host("lifecycle") as plugin, plugin.http_stream() as stream:
        send(stream)
        stream.request_body(b"late", end_of_stream=True)
        stream.request_trailers([(b"late", b"1")])
        answer(stream, b"body")
        stream.response_body(b"late", end_of_stream=True)
        assert stream.to_upstream.body == b""
        assert stream.to_client.body == b"body"
        assert not any("request_body" in line or "trailers" in line for line in plugin.logs())


def test_a_stream_may_be_closed_at_any_point() -> None:
    """And everything is given back."""
    with host(
        "pause_resume", {"pause": ["request_headers", "request_body", "response_headers"], "resume": "never"}
    ) as plugin:
        for events in range(5):
            stream = plugin.http_stream()
            steps = [
                lambda stream=stream: stream.request_headers(GET),
                lambda stream=stream: stream.request_body(b"x"),
                lambda stream=stream: stream.response_headers(OK),
                lambda stream=stream: stream.response_body(b"x"),
            ]
            for step in steps[:events]:
                step()
            stream.close()
        assert plugin.vm.contexts == 1
