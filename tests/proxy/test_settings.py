"""What the configuration says reaches what obeys it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from typing import Any

import pytest

from host.config import HttpLimits, Listen
from host.errors import ListenError
from host.http.deadlines import sweeps
from host.http.settings import HttpSettings
from host.plugin.breaker import CircuitBreaker
from host.plugin.plugin import FailurePolicy, Isolation
from host.plugin.settings import RecycleLimits
from host.proxy import bind, http_settings
from host.sockets import bind_all
from tests.proxy.assembling import NODE, assembled, plugin, route


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run it for half a minute at most."""
    asyncio.run(asyncio.wait_for(test, 30))


def test_the_defaults_are_the_same_on_both_sides() -> None:
    """A program that embeds the HTTP side alone meets the limits that docs/configuration.md lists."""
    assert http_settings(HttpLimits()) == HttpSettings()


@pytest.mark.parametrize(
    ("key", "value", "setting"),
    [
        ("client_header_timeout", 7.0, "head_timeout"),
        ("client_body_timeout", 7.0, "body_timeout"),
        ("send_timeout", 7.0, "send_timeout"),
        ("keepalive_timeout", 7.0, "keepalive_timeout"),
        ("keepalive_requests", 7, "max_requests"),
        ("client_max_header_size", 7000, "max_head_bytes"),
        ("max_headers", 7, "max_fields"),
        ("client_max_body_size", 7, "max_body_bytes"),
        ("worker_connections", 7, "max_connections"),
    ],
)
def test_every_limit_has_its_setting(key: str, value: float, setting: str) -> None:
    """And changes no other."""
    changed = http_settings(dataclasses.replace(HttpLimits(), **{key: value}))
    assert changed == dataclasses.replace(HttpSettings(), **{setting: value})


def test_the_table_above_has_every_limit() -> None:
    """A new key needs a row there."""
    (mark,) = test_every_limit_has_its_setting.pytestmark  # type: ignore[attr-defined]
    assert {row[0] for row in mark.args[1]} == {field.name for field in dataclasses.fields(HttpLimits)}


def test_a_keepalive_timeout_of_zero_is_no_keepalive() -> None:
    """As in nginx."""
    assert http_settings(HttpLimits(keepalive_timeout=0)).max_requests == 1


def test_every_key_of_a_plugin_reaches_it() -> None:
    """Names, limits, deadlines, policy, and the VM's."""

    async def test() -> None:
        text = (
            f"wasm: {{plugins: [{{name: p, priority: 1, file: {plugin('body')}, root_id: r, failure_policy: fail_open,"
            " callback_timeout: 20ms, start_timeout: 3s, max_memory_size: 64m, max_request_body_size: 1k,"
            " max_response_body_size: 2k, log_level: warn, allow_on_headers_stop_iteration: true, decode_bodies: true, isolation: route, callback_fuel: 9,"
            " capability_restriction_config: {allowed_capabilities: [proxy_log]},"
            " recycle: {max_memory_size: 8m, max_requests: 7, max_age: 1m},"
            " circuit_breaker: {max_overruns: 2, interval: 3s, open_time: 4s}, vm_config: {vm_id: v, configuration: c,"
            f" environment_variables: {{key_values: {{A: b}}}}}}}}]}}\nroutes: [{{uri: /a, {NODE}}}]"
        )
        async with assembled(text) as assembly:
            (made,) = assembly.plugins.values()
            settings = made.settings
            assert (settings.name, settings.root_id) == ("p", "r")
            assert settings.policy is FailurePolicy.FAIL_OPEN
            assert (settings.max_request_body_size, settings.max_response_body_size) == (1024, 2048)
            assert settings.allow_on_headers_stop_iteration
            assert settings.isolation is Isolation.ROUTE
            assert settings.recycle == RecycleLimits(8 << 20, 7, 60.0)
            assert settings.circuit_breaker == CircuitBreaker(2, 3.0, 4.0)
            assert (settings.vm.callback_fuel, settings.vm.allowed_capabilities) == (9, {"proxy_log"})
            assert settings.decode_bodies
            vm = settings.vm
            assert (vm.vm_id, vm.configuration, vm.environment) == ("v", b"c", {"A": "b"})
            assert (vm.callback_deadline, vm.start_deadline) == (20, 3000)
            assert (vm.memory_limit, vm.log_level.name) == (64 << 20, "WARN")

    run(test())


