"""Real plugin servers of Kong's, in Go, Python and JavaScript, behind real sockets: what their users rely on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from host.proxy import Proxy
from tests.e2e.embedded import Answer, ask, load, messages_of, serve_origin
from tests.e2e.embedded import plugin as wasm_plugin
from tests.e2e.gateway import run
from tests.peers import runners
from tests.peers.kong import install

pytestmark = [pytest.mark.builds_peers, pytest.mark.timeout(600)]  # the first time, servers are built


def _installed(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except install.Missing as reason:
        if os.environ.get("SLUICEWAY_PEERS") == "require":
            pytest.fail(str(reason))
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def go_hello() -> Path:
    """The plugin with go-pdk's server inside."""
    return _installed(install.go_pdk)


@pytest.fixture(scope="session")
def go_pluginserver() -> tuple[Path, Path]:
    """Kong 2.x's server."""
    return _installed(install.go_pluginserver)


@pytest.fixture(scope="session")
def python_server() -> tuple[Path, Path]:
    """kong-pdk's server for Python."""
    return _installed(install.python_pdk)


@pytest.fixture(scope="session")
def javascript_server() -> tuple[Path, Path]:
    """kong-pdk's server for JavaScript."""
    return _installed(install.javascript_pdk)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An origin that answers with what it was asked, as JSON."""
    while True:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head[:-4].split("\r\n")
        pairs = [tuple(field.split(": ", 1)) for field in fields]
        length = next((int(value) for name, value in pairs if name.lower() == "content-length"), 0)
        body = await reader.readexactly(length)
        told = json.dumps({"line": line, "fields": pairs, "body": body.decode("latin-1")}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))


def go(prefix: Path, program: Path, *, start: bool = True) -> dict[str, Any]:
    """The section for the plugin with go-pdk's server inside."""
    section = {
        "pluginserver_names": ["go-hello"],
        "pluginserver_go_hello_query_cmd": f"{program} -dump",
        "pluginserver_go_hello_socket": str(prefix / "go-hello.socket"),
    }
    if start:
        section["pluginserver_go_hello_start_cmd"] = f"{program} -kong-prefix {prefix}"
    return section


def python(prefix: Path, server: tuple[Path, Path], *arguments: str, start: bool = True) -> dict[str, Any]:
    """The section for the server for Python."""
    program, plugins = server
    section = {
        "pluginserver_names": ["python"],
        "pluginserver_python_query_cmd": f"{program} -d {plugins} --dump-all-plugins",
        "pluginserver_python_socket": str(prefix / "python_pluginserver.sock"),
    }
    if start:
        command = f"{program} -p {prefix} -d {plugins} {' '.join(arguments)}"
        section["pluginserver_python_start_cmd"] = command
    return section


def merged(*sections: dict[str, Any]) -> dict[str, Any]:
    """Several servers in one section."""
    names = [name for section in sections for name in section.get("pluginserver_names", ())]
    result: dict[str, Any] = {}
    for section in sections:
        result |= section
    return result | {"pluginserver_names": names}


def text(port: int, kong: dict[str, Any], *routes: tuple[str, dict[str, Any]], **more: Any) -> str:
    """A configuration: routes by URI with their plugins."""
    upstream = {"nodes": {f"127.0.0.1:{port}": 1}}
    listed = [
        {"id": uri.strip("/*") or "root", "uri": uri, "upstream": upstream, "plugins": uses}
        for uri, uses in routes
    ]
    names = sorted({name for _, uses in routes for name in uses if "hello" in name})
    return json.dumps({"kong": {"plugins": names, **kong}, "routes": listed, **more})


@asynccontextmanager
async def serving(
    kong: dict[str, Any], *routes: tuple[str, dict[str, Any]], **more: Any
) -> AsyncIterator[Proxy]:
    """A gateway with these routes in front of the origin."""
    async with serve_origin(echo) as port, Proxy(load(text(port, kong, *routes, **more))) as proxy:
        assert proxy.problems == []
        yield proxy


