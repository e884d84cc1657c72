"""Plugins of APISIX's Go runner, of Kong and of Tyk, compiled by the real Go and run on the real host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abi.types import Action, LogLevel
from host.building.builder import Built, build
from host.building.kinds import Kind
from host.errors import PluginStartError
from host.testing import CallFailure, ChainHost, PluginHost, ProxyServer, UpstreamServer, WasmPlugin
from host.testing.stream import HostedStream
from host.testing.upstream import Response

pytestmark = [pytest.mark.builds_peers, pytest.mark.timeout(600)]

SOURCES = Path(__file__).parent / "recompile"
REQUEST = [
    (b":method", b"GET"),
    (b":path", b"/get?a=1"),
    (b":authority", b"outer.example"),
    (b":scheme", b"http"),
]
Compile = Callable[[str], Built]


@pytest.fixture(scope="module")
def compiled(
    require_peer: Callable[[Path | str | None, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Compile:
    """A function that compiles one of the sources beside this file, once."""
    require_peer(shutil.which("go"), "Go 1.24 or newer")
    folder, done = tmp_path_factory.mktemp("compiled"), dict[str, Built]()

    def compile_(name: str) -> Built:
        if name not in done:
            done[name] = build(SOURCES / name, folder / f"{Path(name).stem}.wasm")
        return done[name]

    return compile_


def host(built: Built, configuration: Any = None) -> PluginHost:
    """The plugin, with no setting but its configuration."""
    return PluginHost(built.output, configuration)


def get(plugin: ChainHost, *fields: tuple[bytes, bytes]) -> HostedStream:
    """A request without a body."""
    stream = plugin.http_stream()
    stream.request_headers([*REQUEST, *fields], end_of_stream=True)
    return stream


def field(stream: HostedStream, name: bytes) -> list[bytes]:
    """The values of a field, as the upstream gets them."""
    return [value for key, value in stream.to_upstream.headers or () if key == name]


# --- APISIX


def apisix(name: str, value: str = "") -> list[dict[str, str]]:
    """A configuration as the runner gets it."""
    return [{"name": name, "value": value}]


def test_an_answer_ends_the_request(compiled: Compile) -> None:
    """And has the fields that the plugin gave, and a content type that was found out."""
    with host(compiled("apisix"), apisix("greet", '{"greeting": "hello"}')) as plugin:
        answer = get(plugin).local_response
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"hello")
    assert (b"x-greeter", b"GET plugin") in answer.headers
    assert (b"content-type", b"text/plain; charset=utf-8") in answer.headers


def test_fields_alone_are_no_answer(compiled: Compile) -> None:
    """As in the runner: only a status or content is."""
    with host(compiled("apisix"), apisix("greet", "{}")) as plugin:
        stream = get(plugin)
    assert stream.local_response is None
    assert stream.to_upstream.ended


def test_a_filter_that_asks_for_the_body_waits_for_it(compiled: Compile) -> None:
    """Nothing leaves before; then everything that it has changed does."""
    with host(compiled("apisix"), {"conf": apisix("rewrite")}) as plugin:
        stream = plugin.http_stream()
        head = [(b":method", b"POST"), *REQUEST[1:], (b"x-secret", b"1"), (b"content-length", b"6")]
        assert stream.request_headers(head) is Action.PAUSE
        assert stream.request_body(b"abc") is Action.PAUSE
        assert stream.to_upstream.headers is None
        assert stream.request_body(b"def", end_of_stream=True) is Action.CONTINUE
        assert stream.to_upstream.headers == [
            (b":method", b"POST"),
            (b":path", b"/new%20path?b=2"),
            (b":authority", b"inner.example"),
            (b":scheme", b"http"),
            (b"content-length", b"6"),
            (b"x-ip", b"203.0.113.7"),
        ]
        assert stream.to_upstream.body == b"abcdef"
        stream.response_headers([(b":status", b"200"), (b"content-type", b"a/b")], end_of_stream=True)
        assert stream.to_client.headers == [
            (b":status", b"200"),
            (b"content-type", b"a/b"),
            (b"x-from-request", b"1"),
        ]
        assert plugin.logs() == ["1 POST /get abcdef of 203.0.113.7"]


def test_a_stream_that_ends_while_a_filter_waits(compiled: Compile) -> None:
    """The filter is told, as by a runner's lost connection, and the VM goes on."""
    with host(compiled("apisix"), apisix("rewrite")) as plugin:
        stream = plugin.http_stream()
        assert stream.request_headers(REQUEST) is Action.PAUSE
        stream.close()
        assert plugin.logs() == ["no body: The connection is closed"]
        assert get(plugin).to_upstream.ended
        assert plugin.failures == 0


