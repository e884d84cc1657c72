"""What a plugin may use: host calls, callbacks and WASI functions by name."""

from __future__ import annotations

import pytest

from abi import Status, WasiErrno
from abi.capabilities import CAPABILITIES, is_allowed
from abi.types import LogLevel
from host.plugin.plugin import Isolation
from host.testing import PluginHost
from host.wasm.module import Module
from testdata import relay
from tests.hostcalls.relays import OUT, Run, exchange, run, start
from tests.plugin.guests import answer, plugin_file, send, wat

NEEDED = (
    "proxy_get_buffer_bytes",
    "proxy_log",
    "proxy_on_configure",
    "proxy_on_request_headers",
    "proxy_on_vm_start",
)
"""A relay reads its script, runs it in a phase, and logs the results."""


def called(plugin: PluginHost) -> list[str]:
    return [row.name for row in plugin.trace() if row.name.startswith("proxy_on_")]


def test_without_a_list_everything_is_allowed() -> None:
    """An empty map, in Envoy."""
    assert all(is_allowed(name, frozenset()) for name in CAPABILITIES)
    assert run(("request_headers", "proxy_get_log_level", OUT)).statuses == [Status.OK]


def test_a_host_call_that_is_not_listed_is_an_internal_failure() -> None:
    """EC RestrictCapabilities. It links, and is refused each time; the log says so once."""
    steps = [("request_headers", "proxy_get_log_level", OUT), ("request_headers", "proxy_get_log_level", OUT)]
    with start(*steps, allowed_capabilities=NEEDED) as plugin:
        exchange(plugin)
        outcome = Run(plugin, exchange(plugin), "relay.wat")
        assert outcome.statuses == [Status.INTERNAL_FAILURE] * 4
        assert plugin.logs(LogLevel.ERROR) == [
            "proxy_get_log_level is not in allowed_capabilities: it is refused"
        ]
        assert plugin.failures == 0


def test_a_host_call_that_is_listed_works() -> None:
    """EC AllowLog: only listed names do."""
    outcome = run(
        ("request_headers", "proxy_get_log_level", OUT),
        ("request_headers", "proxy_get_current_time_nanoseconds", OUT),
        allowed_capabilities=(*NEEDED, "proxy_get_log_level"),
    )
    assert outcome.statuses == [Status.OK, Status.INTERNAL_FAILURE]


def test_a_callback_that_is_not_listed_is_not_called() -> None:
    """EC AllowOnVmStart, AllowOnContextCreate: the answer is as if it were not exported."""
    with start(("request_headers", "proxy_get_log_level", OUT), allowed_capabilities=NEEDED) as plugin:
        assert exchange(plugin).to_client.status == 200
        allowed = {name for name in NEEDED if name.startswith("proxy_on_")}
        assert set(called(plugin)) - {"proxy_on_memory_allocate"} == allowed


def test_a_plugin_without_on_configure_starts() -> None:
    """A relay without it has no script, and does nothing."""
    with PluginHost(
        wat("relay"), relay.script(("configure", relay.RETURN, 0)), allowed_capabilities=["proxy_log"]
    ) as plugin:
        assert called(plugin) == []
        with plugin.http_stream() as stream:
            send(stream)
            answer(stream)
        assert stream.to_client.status == 200
        assert called(plugin) == []


@pytest.mark.parametrize("name", ["clock_time_get", "random_get"])
def test_a_wasi_function_that_is_not_listed_is_not_capable(name: str) -> None:
    """EC AllowWASI."""
    arguments = (0, 0, OUT) if name == "clock_time_get" else (OUT, 8)
    for allowed, expected in ((NEEDED, WasiErrno.NOTCAPABLE), ((*NEEDED, name), WasiErrno.SUCCESS)):
        outcome = run(
            ("request_headers", name, *arguments), file="relay_wasi.wat", allowed_capabilities=allowed
        )
        assert [WasiErrno(result) for _, _, result in outcome.results] == [expected]


def test_what_every_module_needs_is_no_capability() -> None:
    """Start functions and allocators: without them there would be no guest."""
    assert not CAPABILITIES & {"_initialize", "_start", "malloc", "proxy_on_memory_allocate", "pthread_equal"}
    with PluginHost(plugin_file("lifecycle"), allowed_capabilities=["random_get"]) as plugin:
        assert plugin.is_up


def test_restricted_and_unrestricted_vms_come_of_one_module() -> None:
    """It is compiled once; what a plugin may call is decided where it is linked."""
    module = Module(wat("relay"))
    script = relay.script(("request_headers", "proxy_get_log_level", OUT))
    with PluginHost(module, script) as free, PluginHost(module, script, allowed_capabilities=NEEDED) as bound:
        found = [Run(plugin, exchange(plugin), "relay.wat").statuses for plugin in (free, bound, free)]
        assert found[:2] == [[Status.OK], [Status.INTERNAL_FAILURE]]


def test_every_vm_of_the_plugin_is_restricted() -> None:
    """EC ThreadLocalCopy: those behind a trap, and those of each stream."""
    steps = [("request_headers", "proxy_get_log_level", OUT)]
    for isolation in Isolation:
        with start(*steps, allowed_capabilities=NEEDED, isolation=isolation) as plugin:
            for _ in range(2):
                assert set(Run(plugin, exchange(plugin), "relay.wat").statuses) == {Status.INTERNAL_FAILURE}


def test_a_body_that_may_not_be_changed_streams_on() -> None:
    """The host knows that no length will have to be told anew."""
    module = Module(wat("relay"))
    assert module.writes_bodies()
    assert not module.writes_bodies(frozenset(NEEDED))
    assert not module.takes_request_bodies(frozenset(NEEDED))