def config(message: str = "Kong!", **more: Any) -> dict[str, Any]:
    """A use of a plugin."""
    return {"config": {"message": message, **more}}


def server_pid(proxy: Proxy, name: str) -> int:
    """The pid of a managed server's own process."""
    assert proxy._processes is not None
    return proxy._processes.running[f"kong.{name}"].pid


def told(answer: Answer) -> dict[str, Any]:
    """What the origin was asked."""
    assert answer.status == 200, answer.body
    return dict(json.loads(answer.body))


def test_a_plugin_with_go_pdks_server_inside(go_hello: Path, tmp_path: Path) -> None:
    """C1: access, response and log; two routes have two configurations."""
    lines = tmp_path / "lines"

    async def test() -> None:
        section = go(tmp_path, go_hello)
        section["pluginserver_go_hello_start_cmd"] = (
            f"env LINES={lines} {section['pluginserver_go_hello_start_cmd']}"
        )
        async with serving(
            section, ("/a/*", {"go-hello": config()}), ("/b/*", {"go-hello": config("other")})
        ) as proxy:
            for _ in range(3):
                answer = await ask(proxy, "/a/x?q=1")
                assert answer.field(b"x-hello-from-go") == b"Go says Kong! to a"
                assert answer.field(b"x-hello-from-go-at-response") == b"got from server 'origin'"
                assert answer.field(b"x-shared") == b"Kong!"
                other = await ask(proxy, "/b/x")
                assert other.field(b"x-hello-from-go") == b"Go says other to a"
            async with asyncio.timeout(5):
                while not lines.exists() or len(lines.read_text().splitlines()) < 6:  # noqa: ASYNC110 - a file
                    await asyncio.sleep(0.02)
            found = [json.loads(line) for line in lines.read_text().splitlines()]
            first = next(each for each in found if each["request"]["uri"] == "/a/x?q=1")
            assert first["request"]["querystring"] == {"q": "1"}
            assert first["response"]["status"] == 200
            assert first["response"]["headers"]["x-hello-from-go"] == "Go says Kong! to a"
            assert first["route"]["name"] == "a"
            assert first["tries"][0]["code"] == 200
            assert first["client_ip"] == "127.0.0.1"
            assert first["source"] == "upstream"

    run(test())


@pytest.mark.parametrize("mode", ["", "-g", "-m"])
def test_a_server_in_python(mode: str, python_server: tuple[Path, Path], tmp_path: Path) -> None:
    """C2: with threads, with gevent, with processes."""

    async def test() -> None:
        async with serving(python(tmp_path, python_server, mode), ("/*", {"py-hello": config()})) as proxy:
            for _ in range(3):
                answer = await ask(proxy, "/x")
                assert answer.field(b"x-hello-from-python") == b"Python says Kong! to a"

    run(test())


def test_kong_2s_server_for_go(go_pluginserver: tuple[Path, Path], tmp_path: Path) -> None:
    """C3: the article's way, by `go_pluginserver_exe` and `go_plugins_dir`."""
    program, plugins = go_pluginserver
    section = {"prefix": str(tmp_path), "go_pluginserver_exe": str(program), "go_plugins_dir": str(plugins)}

    async def test() -> None:
        async with serving(section, ("/*", {"so-hello": config()})) as proxy:
            for _ in range(3):
                answer = await ask(proxy, "/x")
                assert answer.field(b"x-hello-from-go") == b"Go says Kong! to a"
                assert ["x-order", "go"] in told(answer)["fields"]

    run(test())


def test_a_server_in_javascript(javascript_server: tuple[Path, Path], tmp_path: Path) -> None:
    """Promises, and names in camel case."""
    program, plugins = javascript_server
    section = {
        "pluginserver_names": ["js"],
        "pluginserver_js_query_cmd": f"{program} -d {plugins} --dump-all-plugins",
        "pluginserver_js_start_cmd": f"{program} -p {tmp_path} -d {plugins}",
        "pluginserver_js_socket": str(tmp_path / "js_pluginserver.sock"),
        "start_timeout": "10s",
    }

    async def test() -> None:
        async with serving(section, ("/*", {"js-hello": config()})) as proxy:
            for _ in range(3):
                answer = await ask(proxy, "/x")
                assert answer.field(b"x-hello-from-javascript") == b"JavaScript says Kong! to a"

    run(test())


