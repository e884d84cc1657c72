"""proxy_log and proxy_get_log_level."""

from __future__ import annotations

import pytest

from abi import LogLevel, Status
from host.testing import PluginHost
from host.wasm.vm import FailureKind
from tests.hostcalls.relays import OUT, expect, in_phases, run
from tests.plugin.guests import GET, assemble


def test_lines_may_be_written_in_every_phase() -> None:
    """A 1,2."""
    assert in_phases("proxy_log", LogLevel.WARN, b"text") == expect(Status.OK)


@pytest.mark.parametrize("level", LogLevel)
def test_a_line_keeps_its_level_and_its_bytes(level: LogLevel) -> None:
    """EC Logging. Bytes that are no UTF-8 are shown, not lost."""
    outcome = run(("request_headers", "proxy_log", level, b"a\xffb\n"))
    assert outcome.host.logs(level)[0] == "a\\xffb\n"


@pytest.mark.parametrize("level", [6, 100, 0xFFFFFFFF])
def test_a_level_beyond_the_last_is_a_bad_argument(level: int) -> None:
    """EC Logging; K 100-log 2, where the guest dies of it."""
    assert run(("request_headers", "proxy_log", level, b"text")).statuses == [Status.BAD_ARGUMENT]


def test_a_line_may_be_empty() -> None:
    """(0, 0) is the empty range."""
    outcome = run(("request_headers", "proxy_log", LogLevel.ERROR, 0, 0))
    assert outcome.statuses == [Status.OK]
    assert outcome.host.logs(LogLevel.ERROR) == [""]


@pytest.mark.parametrize("level", LogLevel)
def test_lines_below_the_level_are_dropped_and_the_guest_is_told_the_level(level: LogLevel) -> None:
    """Rust and C++ use proxy_get_log_level to skip formatting."""
    steps = [("request_headers", "proxy_log", other, other.name.encode()) for other in LogLevel]
    outcome = run(*steps, ("configure", "proxy_get_log_level", OUT), log_level=level)
    written = [line for line in outcome.host.logs() if not line.startswith("relay")]
    assert written == [other.name for other in LogLevel if other >= level]
    assert outcome.number() == level


def test_the_level_may_be_asked_in_every_phase() -> None:
    """It is a property of the VM."""
    assert in_phases("proxy_get_log_level", OUT) == expect(Status.OK)


def test_a_line_longer_than_64_kib_is_cut() -> None:
    """A guest cannot fill the host's memory with a line."""
    outcome = run(("request_headers", "proxy_log", LogLevel.ERROR, 0x30000, 0x20000))
    assert outcome.statuses == [Status.OK]
    assert outcome.host.logs(LogLevel.ERROR) == ["\0" * 65536]


def flooding(loop: str) -> bytes:
    """A guest that logs 100 bytes again and again in request_headers."""
    return assemble(
        f"""(module (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
           (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
           (data (i32.const 0) "{"x" * 100}")
           (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $left i32)
             (local.set $left (i32.const 20000))
             (loop $more
               (drop (call $log (i32.const 2) (i32.const 0) (i32.const 100)))
               (local.set $left (i32.sub (local.get $left) (i32.const 1)))
               {loop})
             (i32.const 0)))"""
    )


def test_a_flood_of_lines_in_one_callback_is_cut_and_counted() -> None:
    """20,000 lines: those that fit are shown, the rest is a number; the next callback has room again."""
    with PluginHost(flooding("(br_if $more (local.get $left))"), callback_deadline=5000) as host:
        for _ in range(2):
            before = len(host.lines)
            with host.http_stream() as stream:
                stream.request_headers(GET, end_of_stream=True)
                assert stream.to_upstream.headers is not None
            lines = [line.message for line in host.lines[before:]]
            kept = lines.count("x" * 100)
            assert 1000 < kept < 20_000
            told = [line for line in lines if line != "x" * 100]
            assert len(told) == 1
            assert str(20_000 - kept) in told[0]
        assert host.failures == 0


def test_a_flood_of_lines_without_end_meets_the_deadline() -> None:
    """Logging is no way around the time that a callback has."""
    with PluginHost(flooding("(br $more)"), callback_deadline=50) as host, host.http_stream() as stream:
        stream.request_headers(GET, end_of_stream=True)
        assert stream.to_client.status == 503
        assert host.last_failure is not None
        assert host.last_failure.kind is FailureKind.DEADLINE
