"""Guests' allocators: each call that hands data to a guest depends on one, and it may be hostile."""

from __future__ import annotations

import pytest

from host.testing import PluginHost
from host.wasm.vm import FailureKind
from tests.plugin.guests import GET, send, wat


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("allocator_logs", "status 00, size 0006"),
        ("allocator_grows", "status 00, size 0006"),
        ("allocator_out_of_range", "status 06, size 0000"),
        ("allocator_straddling", "status 06, size 0000"),
        ("allocator_zero", "status 06, size 0000"),
    ],
)
def test_an_allocator_may_log_and_grow_and_its_answer_is_checked(name: str, line: str) -> None:
    """INVALID_MEMORY_ACCESS for an address that is none; the out-pointers are then as they were."""
    with PluginHost(wat(name)) as plugin, plugin.http_stream() as stream:
        send(stream)
        assert plugin.failures == 0
        assert line.replace("size 0006", f"size {len(GET[1][1]):04d}") in plugin.logs()


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("allocator_traps", FailureKind.TRAP, "proxy_on_memory_allocate: wasm trap"),
        ("allocator_recurses", FailureKind.RESTRICTED, "proxy_get_header_map_value called by the allocator"),
        ("allocator_loops", FailureKind.DEADLINE, "deadline of 10 ms"),
    ],
)
def test_an_allocator_that_fails_fails_the_vm(name: str, kind: FailureKind, reason: str) -> None:
    """C security MallocWithHostcall: no host call but the log from inside of one."""
    with PluginHost(wat(name)) as plugin, plugin.http_stream() as stream:
        send(stream)
        assert stream.to_client.status == 503
        assert plugin.last_failure is not None
        assert plugin.last_failure.kind is kind
        assert reason in plugin.last_failure.reason


def test_proxy_on_memory_allocate_comes_before_malloc() -> None:
    """Modules of nottinygc and coraza export a malloc that leaks; here it traps."""
    with PluginHost(wat("both_allocators")) as plugin, plugin.http_stream() as stream:
        send(stream)
        assert plugin.failures == 0
