"""The test kit itself: what a plugin author sees of a plugin, an exchange, time and failures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

import host as sluiceway
from abi import Action, LogLevel
from host.errors import PluginLoadError, PluginStartError
from host.testing import LocalResponse, Message, PluginHost
from host.testing.modules import encode_configuration
from tests.plugin.guests import GET, OK, answer, assemble, host, plugin_file, send, wat


def test_an_exchange_shows_headers_messages_and_logs() -> None:
    """The example of the documentation."""
    with PluginHost(
        plugin_file("http_headers"), {"request": [{"op": "add", "name": "test", "value": "best"}]}
    ) as plugin:
        stream = plugin.http_stream()
        action = stream.request_headers([*GET, (b"key1", b"value1")], end_of_stream=True)
        assert action is Action.CONTINUE
        assert (b"test", b"best") in stream.current_request_headers
        assert stream.to_upstream == Message([*GET, (b"key1", b"value1"), (b"test", b"best")], ended=True)
        answer(stream, b"hello", b"!")
        assert stream.to_client == Message(OK, [b"hello", b"!"], ended=True)
        assert stream.to_client.status == 200
        stream.close()
        assert "request header --> key1: value1" in plugin.logs(LogLevel.INFO)
        assert plugin.logs(LogLevel.ERROR) == []


def test_a_line_tells_plugin_context_request_and_level() -> None:
    """Also the lines of on_log and on_delete, when the exchange is over."""
    with PluginHost(plugin_file("lifecycle"), name="mine") as plugin:
        del plugin.lines[:]
        with plugin.http_stream(request_id="r-1") as stream:
            send(stream)
        assert {(line.plugin, line.context, line.request, line.level) for line in plugin.lines} == {
            ("mine", 2, "r-1", LogLevel.INFO)
        }
        assert plugin.lines[-1].message == "proxy_on_delete(2)"


def test_a_local_response_is_told_from_the_upstreams() -> None:
    """The request then never reaches the upstream, and the events of its response change nothing."""
    configuration = {"responses": [{"phase": "request_headers", "code": 403, "body": "no\n"}]}
    with host("local_response", configuration) as plugin, plugin.http_stream() as stream:
        assert stream.request_headers(GET, end_of_stream=True) is Action.PAUSE
        answer(stream, b"from upstream")
        assert stream.to_upstream == Message()
        headers = [(b":status", b"403"), (b"content-length", b"3"), (b"content-type", b"text/plain")]
        assert stream.local_response == LocalResponse(403, headers, b"no\n", "")


def test_time_passes_when_the_test_says_so() -> None:
    """Ticks come at their times, in one advance as in many."""
    with host("ticks", {"tick_period_milliseconds": 20}) as plugin:
        plugin.advance(0.019)
        assert plugin.logs() == []
        plugin.advance(0.001)
        assert plugin.logs() == ["tick 1"]
        plugin.advance(0.1)
        assert plugin.logs()[-1] == "tick 6"
        assert plugin.now == pytest.approx(0.12)


def test_a_trace_names_the_calls_of_both_directions() -> None:
    """In the order in which they returned, with arguments, results and contexts."""
    with host("hostcalls_count", {"phase": "request_headers", "calls": {"proxy_log": 2}}) as plugin:
        with plugin.http_stream() as stream:
            send(stream)
        names = [row.name for row in plugin.trace() if row.context == 2]
        assert names[:4] == ["proxy_on_context_create", "proxy_log", "proxy_log", "proxy_on_request_headers"]
        assert names[-3:] == ["proxy_on_log", "proxy_on_done", "proxy_on_delete"]
        (row,) = plugin.trace("proxy_on_request_headers")
        assert (row.arguments, row.result) == ((2, 4, 1), Action.CONTINUE)


def test_the_trace_of_a_dead_vm_is_kept() -> None:
    """It is the one that an author wants to see."""
    with host("trap", {"phase": "request_headers"}) as plugin:
        with plugin.http_stream() as stream:
            send(stream)
        assert plugin.trace("proxy_on_request_headers")[0].context == 2
        assert plugin.failures == 1
        assert plugin.last_failure is not None
        assert plugin.last_failure.reason.startswith("proxy_on_request_headers: ")
        assert [event.level for event in plugin.events] == [LogLevel.ERROR]


def test_a_plugin_that_does_not_start_says_why_with_its_lines() -> None:
    """The reason is in the guest's log more often than not."""
    with pytest.raises(PluginStartError, match="proxy_on_configure returned false") as error:
        host("fail_configure", "fail please")
    assert error.value.plugin == "fail_configure"
    assert any("ERROR" in note for note in error.value.__notes__)