def test_response_filter(compiled: Compile) -> None:
    """It sees the whole content, and its own takes the place of that."""
    with host(compiled("apisix"), apisix("shout")) as plugin:
        stream = get(plugin)
        head = [(b":status", b"200"), (b"content-length", b"5"), (b"x-inner", b"1")]
        assert stream.response_headers(head) is Action.PAUSE
        stream.response_body(b"he")
        stream.response_body(b"llo", end_of_stream=True)
        assert stream.to_client.body == b"HELLO!"
        assert stream.to_client.headers == [
            (b":status", b"201"),
            (b"content-length", b"6"),
            (b"x-status", b"200"),
        ]


def test_filters_run_in_the_order_of_the_configuration(compiled: Compile) -> None:
    """Up to the first that answers; those of before 0.3 too."""
    conf = [*apisix("old", "x"), *apisix("greet", '{"status": 204}'), *apisix("broken")]
    with host(compiled("apisix"), conf) as plugin:
        answer = get(plugin).local_response
        assert answer is not None
        assert answer.status == 204
    with host(compiled("apisix"), apisix("old", "x")) as plugin:
        assert field(get(plugin), b"x-old") == [b"x"]


def test_phases_of_apisix(compiled: Compile) -> None:
    """Where the configuration names them, a filter runs in its phase alone."""
    conf = {
        "ext-plugin-pre-req": {"conf": apisix("shout")},
        "ext-plugin-post-resp": {"conf": apisix("greet", "{}")},
    }
    with host(compiled("apisix"), conf) as plugin:
        stream = get(plugin)
        stream.response_headers([(b":status", b"200")], end_of_stream=True)
    assert stream.to_client.headers == [(b":status", b"200")]


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (apisix("nobody"), 'no plugin "nobody"; there are: broken, greet, old, rewrite, shout'),
        (apisix("greet", '{"status": 1}'), "plugin greet does not take its configuration: 1 is no status"),
        ({"greeting": "x"}, "name the plugins, as"),
    ],
)
def test_a_configuration_that_apisix_skips_is_refused(
    compiled: Compile, configuration: Any, message: str
) -> None:
    """The runner logs it and goes on without the plugin."""
    with pytest.raises(PluginStartError) as caught:
        host(compiled("apisix"), configuration)
    assert message in "".join(caught.value.__notes__)


def test_a_panic_is_500_and_harms_no_other_request(compiled: Compile) -> None:
    """And says where."""
    with host(compiled("apisix"), apisix("broken")) as plugin:
        for _ in range(2):
            answer = get(plugin).local_response
            assert answer is not None
            assert (answer.status, answer.body) == (500, b'{"error": "Internal Server Error"}')
        assert plugin.failures == 0
        assert "greet.go:" in plugin.logs(LogLevel.CRITICAL)[0]


# --- Kong


def test_kong_phases(compiled: Compile) -> None:
    """All of HTTP's run, on one instance for each configuration."""
    with host(compiled("kong"), {"message": "Kong!"}) as plugin:
        get(plugin).close()
        stream = get(plugin, (b"user-agent", b"test"), (b"x-secret", b"1"))
        assert stream.to_upstream.headers == [
            (b":method", b"GET"),
            (b":path", b"/inner?a=1"),
            (b":authority", b"inner.example"),
            (b":scheme", b"http"),
            (b"user-agent", b"test"),
            (b"x-requests", b"2"),
            (b"x-many", b"1"),
            (b"x-many", b"2"),
        ]
        stream.response_headers([(b":status", b"200")])
        stream.response_body(b"hello", end_of_stream=True)
        assert stream.to_client.headers == [
            (b":status", b"202"),
            (b"x-hello", b"Kong! test by rewrite to outer.example"),
            (b"x-seen", b"200 hello for ann"),
        ]
        stream.close()
        assert plugin.logs(LogLevel.WARN)[-1] == "target: not supported by this host: kong.service.set_target"
        source, text = plugin.logs(LogLevel.INFO)[-1].split(" ", 1)
        record = json.loads(text)
        assert source == "service"
        assert record["response"]["status"] == 202
        assert record["request"]["uri"] == "/inner?a=1"
        assert record["client_ip"] == "203.0.113.7"


def test_kong_exit(compiled: Compile) -> None:
    """Repeated fields stay; the response phase is for what a service answers; the log phase is for all."""
    with host(compiled("kong"), {"exit": 418}) as plugin:
        stream = get(plugin)
        assert stream.local_response is not None
        assert (stream.local_response.status, stream.local_response.body) == (418, b"tea")
        assert [value for name, value in stream.local_response.headers if name == b"x-pot"] == [b"1", b"2"]
        assert stream.to_client.get(b"x-seen") is None
        stream.close()
        assert plugin.logs(LogLevel.INFO)[0].startswith("exit {")


