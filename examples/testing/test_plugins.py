"""How plugins are tested: docs/testing-your-plugin.md shows each test here. Run them with `pytest examples/testing`."""

from pathlib import Path

from wasmtime import wat2wasm

from abi import PeerType
from host import (
    Action,
    ChainHost,
    ConnectionContext,
    ConnectionFilter,
    FailurePolicy,
    FilterContext,
    LogLevel,
    PythonFilter,
    WasmPlugin,
)
from host.testing import CallFailure, Isolation, RecycleLimits, Stores

PLUGINS = Path(__file__).parents[2] / "testdata" / "plugins"
GET = [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"example.test"), (b":scheme", b"http")]


# [headers]
def test_it_adds_a_header(plugin_host):
    plugin = plugin_host(
        PLUGINS / "http_headers/plugin.wasm",
        configuration={"request": [{"op": "add", "name": "test", "value": "best"}]},
    )
    stream = plugin.http_stream()
    action = stream.request_headers([*GET, (b"key1", b"value1")], end_of_stream=True)
    assert action is Action.CONTINUE
    assert (b"test", b"best") in stream.to_upstream.headers
    stream.close()  # on_log, on_done, on_delete
    assert "request header --> key1: value1" in plugin.logs(LogLevel.INFO)


# [bodies]
def test_it_replaces_the_body_of_a_response(plugin_host):
    edit = {"mode": "buffered", "edits": [{"op": "replace", "data": "new"}]}
    plugin = plugin_host(PLUGINS / "body/plugin.wasm", {"response": edit})
    stream = plugin.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    stream.response_headers([(b":status", b"200")])
    assert stream.response_body(b"old") is Action.PAUSE  # it waits for the end
    assert stream.response_body(b" body", end_of_stream=True) is Action.CONTINUE
    assert stream.to_client.status == 200
    assert stream.to_client.body == b"new"


# [local]
def test_it_answers_for_the_upstream(plugin_host):
    answer = {"phase": "request_headers", "code": 403, "body": "no\n"}
    plugin = plugin_host(PLUGINS / "local_response/plugin.wasm", {"responses": [answer]})
    stream = plugin.http_stream()
    assert stream.request_headers(GET, end_of_stream=True) is Action.PAUSE
    assert stream.local_response.status == 403
    assert stream.local_response.body == b"no\n"
    assert stream.to_upstream.headers is None  # nothing went there


# [time]
def test_it_holds_a_request_until_a_tick(plugin_host):
    configuration = {"pause": ["request_headers"], "resume": "tick", "tick_period_milliseconds": 20}
    plugin = plugin_host(PLUGINS / "pause_resume/plugin.wasm", configuration)
    stream = plugin.http_stream()
    assert stream.request_headers(GET, end_of_stream=True) is Action.PAUSE
    plugin.advance(0.02)  # seconds; no one waits
    assert stream.to_upstream.ended


# [calls]
def test_it_asks_before_it_lets_pass(plugin_host):
    configuration = {"upstream": "auth", "path": "/check", "forward": ["authorization"], "copy": ["x-user"]}
    plugin = plugin_host(PLUGINS / "callout/plugin.wasm", configuration, upstreams=["auth"])
    stream = plugin.http_stream()
    stream.request_headers([*GET, (b"authorization", b"Bearer 7")], end_of_stream=True)
    (call,) = plugin.calls
    assert call.upstream == "auth"
    assert call.get(b":path") == b"/check"
    assert call.get(b"authorization") == b"Bearer 7"
    assert stream.request_paused
    call.respond(200, [(b"x-user", b"mary")])
    assert (b"x-user", b"mary") in stream.to_upstream.headers


def test_nobody_passes_without_an_answer(plugin_host):
    configuration = {"upstream": "auth", "timeout_milliseconds": 500}
    plugin = plugin_host(PLUGINS / "callout/plugin.wasm", configuration)
    stream = plugin.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    plugin.advance(0.5)
    assert stream.local_response.status == 503
    assert stream.local_response.body == b"no answer: timeout\n"
    refused = plugin.http_stream()
    refused.request_headers(GET, end_of_stream=True)
    plugin.calls[0].fail(CallFailure.CONNECTION_REFUSED)
    assert refused.local_response.body == b"no answer: connection refused\n"


# [grpc]
def test_it_asks_a_grpc_server(plugin_host):
    plugin = plugin_host(PLUGINS / "grpc_check/plugin.wasm", b"check", upstreams=["check"])
    stream = plugin.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    (call,) = plugin.grpc_calls
    assert (call.upstream, call.service, call.method) == ("check", "test.Echo", "Unary")
    assert call.messages == [b"/"]
    call.respond(b"fine")
    assert (b"x-grpc-answer", b"fine") in stream.to_upstream.headers


def test_a_grpc_stream_is_played(plugin_host):
    plugin = plugin_host(PLUGINS / "grpc_check/plugin.wasm", b"check")
    stream = plugin.http_stream()
    stream.request_headers([(b":method", b"GET"), (b":path", b"/stream")], end_of_stream=True)
    (call,) = plugin.grpc_calls
    assert call.messages == [b"one", b"two", b"three"]
    assert call.is_half_closed
    call.send_initial_metadata()
    call.send(b"answer")
    call.close(8, "too much", [(b"grpc-status", b"8")])
    heard = b"began 200, answer, trailing 8, closed 8"
    assert (b"x-grpc-answer", heard) in stream.to_upstream.headers


