"""Real plugin servers of Kong's, in Go, Python and JavaScript, behind real sockets: what their users rely on."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from host.proxy import Proxy
from tests.e2e.embedded import Answer, ask, load, serve_origin
from tests.e2e.gateway import run
from tests.peers.kong import install

pytestmark = pytest.mark.timeout(600)  # the first time, servers are built


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