def test_exit_from_go_and_from_python(
    go_hello: Path, go_pluginserver: tuple[Path, Path], python_server: tuple[Path, Path], tmp_path: Path
) -> None:
    """C4: the upstream is not asked; a plugin of lower priority is not, either."""
    program, plugins = go_pluginserver
    legacy = {"prefix": str(tmp_path), "go_pluginserver_exe": str(program), "go_plugins_dir": str(plugins)}
    section = merged(go(tmp_path, go_hello), python(tmp_path, python_server), legacy)
    routes = [(f"/{name}/*", {name: config(mode="exit")}) for name in ("go-hello", "py-hello", "so-hello")]

    async def test() -> None:
        async with serving(section, *routes) as proxy:
            for name in ("go-hello", "py-hello", "so-hello"):
                for _ in range(2):
                    answer = await ask(proxy, f"/{name}/x")
                    assert (answer.status, answer.body) == (418, b"tea")
                    assert [value for own, value in answer.fields if own == b"x-e"] == [b"1", b"2"]

    run(test())


@pytest.mark.parametrize("size", [4, 700_000])
def test_bodies_through_every_server(
    size: int,
    go_hello: Path,
    go_pluginserver: tuple[Path, Path],
    python_server: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    """A plugin reads the body and sends another."""
    program, plugins = go_pluginserver
    legacy = {"prefix": str(tmp_path), "go_pluginserver_exe": str(program), "go_plugins_dir": str(plugins)}
    section = merged(go(tmp_path, go_hello), python(tmp_path, python_server), legacy)
    names = ("go-hello", "py-hello", "so-hello")

    async def test() -> None:
        async with serving(
            section, *((f"/{name}/*", {name: config(mode="body")}) for name in names)
        ) as proxy:
            for name in names:
                answer = await ask(proxy, f"/{name}/x", "POST", body=b"x" * size)
                assert told(answer)["body"] == "X" * size, name

    run(test())


def test_all_kinds_on_one_route_by_their_priorities(
    go_hello: Path, go_pluginserver: tuple[Path, Path], python_server: tuple[Path, Path], tmp_path: Path
) -> None:
    """C7: two plugin servers, a plugin in WebAssembly, an APISIX runner and a filter in Python, by descending priority,
    whoever says it: the server's dump, the configuration, or `_meta`."""
    program, plugins = go_pluginserver
    legacy = {"prefix": str(tmp_path), "go_pluginserver_exe": str(program), "go_plugins_dir": str(plugins)}
    section = merged(go(tmp_path, go_hello), python(tmp_path, python_server), legacy)
    (tmp_path / "native_order.py").write_text(
        "from host import PythonFilter\n\n\nclass Order(PythonFilter):\n"
        "    def on_request_headers(self, context, end_of_stream):\n"
        "        context.request_headers.add(b'x-order', b'native')\n"
    )
    native = {"name": "n", "priority": 20, "class": "native_order:Order"}
    more = {
        "python": {"path": [str(tmp_path)], "plugins": [native]},
        "wasm": {"plugins": [{"name": "w", "priority": 10, "file": wasm_plugin("http_headers")}]},
        "ext-plugin": {"cmd": [str(_installed(runners.own_runner)), "run"]},
    }
    added = json.dumps({"request": [{"op": "add", "name": "x-order", "value": "wasm"}]})
    changes = json.dumps({"Set": {"x-order": "runner"}})

    async def order(**meta: int) -> list[str]:
        uses = {
            "go-hello": config(),  # says 1
            "so-hello": config(),  # 3
            "py-hello": config(),  # 2
            "n": {"conf": {"a": 1}},
            "w": {"conf": added},
            "ext-plugin-pre-req": {"conf": [{"name": "rewrite", "value": changes}]},
        }
        for name, priority in meta.items():
            uses[name.replace("_", "-")]["_meta"] = {"priority": priority}
        async with serving(section, ("/*", uses), **more) as proxy:
            fields = told(await ask(proxy, "/x"))["fields"]
            return [value for name, value in fields if name.lower() == "x-order"]

    async def test() -> None:
        assert await order() == ["runner", "native", "wasm", "go", "python", "go"]
        assert await order(py_hello=15, n=-1) == ["runner", "python", "wasm", "go", "go", "native"]

    run(test())


@pytest.mark.parametrize("name", ["go", "python", "so"])
def test_a_restart_between_requests(
    name: str,
    go_hello: Path,
    go_pluginserver: tuple[Path, Path],
    python_server: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    """C8: no 5xx, and the right instance: numbers count from the start again (Kong's issue 8370)."""
    program, plugins = go_pluginserver
    sections: dict[str, dict[str, Any]] = {
        "go": go(tmp_path, go_hello),
        "python": python(tmp_path, python_server),
        "so": {"prefix": str(tmp_path), "go_pluginserver_exe": str(program), "go_plugins_dir": str(plugins)},
    }
    process = {"go": "go-hello", "python": "python", "so": "go_pluginserver"}[name]
    plugin = {"go": "go-hello", "python": "py-hello", "so": "so-hello"}[name]
    section = sections[name] | {"start_timeout": "10s"}
    field = b"x-hello-from-python" if name == "python" else b"x-hello-from-go"

    async def test() -> None:
        routes = [(f"/{text}/*", {plugin: config(text)}) for text in ("a", "b")]
        async with serving(section, *routes) as proxy:
            for order in (("a", "b"), ("b", "a"), ("a", "b")):
                for text in order:
                    answer = await ask(proxy, f"/{text}/x")
                    assert answer.status == 200
                    assert f" says {text} to ".encode() in (answer.field(field) or b"")
                before = server_pid(proxy, process)
                os.kill(before, signal.SIGKILL)

    run(test())


@pytest.mark.parametrize("mode", ["raise", "raise_later", "hang"])
def test_a_plugin_in_python_that_fails(
    mode: str, python_server: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """C9: kong-pdk tells nobody, and a handler that fails before it calls back leaves a lock behind that every later event
    waits for: the request gets 500 in time, and the server is started anew before it harms others twice."""

    async def test() -> None:
        section = python(tmp_path, python_server) | {"event_timeout": "1s", "start_timeout": "10s"}
        bad, good = {"py-hello": config(mode=mode)}, {"py-hello": config()}
        async with serving(section, ("/bad/*", bad), ("/good/*", good)) as proxy:
            assert (await ask(proxy, "/good/x")).status == 200
            first = server_pid(proxy, "python")
            assert (await ask(proxy, "/bad/x")).status == 500
            if mode != "raise_later":  # that one harms nobody else
                async with asyncio.timeout(20):
                    while server_pid(proxy, "python") in (first, 0):  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.05)
            for _ in range(3):
                answer = await ask(proxy, "/good/x")
                assert answer.field(b"x-hello-from-python") == b"Python says Kong! to a"
            assert any("did not answer within 1 s" in line for line in messages_of(caplog, "sluiceway.kong"))

    run(test())


def test_an_instance_that_go_pdk_has_dropped_by_age(go_hello: Path, tmp_path: Path) -> None:
    """C10: any CloseInstance drops instances of over a minute, busy or not. Here one is closed behind the gateway's back,
    which is the same to it without the minute: the next request starts it again."""

    async def test() -> None:
        async with serving(go(tmp_path, go_hello), ("/*", {"go-hello": config()})) as proxy:
            assert (await ask(proxy, "/x")).status == 200
            server = _server(proxy)
            (entry,) = server.instances._numbers.items()
            (generation, _), number = entry
            await server._close_instance(generation, number)
            answer = await ask(proxy, "/x")
            assert answer.field(b"x-hello-from-go") == b"Go says Kong! to a"
            assert [other for other in server.instances._numbers.values() if other != number]

    run(test())


def _server(proxy: Proxy) -> Any:
    """The one plugin server of the gateway's worker."""
    assert proxy._around is not None
    (kind,) = proxy._around.kinds._kinds.values()
    (server,) = kind._servers.values()  # type: ignore[attr-defined]
    return server


@pytest.mark.parametrize("server", ["go", "so"])
def test_a_panic_takes_its_server_down_and_nobody_else(
    server: str, go_hello: Path, go_pluginserver: tuple[Path, Path], tmp_path: Path
) -> None:
    """500 for the request, which has one more try, and the next one waits for the server to be back."""
    program, plugins = go_pluginserver
    legacy = {"prefix": str(tmp_path), "go_pluginserver_exe": str(program), "go_plugins_dir": str(plugins)}
    section = go(tmp_path, go_hello) if server == "go" else legacy
    plugin = "go-hello" if server == "go" else "so-hello"

    async def test() -> None:
        bad, good = {plugin: config(mode="panic")}, {plugin: config()}
        routes = (("/bad/*", bad), ("/good/*", good))
        async with serving(section | {"start_timeout": "10s"}, *routes) as proxy:
            assert (await ask(proxy, "/bad/x")).status == 500
            answer = await ask(proxy, "/good/x")
            assert answer.field(b"x-hello-from-go") == b"Go says Kong! to a"

    run(test())


def test_a_server_that_is_killed_under_load(go_hello: Path, tmp_path: Path) -> None:
    """Within the gap requests wait or get 5xx, never another's answer; behind it all is right, and nothing is left."""

    async def test() -> None:
        section = go(tmp_path, go_hello) | {"start_timeout": "500ms", "connections": 8}
        routes = [(f"/{text}/*", {"go-hello": config(text)}) for text in ("a", "b", "c")]
        async with serving(section, *routes) as proxy:
            for text in ("a", "b", "c"):
                assert (await ask(proxy, f"/{text}/x")).status == 200
            fds = len(os.listdir("/proc/self/fd"))
            statuses: list[int] = []
            stop = asyncio.Event()

            async def load(text: str) -> None:
                while not stop.is_set():
                    answer = await ask(proxy, f"/{text}/x")
                    statuses.append(answer.status)
                    if answer.status == 200:
                        assert answer.field(b"x-hello-from-go") == f"Go says {text} to a".encode()
                    else:
                        assert answer.status in (500, 503)

            loads = [asyncio.create_task(load(text)) for text in "abcabcabcabcabcabcabcabc"]
            for _ in range(2):
                await asyncio.sleep(0.5)
                os.kill(server_pid(proxy, "go-hello"), signal.SIGKILL)
                async with asyncio.timeout(10):
                    while not (server_pid(proxy, "go-hello") and (await ask(proxy, "/a/x")).status == 200):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            stop.set()
            await asyncio.gather(*loads)
            assert statuses.count(200) > 100
            assert statuses[-1] == 200
            for text in ("a", "b", "c"):
                assert (await ask(proxy, f"/{text}/x")).field(
                    b"x-hello-from-go"
                ) == f"Go says {text} to a".encode()
            server = _server(proxy)
            assert len(server.instances) == 3
            async with asyncio.timeout(5):
                while server._connections.taken:  # noqa: ASYNC110 - the log phase of the last requests
                    await asyncio.sleep(0.01)
            # Pools are kept: eight connections to the server, and one to the origin, at both ends, for each load.
            assert len(os.listdir("/proc/self/fd")) <= fds + 8 + 2 * len(loads)

    run(test())


def test_what_a_server_cannot_open_is_told_at_load(
    go_pluginserver: tuple[Path, Path], tmp_path: Path
) -> None:
    """C6: go-pluginserver prints an entry without a name, and the reason elsewhere."""
    program, _ = go_pluginserver
    (tmp_path / "so").mkdir()
    (tmp_path / "so/so-hello.so").write_bytes(b"no plugin")
    section = {
        "prefix": str(tmp_path),
        "go_pluginserver_exe": str(program),
        "go_plugins_dir": str(tmp_path / "so"),
    }

    async def test() -> None:
        async with Proxy(load(text(1, section, ("/*", {"so-hello": config()})))) as proxy:
            (problem,) = proxy.problems
            assert "empty Name: the server could not open it" in problem.message
            assert "invalid ELF header" in problem.message or "file too short" in problem.message
            assert (await ask(proxy, "/x")).status == 503

    run(test())


def test_a_configuration_that_the_real_schema_refuses(go_hello: Path, tmp_path: Path) -> None:
    """Go would hang up."""

    async def test() -> None:
        async with Proxy(
            load(text(1, go(tmp_path, go_hello), ("/*", {"go-hello": {"config": {"message": 5}}})))
        ) as proxy:
            (problem,) = proxy.problems
            assert problem.message == "plugin go-hello: config.message: expected a string, got 5"

    run(test())


def test_go_reads_what_the_pdk_tells(go_hello: Path, tmp_path: Path) -> None:
    """Every kind of message of the protocol, by go-pdk's own reader."""
    (tmp_path / "kong.yml").write_text(
        """
_format_version: "3.0"
services:
  - name: shop
    url: http://127.0.0.1:1/api
    tags: [t1, t2]
    routes: [{name: goods, paths: [/goods], methods: [GET, POST], tags: [t]}]
plugins: [{name: go-hello, config: {mode: tell}}]
consumers: [{id: a, username: ann, custom_id: a-1, tags: [x]}]
"""
    )
    section = go(tmp_path, go_hello) | {
        "declarative_config": str(tmp_path / "kong.yml"),
        "plugins": ["go-hello"],
    }
    section["trusted_ips"] = ["127.0.0.0/8"]

    async def test() -> None:
        async with Proxy(load(json.dumps({"kong": section, "routes": []}))) as proxy:
            assert proxy.problems == []
            fields = "X-Twice: 1\r\nX-Twice: 2\r\n"
            answer = await ask(proxy, "/goods/x?a=%20&a=2&b", "POST", fields, b"text")
            assert answer.status == 200
            told = json.loads(answer.body)
            assert {name: told[name] for name in ("scheme", "host", "version", "method", "path", "argument")} == {
                "scheme": "http", "host": "a", "version": 1.1, "method": "POST",
                "path": "/goods/x?a=%20&a=2&b", "argument": " ",
            }  # fmt: skip
            assert told["port"] == proxy.address[1]
            assert told["query"] == {"a": [" ", "2"], "b": []}
            assert told["headers"]["x-twice"] == ["1", "2"]
            assert told["headers"]["host"] == ["a"]
            assert (told["body"], told["captures"], told["ip"], told["protocol"]) == (
                "text",
                0,
                "127.0.0.1",
                "http",
            )
            assert told["found"] == {
                "id": "a",
                "username": "ann",
                "custom_id": "a-1",
                "tags": ["x"],
                "created_at": 0,
            }
            assert (told["consumer"]["username"], told["credential"]) == (
                "bob",
                {"id": "k", "consumer_id": "c"},
            )
            assert (told["trusted"], told["variable"], told["subsystem"]) == (True, "goods", "http")
            assert (told["ctx"], told["shared"]) == (5, {"deep": [1.5, True, None, "x"]})
            assert told["memory"] is True
            assert told["node"] == 36
            assert (told["route"]["name"], told["route"]["paths"], told["route"]["methods"]) == (
                "goods", ["/goods"], ["GET", "POST"],
            )  # fmt: skip
            assert told["route"]["strip_path"] is True
            assert told["route"]["service"]["id"] == told["service"]["id"]
            assert (told["service"]["host"], told["service"]["port"], told["service"]["read_timeout"]) == (
                "127.0.0.1", 1, 60000,
            )  # fmt: skip
            assert told["service"]["tags"] == ["t1", "t2"]
            assert (told["raw_query"], told["many"]) == ("q=1&q=2", ["1", "2"])
            assert [name for name, value in told.items() if str(value).startswith("error")] == []

    run(test())