def test_kong_body(compiled: Compile) -> None:
    """It is read whole, and replaced."""
    with host(compiled("kong"), {"body": True}) as plugin:
        stream = plugin.http_stream()
        assert stream.request_headers([*REQUEST, (b"content-length", b"6")]) is Action.PAUSE
        stream.request_body(b"abc")
        stream.request_body(b"def", end_of_stream=True)
        assert stream.to_upstream.body == b"abcdef, seen"
        assert field(stream, b"content-length") == [b"12"]


def test_kong_plugin_without_main(compiled: Compile) -> None:
    """go-pluginserver found New by its symbol; phases of connections are named as not served."""
    with host(compiled("kong_without_main/go-old.go"), {"path": "/x"}) as plugin:
        assert field(get(plugin), b"x-path") == [b"/x"]
        assert "phase Preread is not called" in plugin.logs(LogLevel.WARN)[0]


def test_kong_panic(compiled: Compile) -> None:
    """The request fails, the plugin does not."""
    with host(compiled("kong"), {"panic": True}) as plugin:
        answer = get(plugin).local_response
        assert answer is not None
        assert answer.status == 500
        assert plugin.failures == 0


# --- Tyk


def test_tyk_request_handler(compiled: Compile) -> None:
    """What it changes in *http.Request goes to the upstream."""
    with host(compiled("tyk"), {"post": ["AddField"]}) as plugin:
        stream = get(plugin, (b"x-secret", b"1"))
        assert stream.to_upstream.headers == [
            (b":method", b"GET"),
            (b":path", b"/inner?a=1"),
            (b":authority", b"inner.example"),
            (b":scheme", b"http"),
            (b"foo", b"Bar"),
        ]
        assert plugin.logs(LogLevel.INFO) == ['msg="adding a field" path=/get']


def test_tyk_answer(compiled: Compile) -> None:
    """It stops the chain; fields that come behind the status are late, as in net/http."""
    definition = {
        "config_data": {"api": "mine"},
        "custom_middleware": {"pre": [{"name": "Tell", "path": "x.so"}]},
    }
    with host(compiled("tyk"), definition) as plugin:
        for count in (41, 42):
            answer = get(plugin).local_response
            assert answer is not None
            assert json.loads(answer.body) == {"session": None, "count": count, "api": "mine", "path": "/get"}
        assert (b"x-from", b"203.0.113.7:50000") in answer.headers
        assert not any(name == b"x-late" for name, _ in answer.headers)


@pytest.mark.parametrize(("key", "status"), [(b"right", None), (b"wrong", 403), (b"silent", 403)])
def test_tyk_check(compiled: Compile, key: bytes, status: int | None) -> None:
    """One that neither answers nor sets a session lets nobody in."""
    with host(compiled("tyk"), {"auth_check": "CheckKey", "post_key_auth": ["AddField"]}) as plugin:
        stream = get(plugin, (b"authorization", key))
        assert (stream.local_response.status if stream.local_response else None) == status
        assert field(stream, b"foo") == ([] if status else [b"Bar"])
        if not status:
            stream.response_headers([(b":status", b"200")], end_of_stream=True)
            assert stream.to_client.get(b"x-ratelimit-limit") == b"0"


def test_tyk_session_goes_to_plugins_that_come_after(compiled: Compile) -> None:
    """It is the property `session`, as JSON, for those of other kinds."""
    wasm = compiled("tyk").output
    check = WasmPlugin(wasm, {"auth_check": "CheckKey"}, name="check")
    tell = WasmPlugin(wasm, {"post": "Tell"}, name="tell")
    with ChainHost([check, tell]) as chain:
        stream = get(chain, (b"authorization", b"right"))
        session = json.loads(stream.get_property("session") or b"")  # type: ignore[arg-type]
        assert (session["alias"], session["key_id"]) == ("right-session", "right")
        assert stream.local_response is not None
        assert json.loads(stream.local_response.body)["session"]["alias"] == "right-session"


def test_tyk_body(compiled: Compile) -> None:
    """One handler reads and leaves it, the next one replaces it, and its length is told."""
    with host(compiled("tyk"), {"pre": ["Length", "Upper", "Length"]}) as plugin:
        stream = plugin.http_stream()
        stream.request_headers([*REQUEST, (b"content-length", b"6")])
        stream.request_body(b"abc")
        assert stream.request_body(b"def", end_of_stream=True) is Action.CONTINUE
        assert stream.to_upstream.body == b"ABCDEF"
        assert plugin.logs(LogLevel.INFO) == ["6 bytes", "6 bytes"]


