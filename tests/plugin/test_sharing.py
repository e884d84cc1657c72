"""One VM for several plugins (`vm_id`), and the root contexts in it."""

from __future__ import annotations

from typing import Any

import pytest

from abi.types import LogLevel
from host.errors import PluginStartError
from host.plugin.plugin import FailurePolicy, Isolation
from host.testing import ChainHost, HostedStream, WasmPlugin
from host.wasm.vm import VmSettings
from testdata import relay
from tests.plugin.guests import answer, send, wat


def settings(vm_id: str = "v", **others: Any) -> VmSettings:
    return VmSettings(vm_id=vm_id, log_level=LogLevel.TRACE, trace_rows=1024, **others)


def factory(name: str, root_id: str = "", vm: VmSettings | None = None, **options: Any) -> WasmPlugin:
    return WasmPlugin(
        wat("factories"), name=name, root_id=root_id, vm=vm if vm is not None else settings(), **options
    )


def serve(chain: ChainHost) -> HostedStream:
    with chain.http_stream() as stream:
        send(stream)
        answer(stream)
    return stream


def fields(stream: HostedStream, name: bytes) -> list[bytes]:
    return [value for key, value in stream.to_client.headers or () if key == name]


def test_plugins_with_one_vm_id_share_a_vm_and_its_memory() -> None:
    """EC VmCache: same configuration of the VM, same handle. Each sees the count of both."""
    with ChainHost([factory("a"), factory("b")]) as chain:
        assert chain.plugins["a"].vm is chain.plugins["b"].vm
        assert fields(serve(chain), b"x-count") == [b"00000002"] * 2
        assert fields(serve(chain), b"x-count") == [b"00000004"] * 2


@pytest.mark.parametrize(
    "other",
    [
        settings("w"),
        settings(configuration=b"{}"),
        settings(environment={"A": "1"}),
        settings(memory_limit=1 << 20),
        VmSettings(),
    ],
    ids=["vm_id", "configuration", "environment", "memory", "no vm_id"],
)
def test_plugins_whose_vms_differ_share_none(other: VmSettings) -> None:
    """Envoy's vm_key, and the limits: no plugin gets those of another."""
    with ChainHost([factory("a"), factory("b", vm=other)]) as chain:
        assert chain.plugins["a"].vm is not chain.plugins["b"].vm
        assert fields(serve(chain), b"x-count") == [b"00000001"] * 2


def test_without_a_vm_id_each_plugin_has_its_own_vm() -> None:
    """Sharing is asked for, never a surprise."""
    with ChainHost([factory("a", vm=settings("")), factory("b", vm=settings(""))]) as chain:
        assert chain.plugins["a"].vm is not chain.plugins["b"].vm


def test_a_plugin_that_asks_for_isolation_shares_with_no_one() -> None:
    """Its vm_id then names the scope of shared data alone."""
    filters = [factory("a"), factory("b", isolation=Isolation.ROUTE)]
    with ChainHost(filters) as chain:
        assert chain.plugins["a"].vm is not chain.plugins["b"].vm


@pytest.mark.parametrize(
    ("root_id", "expected"), [("one", [b"one"]), ("two", [b"two"]), ("six", []), ("", [])]
)
def test_the_root_id_chooses_the_factory(root_id: str, expected: list[bytes]) -> None:
    """EH RootId1, RootId2, RootIdNotRegistered: an unknown one lets everything pass."""
    with ChainHost([factory("a", root_id)]) as chain:
        stream = serve(chain)
        assert fields(stream, b"x-factory") == expected
        assert stream.to_client.status == 200


def test_each_plugin_of_a_vm_has_a_root_of_its_own() -> None:
    """Two factories in one VM, two plugins, one of them with two configurations."""
    filters = [factory("a", "one"), factory("b", "two"), factory("a", "one", configuration=b"2")]
    with ChainHost(filters) as chain:
        assert fields(serve(chain), b"x-factory") == [b"one", b"two", b"one"]
        vm = chain.plugins["a"].vm
        assert vm is not None
        assert vm.contexts == 3


def test_the_start_callbacks_run_for_each_root() -> None:
    """context_create(root, 0), on_vm_start(root), on_configure(root), and then those of the next."""
    script = relay.script(("configure", "proxy_get_log_level", 4096))
    filters = [WasmPlugin(wat("relay"), script, name=name, vm=settings()) for name in ("a", "b")]
    with ChainHost(filters) as chain:
        calls = ("proxy_on_context_create", "proxy_on_vm_start", "proxy_on_configure")
        rows = [(row.name, row.context) for row in chain.trace() if row.name in calls]
        assert rows == [(name, root) for root in (1, 2) for name in calls]


def test_lines_carry_the_name_of_their_own_plugin() -> None:
    """E prefixes the plugin's name: here it is a field of the line."""
    script = relay.script(
        ("configure", "proxy_log", 2, b"c"),
        ("request_headers", "proxy_log", 2, b"r"),
        ("delete", "proxy_log", 2, b"d"),
    )
    filters = [WasmPlugin(wat("relay"), script, name=name, vm=settings()) for name in ("a", "b")]
    with ChainHost(filters) as chain:
        send(chain.http_stream())
    found = [(line.message, line.plugin) for line in chain.lines if len(line.message) == 1]
    assert found == [("c", "a"), ("c", "b"), ("r", "a"), ("r", "b"), *[("d", "a"), ("d", "b")] * 2]


def test_a_failure_concerns_all_plugins_of_the_vm() -> None:
    """And so does what comes after it: one VM, with the contexts of both."""
    script = relay.script(("response_headers", "unreachable"))
    quiet = relay.script()
    filters = [
        WasmPlugin(wat("relay"), quiet, name="a", vm=settings()),
        WasmPlugin(wat("relay"), script, name="b", vm=settings()),
    ]
    with ChainHost(filters) as chain:
        first = chain.http_stream()
        send(first)
        second = serve(chain)
        assert second.to_client.status == 503
        assert first.to_client.status == 503
        assert [plugin.failures for plugin in chain.plugins.values()] == [1, 1]
        assert [event.plugin for event in chain.events] == ["a", "b"]
        chain.run_background()
        assert chain.plugins["a"].vm is chain.plugins["b"].vm
        assert chain.plugins["a"].vm is not None
        assert chain.plugins["a"].vm.contexts == 2


def test_the_vm_stays_for_the_plugin_that_stays() -> None:
    """C vm_id_handle: the last release frees."""
    with ChainHost([factory("a"), factory("b")]) as chain:
        vm = chain.plugins["a"].vm
        chain.plugins["a"].close()
        assert chain.plugins["b"].vm is vm
        assert vm is not None
        assert vm.contexts == 1
        chain.plugins["b"].close()
        assert chain.plugins["b"].vm is None
        assert vm.contexts == 0


def test_a_plugin_that_is_refused_does_not_harm_the_other() -> None:
    """Its configuration alone is at fault."""
    with pytest.raises(PluginStartError, match="plugin b: proxy_on_configure"):
        ChainHost(
            [
                WasmPlugin(wat("relay"), relay.script(), name="a", vm=settings()),
                WasmPlugin(
                    wat("relay"), relay.script(("configure", relay.RETURN, 0)), name="b", vm=settings()
                ),
            ]
        )


def test_policies_that_differ_keep_plugins_apart() -> None:
    """What becomes of a VM that has failed is decided for all of it."""
    with ChainHost([factory("a"), factory("b", failure_policy=FailurePolicy.FAIL_OPEN)]) as chain:
        assert chain.plugins["a"].vm is not chain.plugins["b"].vm
