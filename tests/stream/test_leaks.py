"""Streams give everything back: counts after many of them are what they were before."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from host.plugin import streams
from tests.hostcalls.relays import exchange, start
from tests.plugin.guests import answer, host, send

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def open_streams() -> int:
    """Other tests may have left some open."""
    return sum(stream is not None for stream in streams.OPEN)


@pytest.mark.timeout(120)
def test_a_hundred_thousand_streams_leave_nothing_behind() -> None:
    """A http_lifecycle 3. Contexts of the VM, numbers of streams, the guest's memory; the process by less than 8 MiB."""
    with host("custom_response_header", {"headers": [{"name": "a", "value": "b"}]}, trace_rows=0) as plugin:

        def serve(count: int) -> None:
            for _ in range(count):
                stream = plugin.http_stream()
                send(stream)
                answer(stream, b"body")
                stream.close()

        left_open = open_streams()
        serve(2_000)
        numbers, memory, before = len(streams.OPEN), plugin.memory_size, resident_bytes()
        serve(98_000)
        gc.collect()
        assert plugin.vm.contexts == 1
        assert len(streams.OPEN) == numbers
        assert open_streams() == left_open
        assert plugin.memory_size <= memory + 65536
        assert resident_bytes() - before < 8 << 20
        assert plugin.failures == 0


def test_failed_vms_are_freed() -> None:
    """Each takes its contexts, its memory and its guest along."""
    from host.plugin import guests

    known, left_open = len(guests._guests), open_streams()
    with start(
        ("log", "proxy_log", 2, b"end"), ("delete", "unreachable"), reload_pause=0.0, trace_rows=0
    ) as plugin:
        for _ in range(300):
            exchange(plugin)
            plugin.advance(0.001)
        assert plugin.failures == 300
        gc.collect()
        exchange(plugin)
        assert len(guests._guests) <= known + 16
    assert open_streams() == left_open