def test_tyk_response_handler(compiled: Compile) -> None:
    """What it changes in *http.Response goes to the client."""
    with host(compiled("tyk"), {"response": ["Mark"]}) as plugin:
        stream = get(plugin)
        stream.response_headers([(b":status", b"200"), (b"content-length", b"5")])
        stream.response_body(b"hello", end_of_stream=True)
        assert stream.to_client.headers == [
            (b":status", b"202"),
            (b"content-length", b"6"),
            (b"x-mark", b"GET hello"),
        ]
        assert stream.to_client.body == b"hello?"


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (
            {"post": ["Nobody"]},
            "no func(http.ResponseWriter, *http.Request) Nobody in the plugin; there are: AddField,",
        ),
        ({"response": ["AddField"]}, "no func(http.ResponseWriter, *http.Response, *http.Request) AddField"),
        ({}, 'name a symbol, as {"post": ["AddField"]}; there are: AddField,'),
        ("[", "the stages:"),
    ],
)
def test_tyk_symbols_that_are_not_there(compiled: Compile, configuration: Any, message: str) -> None:
    """Tyk serves such an API with 500 for each request."""
    with pytest.raises(PluginStartError) as caught:
        host(compiled("tyk"), configuration)
    assert message in "".join(caught.value.__notes__)


def test_tyk_panic(compiled: Compile) -> None:
    """The request fails, the plugin does not."""
    with host(compiled("tyk"), {"pre": ["Broken"]}) as plugin:
        answer = get(plugin).local_response
        assert answer is not None
        assert answer.status == 500
        assert plugin.failures == 0


# --- what runs longer than a callback


def test_a_sleep_stops_no_other_request(compiled: Compile) -> None:
    """It goes on in ticks, also where a lock is held meanwhile that the other one wants."""
    with host(compiled("tyk"), {"pre": ["Delay"]}) as plugin:
        streams = []
        for path in (b"/a", b"/b"):
            streams.append(plugin.http_stream())
            assert (
                streams[-1].request_headers(
                    [(b":method", b"GET"), (b":path", path), *REQUEST[2:]], end_of_stream=True
                )
                is Action.PAUSE
            )
        for _ in range(10_000):  # the guest's clock is the machine's
            plugin.advance(0.002)
            if all(stream.to_upstream.ended for stream in streams):
                break
        assert [field(stream, b"x-delayed") for stream in streams] == [[b"/a"], [b"/b"]]
        before = len(plugin.trace("proxy_on_tick"))
        plugin.advance(1)
        assert len(plugin.trace("proxy_on_tick")) == before
        assert plugin.failures == 0


def test_a_client_of_net_http_calls_by_the_host(compiled: Compile) -> None:
    """The request waits for the answer, and others pass it."""
    with host(compiled("tyk"), {"pre": ["Ask", "AddField"]}) as plugin:
        first, second = get(plugin), get(plugin)
        assert [stream.to_upstream.headers for stream in (first, second)] == [None, None]
        one, other = plugin.calls
        assert one.upstream == "auth"
        assert one.headers == [
            (b":method", b"POST"),
            (b":path", b"/check?a=1"),
            (b":authority", b"auth"),
            (b":scheme", b"http"),
            (b"x-path", b"/get"),
        ]
        assert one.body == b"key"
        other.respond(headers=[(b":status", b"401")])
        assert second.local_response is not None
        assert second.local_response.status == 401
        one.respond(headers=[(b":status", b"200"), (b"x-name", b"ann")], body=b"!")
        assert field(first, b"x-user") == [b"ann!"]
        assert field(first, b"foo") == [b"Bar"]


def test_the_log_phase_may_call_and_sleep(compiled: Compile) -> None:
    """As plugins do that ship logs, though the exchange is over: it goes on in the plugin's own context."""
    with host(compiled("kong"), {"ship": "http://logs/take"}) as plugin:
        stream = get(plugin)
        stream.response_headers([(b":status", b"200")], end_of_stream=True)
        stream.close()
        plugin.advance(0.002)
        call = plugin.calls[0]
        assert (call.upstream, json.loads(call.body)["response"]["status"]) == ("logs", 202)
        call.respond(headers=[(b":status", b"204")])
        for _ in range(10_000):  # the guest's clock is the machine's
            plugin.advance(0.002)
            if "slept" in plugin.logs():
                break
        assert plugin.logs(LogLevel.INFO) == ["shipped: 204 No Content", "slept"]
        assert plugin.logs(LogLevel.ERROR) == []
        before = len(plugin.trace("proxy_on_tick"))
        plugin.advance(1)
        assert len(plugin.trace("proxy_on_tick")) == before