@pytest.mark.parametrize(
    ("data", "reason"), [(b"foo", "not a WebAssembly module"), (b"\0asm", "WebAssembly")]
)
def test_bytes_that_are_no_module_are_refused(data: bytes, reason: str) -> None:
    """EH BadCode."""
    with pytest.raises(PluginLoadError, match=reason):
        PluginHost(data)


def test_a_file_that_is_absent_is_a_load_error() -> None:
    """As in the gateway: one kind of error for whatever is wrong with a file."""
    with pytest.raises(PluginLoadError, match="plugin missing: the file cannot be read: No such file"):
        PluginHost("/nonexistent/missing.wasm")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, b""),
        ("täxt", "täxt".encode()),
        (b"\xff", b"\xff"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'.encode()),
        ({}, b"{}"),
    ],
)
def test_a_configuration_is_text_or_compact_json(given: object, read: bytes) -> None:
    """APISIX's rule for `conf`."""
    assert encode_configuration(given) == read  # type: ignore[arg-type]


def test_memory_can_be_read_within_its_bounds() -> None:
    """A relay keeps its name at address 0."""
    with PluginHost(wat("relay")) as plugin:
        assert plugin.memory_size == 8 * 65536
        assert plugin.read_memory(0, 5) == b"relay"
        assert plugin.read_memory(plugin.memory_size, 0) == b""
        with pytest.raises(IndexError, match="1 bytes at 524288 are outside"):
            plugin.read_memory(plugin.memory_size, 1)


def test_closing_ends_open_streams_and_then_the_plugin() -> None:
    """So that a test which forgets neither leaks nor misses a callback."""
    with PluginHost(plugin_file("lifecycle")) as plugin:
        stream = plugin.http_stream()
        send(stream)
        del plugin.lines[:]
    assert plugin.logs() == [
        *("proxy_on_log(2)", "proxy_on_done(2)", "proxy_on_delete(2)"),
        *("proxy_on_done(1)", "proxy_on_log(1)", "proxy_on_delete(1)"),
    ]
    stream.close()
    plugin.close()
    assert len(plugin.lines) == 6


def test_the_fixture_closes_what_it_made(plugin_host: Callable[..., PluginHost]) -> None:
    """It comes with the distribution, by pytest's entry point."""
    plugin = plugin_host(plugin_file("http_headers"))
    assert plugin.is_up


def test_a_host_shows_its_state() -> None:
    """What a failing assertion prints."""
    with host("pause_resume", {"pause": ["request_headers"], "resume": "never"}) as plugin:
        stream = plugin.http_stream()
        assert repr(stream) == "<HostedStream [open]>"
        send(stream)
        assert repr(stream) == "<HostedStream [request paused]>"
        assert repr(plugin.plugin) == "<Plugin pause_resume [up, contexts: 1, failures: 0]>"
        stream.close()
        assert repr(stream) == "<HostedStream [closed]>"


def test_public_names_are_there_and_load_nothing_before_they_are_used() -> None:
    """`import host` alone starts no engine."""
    for name in sluiceway.__all__:
        assert getattr(sluiceway, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = sluiceway.Nonsense
    code = "import sys, host; sys.exit('wasmtime' in sys.modules or 'host._core' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_module_of_bytes_has_a_name_all_the_same() -> None:
    """Errors and lines need one."""
    with PluginHost(
        assemble(
            '(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))'
            ' (func (export "malloc") (param i32) (result i32) (i32.const 8)))'
        )
    ) as plugin:
        assert plugin.plugin.settings.name == "plugin"