def test_every_key_of_an_upstream_reaches_it() -> None:
    """A route's timeout takes the place of its upstream's."""

    async def test() -> None:
        text = """
upstreams:
  - id: 1
    nodes: {"127.0.0.1:1": 3, "127.0.0.1:2": 0}
    timeout: {connect: 1, send: 2, read: 3}
    retries: 4
    pass_host: rewrite
    upstream_host: example.com
    keepalive_pool: {size: 5, idle_timeout: 6, requests: 7}
routes:
  - {uri: /a, upstream_id: 1}
  - {uri: /b, upstream_id: 1, timeout: {connect: 10, send: 20, read: 30}}
  - {uri: /c, upstream_id: 1}
"""
        async with assembled(text) as assembly:
            upstream = route(assembly, "/a").upstream
            assert (upstream.connect_sweeps, upstream.send_sweeps, upstream.read_sweeps) == tuple(
                map(sweeps, (1, 2, 3))
            )
            assert upstream.retries == 4
            assert [node.node.weight for node in upstream.nodes] == [3, 0]
            assert [node.host for node in upstream.nodes] == [b"example.com"] * 2
            assert (upstream._pool_size, upstream._idle_sweeps, upstream._keepalive_requests) == (
                5,
                sweeps(6),
                7,
            )
            assert route(assembly, "/b").upstream.read_sweeps == sweeps(30)
            assert route(assembly, "/c").upstream is upstream

    run(test())


def test_the_keys_of_a_route_reach_it() -> None:
    """Upgrades and trusted lengths are off unless they are asked for, as in APISIX; a service can ask too."""

    async def test() -> None:
        text = f"""
services: [{{id: s, enable_websocket: true, {NODE}}}]
routes:
  - {{id: plain, uri: /a, {NODE}}}
  - {{id: set, uri: /b, enable_websocket: true, trust_content_length: true, {NODE}}}
  - {{id: service, uri: /c, service_id: s}}
  - {{id: own, uri: /d, service_id: s, enable_websocket: false}}
"""
        async with assembled(text) as assembly:
            made = [route(assembly, path) for path in ("/a", "/b", "/c", "/d")]
            assert [each.id for each in made] == ["plain", "set", "service", "own"]
            assert [each.enable_websocket for each in made] == [False, True, True, False]
            assert [each.trust_content_length for each in made] == [False, True, False, False]

    run(test())


def test_an_address_that_is_taken_is_named() -> None:
    """Whatever had been bound before it is closed again."""
    (first,) = bind([Listen("127.0.0.1", 0)])
    with first:
        port = first.getsockname()[1]
        with pytest.raises(ListenError, match=f"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
            bind([Listen("127.0.0.1", 0), Listen("127.0.0.1", port)])


def test_an_address_that_does_not_exist_is_named() -> None:
    """A name that cannot be resolved too."""
    with pytest.raises(ListenError, match=r"^cannot listen on 192\.0\.2\.1:0: "):
        bind([Listen("192.0.2.1", 0)])
    with pytest.raises(ListenError, match=r"^cannot listen on no\.such\.host\.invalid:1: "):
        bind([Listen("no.such.host.invalid", 1)])


def test_each_worker_has_a_socket_of_its_own_for_each_address() -> None:
    """Port 0 becomes one port for all of them."""
    sockets = bind_all((Listen("127.0.0.1", 0), Listen("127.0.0.1", 0)), 3)
    try:
        assert [len(own) for own in sockets] == [2, 2, 2]
        ports = [[each.getsockname()[1] for each in own] for own in sockets]
        assert ports[0] == ports[1] == ports[2]
        assert len(set(ports[0])) == 2
    finally:
        for own in sockets:
            for each in own:
                each.close()