def test_a_call_that_fails(compiled: Compile) -> None:
    """Is an error to the plugin, with the reason."""
    with host(compiled("tyk"), {"pre": ["Ask"]}) as plugin:
        stream = get(plugin)
        plugin.calls[0].fail(CallFailure.TIMEOUT)
        assert stream.local_response is not None
        assert stream.local_response.status == 502
        assert stream.local_response.body == b'Post "http://auth/check?a=1": auth: timeout\n'


def test_a_stream_that_ends_during_a_call(compiled: Compile) -> None:
    """The answer that comes then meets nobody, and harms nobody."""
    with host(compiled("tyk"), {"pre": ["Ask"]}) as plugin:
        stream = get(plugin)
        call = plugin.calls[0]
        stream.close()
        call.respond(headers=[(b":status", b"200")])
        other = get(plugin)
        plugin.calls[0].respond(headers=[(b":status", b"200"), (b"x-name", b"bob")])
        assert field(other, b"x-user") == [b"bob"]
        assert plugin.failures == 0


def test_a_goroutine_that_is_left_sees_nothing_of_other_requests(compiled: Compile) -> None:
    """It gets an error for what it asks for behind the end of its own."""
    with host(compiled("tyk"), {"pre": ["Leave"]}) as plugin:
        stream = plugin.http_stream()
        stream.request_headers(REQUEST)
        stream.close()
        other = plugin.http_stream()
        other.request_headers(REQUEST)
        other.request_body(b"of another", end_of_stream=True)
        assert plugin.logs(LogLevel.INFO) == ["left: the exchange has ended"]


def test_bodies_and_calls_through_a_gateway(
    compiled: Compile, proxy_server: Callable[..., ProxyServer], upstream: UpstreamServer
) -> None:
    """The upstream gets the length of the body that takes the place of the client's."""
    upstream.handler = lambda request: (
        Response(headers=[("X-Name", "ann")])
        if request.target.startswith("/check")
        else Response(body=b"hello")
    )
    server = proxy_server(
        {
            "wasm": {"plugins": [{"name": "tyk", "priority": 1, "file": str(compiled("tyk").output)}]},
            "upstreams": [{"id": "auth", "nodes": {upstream.node: 1}}],
            "routes": [
                {
                    "uri": "/*",
                    "upstream_id": "auth",
                    "plugins": {"tyk": {"conf": {"pre": ["Ask", "Delay", "Upper"], "response": "Mark"}}},
                }
            ],
        },
        patience=120,
    )
    for content in (b"abc" * 100_000, b"x", b""):
        answer = server.request("POST", "/get", body=content)
        assert (answer.status, answer.body) == (202, b"hello?")
        assert answer.header("X-Mark") == "POST hello"
        asked, passed = upstream.requests[-2:]
        assert (asked.target, asked.body) == ("/check?a=1", b"key")
        assert passed.body == content.upper()
        assert passed.header("X-User") == "ann"
        assert passed.header("X-Delayed") == "/get"
        assert passed.header("Content-Length") == str(len(content))


# --- building


def test_plain_plugins_may_register_in_main(compiled: Compile) -> None:
    """As TinyGo's do; with Go's own compiler nothing would run it."""
    built = compiled("proxy_wasm")
    assert built.kind is Kind.PROXY_WASM
    with host(built) as plugin:
        assert field(get(plugin), b"x-plain") == [b"1"]


def test_plugins_for_tinygo_compile_with_go(compiled: Compile) -> None:
    """Under the import path that the SDK had then, with modules and a main of their own."""
    built = compiled("../../../testdata/plugins/custom_response_header")
    with host(built, {"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}) as plugin:
        stream = get(plugin)
        stream.response_headers([(b":status", b"200")], end_of_stream=True)
        assert stream.to_client.get(b"x-go-wasm") == b"APISIX"


def test_nothing_is_written_into_the_folder_of_the_sources(compiled: Compile) -> None:
    """Not even a go.mod where there is none."""
    before = {
        name: sorted(path.name for path in (SOURCES / name).iterdir()) for name in ("apisix", "kong", "tyk")
    }
    for name in before:
        compiled(name)
    assert before == {name: sorted(path.name for path in (SOURCES / name).iterdir()) for name in before}
    assert before["tyk"] == ["main.go"]
    assert "go 1.15" in (SOURCES / "apisix/go.mod").read_text()