# [trap]
def test_a_trap_costs_one_request(plugin_host):
    plugin = plugin_host(
        PLUGINS / "trap/plugin.wasm",
        {"phase": "request_headers", "header": "x-trap"},
        failure_policy=FailurePolicy.FAIL_RELOAD,
    )
    stream = plugin.http_stream()
    stream.request_headers([*GET, (b"x-trap", b"1")], end_of_stream=True)
    assert stream.to_client.status == 503
    assert plugin.last_failure.reason.startswith("proxy_on_request_headers: ")
    healthy = plugin.http_stream()  # on a new VM
    assert healthy.request_headers(GET, end_of_stream=True) is Action.CONTINUE


# [isolation]
def test_its_requests_know_nothing_of_each_other(plugin_host):
    module = bytes(
        wat2wasm((PLUGINS.parent / "wat/factories.wat").read_text())
    )  # counts requests in a global
    plugin = plugin_host(module, isolation=Isolation.STREAM)
    for _ in range(3):
        stream = plugin.http_stream()
        stream.request_headers(GET, end_of_stream=True)
        stream.response_headers([(b":status", b"200")], end_of_stream=True)
        stream.close()
        assert stream.to_client.get(b"x-count") == b"00000001"


def test_it_bears_to_be_recycled(plugin_host):
    plugin = plugin_host(PLUGINS / "ticks/plugin.wasm", recycle=RecycleLimits(max_requests=1))
    waiting, quick = plugin.http_stream(), plugin.http_stream()
    waiting.request_headers(GET, end_of_stream=True)
    quick.request_headers(GET, end_of_stream=True)
    quick.close()
    assert plugin.counts.recycled == 1
    waiting.response_headers([(b":status", b"200")], end_of_stream=True)  # on the VM that it began on
    assert waiting.to_client.status == 200


# [trace]
def test_it_makes_three_host_calls(plugin_host):
    configuration = {"phase": "request_headers", "calls": {"proxy_get_header_map_value": 2, "proxy_log": 1}}
    plugin = plugin_host(PLUGINS / "hostcalls_count/plugin.wasm", configuration)
    stream = plugin.http_stream()
    stream.request_headers(GET, end_of_stream=True)
    assert len(plugin.trace("proxy_get_header_map_value")) == 2
    (call,) = plugin.trace("proxy_log")
    assert call.result == 0  # Status.OK


# [shared]
def test_it_counts_with_others(plugin_host):
    configuration = {"count": 2, "time_window": 60, "key_type": "constant", "key": "all"}
    stores = Stores()
    plugins = [
        plugin_host(PLUGINS / "rate_limit/plugin.wasm", configuration, stores=stores) for _ in range(2)
    ]
    statuses = []
    for plugin in [*plugins, *plugins]:
        stream = plugin.http_stream()
        stream.request_headers(GET, end_of_stream=True)
        statuses.append(stream.to_client.status)
    assert statuses == [None, None, 429, 429]
    del plugins[0].shared_data[b"rate_limit//all"]
    stream = plugins[1].http_stream()
    assert stream.request_headers(GET, end_of_stream=True) is Action.CONTINUE


def test_it_takes_what_another_sends(plugin_host):
    plugin = plugin_host(bytes(wat2wasm((PLUGINS.parent / "wat/shared_queue.wat").read_text())))
    plugin.shared_queue(b"paths").enqueue(b"/from/elsewhere")
    assert plugin.logs(LogLevel.INFO) == ["/from/elsewhere"]
    assert plugin.shared_queue(b"paths").items == []


# [metrics]
def test_it_counts_requests(plugin_host):
    plugin = plugin_host(bytes(wat2wasm((PLUGINS.parent / "wat/counting.wat").read_text())))
    plugin.http_stream().request_headers(GET, end_of_stream=True)
    assert plugin.metrics == {"hits": 1}


# [chain]
class AddTenant(PythonFilter):
    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        context.request_headers.set(b"x-tenant", b"acme")


def test_it_works_with_what_runs_before_it():
    configuration = {"request": [{"op": "get", "name": "x-tenant"}]}
    with ChainHost([AddTenant(), WasmPlugin(PLUGINS / "http_headers/plugin.wasm", configuration)]) as chain:
        stream = chain.http_stream()
        stream.request_headers(GET, end_of_stream=True)
        assert (b"x-tenant", b"acme") in stream.to_upstream.headers
        assert any("x-tenant" in line for line in chain.logs(plugin="http_headers"))


# [connection]
class Banner(ConnectionFilter):
    def on_upstream_data(self, context: ConnectionContext, end_of_stream: bool) -> None:
        context.upstream_data = b"* " + context.upstream_data


def test_a_filter_of_connections() -> None:
    with ChainHost([Banner()]) as chain:
        connection = chain.connection()
        assert connection.new_connection() is Action.CONTINUE
        assert connection.is_connected  # the gateway would connect the upstream now
        connection.downstream_data(b"hello")
        connection.upstream_data(b"world", end_of_stream=True)
        connection.upstream_close(PeerType.REMOTE)
        assert connection.to_upstream.data == b"hello"
        assert connection.to_client.data == b"* world"
        assert connection.to_client.ended
        connection.close()


# [end]


# [gateway]
def test_the_client_gets_it_from_a_real_gateway(proxy_server, upstream):
    upstream.respond(200, [("X-Powered-By", "PHP/5")], b"hello")
    conf = {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}
    file = str(PLUGINS / "custom_response_header/plugin.wasm")
    proxy = proxy_server(
        {
            "wasm": {"plugins": [{"name": "custom-response-header", "priority": 7000, "file": file}]},
            "routes": [
                {
                    "uri": "/*",
                    "upstream": {"nodes": {upstream.node: 1}},
                    "plugins": {"custom-response-header": {"conf": conf}},
                }
            ],
        }
    )
    answer = proxy.request("GET", "/orders?page=2", {"X-Request-Id": "7"})
    assert (answer.status, answer.body) == (200, b"hello")
    assert answer.header("X-Go-Wasm") == "APISIX"
    assert upstream.requests[0].target == "/orders?page=2"
