"""A guest that traps in every callback in turn, under every policy and every isolation."""

from __future__ import annotations

from typing import Any

import pytest

from host.plugin.plugin import FailurePolicy, Isolation
from host.testing import ChainHost, HostedStream, WasmPlugin
from host.wasm.vm import FailureKind
from testdata import relay
from tests.hostcalls.relays import REQUEST, REQUEST_TRAILERS, RESPONSE, RESPONSE_TRAILERS, exchange, start
from tests.plugin.guests import wat

BEFORE_THE_HEAD = [
    "context_create",
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
]
BEHIND_THE_HEAD = ["response_trailers", "log", "done", "delete"]
POLICIES = list(FailurePolicy)
CLOSED, OPEN = FailurePolicy.FAIL_CLOSED, FailurePolicy.FAIL_OPEN


@pytest.mark.parametrize("phase", BEFORE_THE_HEAD + BEHIND_THE_HEAD)
@pytest.mark.parametrize("isolation", list(Isolation))
@pytest.mark.parametrize("policy", POLICIES)
def test_a_trap_costs_its_stream_and_then_the_policy_rules(
    phase: str, isolation: Isolation, policy: FailurePolicy
) -> None:
    """The stream whose callback it is gets 503 under each policy, as in Envoy; what counts is who comes next."""
    expected = 503 if phase in BEFORE_THE_HEAD else 200
    with start((phase, relay.TRAP), failure_policy=policy, isolation=isolation) as plugin:
        stream = exchange(plugin)
        assert stream.to_client.status == expected
        assert plugin.failures == 1
        assert plugin.last_failure is not None
        assert plugin.last_failure.kind is FailureKind.TRAP
        assert plugin.last_failure.reason.startswith(f"proxy_on_{phase}: ")
        plugin.advance(120)
        second = exchange(plugin)
        stays_down = not isolation.is_per_stream and policy is not FailurePolicy.FAIL_RELOAD
        if stays_down:
            assert second.to_client.status == (200 if policy is OPEN else 503)
        else:
            assert second.to_client.status == expected
        assert plugin.failures == (1 if stays_down else 2)


@pytest.mark.parametrize("phase", BEFORE_THE_HEAD + BEHIND_THE_HEAD)
def test_nothing_is_called_behind_a_trap(phase: str) -> None:
    """E: no more calls into the VM, not even done and delete."""
    with start((phase, relay.TRAP), failure_policy=CLOSED) as plugin:
        exchange(plugin)
        callbacks = [row.name for row in plugin.trace() if row.name.startswith("proxy_on_")]
        assert callbacks[-1] == f"proxy_on_{phase}"


def whole(stream: HostedStream) -> None:
    stream.request_headers(REQUEST)
    stream.request_body(b"hello", end_of_stream=False)
    stream.request_trailers(REQUEST_TRAILERS)
    stream.response_headers(RESPONSE)
    stream.response_body(b"world", end_of_stream=False)
    stream.response_trailers(RESPONSE_TRAILERS)
    stream.close()


@pytest.mark.parametrize("phase", BEFORE_THE_HEAD + BEHIND_THE_HEAD)
@pytest.mark.parametrize("isolation", list(Isolation))
def test_the_neighbours_in_the_chain_see_the_whole_exchange(phase: str, isolation: Isolation) -> None:
    """Each has its VM: one begins, one dies, one ends."""
    seen: list[Any] = []
    filters = [
        WasmPlugin(
            wat("relay"), relay.script(("log", "proxy_log", 2, b"end")), name="before", isolation=isolation
        ),
        WasmPlugin(wat("relay"), relay.script((phase, relay.TRAP)), name="traps", isolation=isolation),
        WasmPlugin(
            wat("relay"), relay.script(("log", "proxy_log", 2, b"end")), name="behind", isolation=isolation
        ),
    ]
    with ChainHost(filters) as chain:
        whole(chain.http_stream())
        seen = [line.plugin for line in chain.lines if line.message == "end" and line.request]
        assert [chain.plugins[name].failures for name in ("before", "traps", "behind")] == [0, 1, 0]
    assert seen == ["before", "behind"]
