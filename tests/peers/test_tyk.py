"""Go plugins of Tyk's, compiled by the real Go from sources that know nothing of us, as middleware of an API."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host.building.builder import build
from host.testing import ProxyServer
from tests.e2e.echo_json import Echo, echoing
from tests.external.tyk.dispatchers import dispatching
from tests.peers import runners
from tests.peers.kong import install
from tests.peers.making import Missing

pytestmark = [pytest.mark.builds_peers, pytest.mark.timeout(600)]

SOURCES = Path(__file__).parent / "tyk"
NAMES = {
    "foo": "AddFooBarHeader",
    "time": "SendCurrentTime",
    "auth": "MyPluginAuthCheck",
    "hits": "MyProcessRequest",
}


@pytest.fixture(scope="module")
def folder(
    require_peer: Callable[[Path | str | None, str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the plugins under the names that their functions have."""
    require_peer(shutil.which("go"), "Go 1.24 or newer")
    made = tmp_path_factory.mktemp("tyk")
    for source, name in NAMES.items():
        build(SOURCES / source, made / f"{name}.wasm")
    return made


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    """An origin."""
    with echoing() as server:
        yield server


def entry(name: str) -> dict[str, str]:
    """A hook as Tyk has it: the path is that of a shared object, in whose place the `.wasm` file beside it is run."""
    return {"name": name, "path": f"{name}.so"}


def write(folder: Path, port: int, middleware: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """An API, and the configuration that names it."""
    whole = {
        "pre": [],
        "post_key_auth": [],
        "auth_check": {},
        "post": [],
        "driver": "goplugin",
        **middleware,
    }
    api = {
        "name": "My API",
        "api_id": "my_api",
        "org_id": "default",
        "use_keyless": True,
        "proxy": {
            "listen_path": "/my_api_name/",
            "target_url": f"http://127.0.0.1:{port}/",
            "strip_listen_path": True,
        },
        "custom_middleware": whole,
        **keys,
    }
    (folder / "api.json").write_text(json.dumps(api, indent=2))
    return {"tyk": {"apis": ["api.json"]}}


PROTECTED = {"use_keyless": False, "use_go_plugin_auth": True}
PATIENCE = 120.0  # seconds: modules of 5 MB are compiled for the first time


def test_a_plugin_adds_a_field(folder: Path, echo: Echo) -> None:
    """Before the upstream sees the request."""
    config = write(folder, echo.server_port, {"post": [entry("AddFooBarHeader")]})
    with ProxyServer(folder, config, patience=PATIENCE) as proxy:
        told = json.loads(proxy.request("GET", "/my_api_name/get").body)
        assert told["headers"]["Foo"] == "Bar"
        assert told["url"].endswith("/get")


def test_a_plugin_answers(folder: Path, echo: Echo) -> None:
    """The upstream is not asked; where it does not answer, it is."""
    config = write(folder, echo.server_port, {"pre": [entry("SendCurrentTime")]})
    with ProxyServer(folder, config, patience=PATIENCE) as proxy:
        count = echo.requests
        answer = proxy.request("GET", "/my_api_name/get?get_time=1")
        assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
        assert list(json.loads(answer.body)) == ["current_time"]
        assert int(answer.header("Content-Length") or 0) == len(answer.body)
        assert echo.requests == count
        assert proxy.request("GET", "/my_api_name/get").status == 200
        assert echo.requests == count + 1


def test_a_plugin_authenticates(folder: Path, echo: Echo) -> None:
    """A wrong key is 403 with nothing in it; the right one passes, and the client is told of its quota."""
    config = write(folder, echo.server_port, {"auth_check": entry("MyPluginAuthCheck")}, **PROTECTED)
    with ProxyServer(folder, config, patience=PATIENCE) as proxy:
        count = echo.requests
        refused = proxy.request("GET", "/my_api_name/get", {"Authorization": "xyz"})
        assert (refused.status, refused.body, refused.header("Content-Length")) == (403, b"", "0")
        assert echo.requests == count
        answer = proxy.request("GET", "/my_api_name/get", {"Authorization": "abc"})
        assert answer.status == 200
        for name in ("Limit", "Remaining", "Reset"):
            assert [value for own, value in answer.headers if own == f"X-Ratelimit-{name}"] == ["0"]
        assert answer.header("Access-Control-Allow-Origin") == "*"


def test_state_and_session(folder: Path, echo: Echo) -> None:
    """What one plugin keeps counts on; what authentication has found out, another one sees."""
    middleware = {
        "auth_check": entry("MyPluginAuthCheck"),
        "post_key_auth": [entry("AddFooBarHeader")],
        "post": [entry("MyProcessRequest")],
    }
    config = write(folder, echo.server_port, middleware, **PROTECTED)
    with ProxyServer(folder, config, patience=PATIENCE) as proxy:
        for count in (1, 2):
            told = json.loads(proxy.request("GET", "/my_api_name/get", {"Authorization": "abc"}).body)
            assert (told["hit_counter"], told["endpoint"]) == (count, "GET /my_api_name/get")
            assert told["session"]["alias"] == "abc-session"
            assert told["api"] == "my_api"
        proxy.wait_for("hit GET /my_api_name/get", 2)


def test_a_symbol_that_is_missing(folder: Path, echo: Echo) -> None:
    """The API answers 500 to each request, and the gateway is up."""
    hook = {"name": "NoSuchFunction", "path": "AddFooBarHeader.so"}
    config = write(folder, echo.server_port, {"post": [hook]})
    with ProxyServer(folder, config, patience=PATIENCE) as proxy:
        for _ in range(2):
            answer = proxy.request("GET", "/my_api_name/get")
            assert (answer.status, json.loads(answer.body)) == (500, {"error": "Internal Server Error"})
        proxy.wait_for("NoSuchFunction")
        proxy.reload(write(folder, echo.server_port, {"post": [entry("AddFooBarHeader")]}))
        assert json.loads(proxy.request("GET", "/my_api_name/get").body)["headers"]["Foo"] == "Bar"


def test_drivers_side_by_side(folder: Path, echo: Echo, tmp_path: Path) -> None:
    """A recompiled Go plugin, a plugin of a Kong server, one of APISIX's runner and a dispatcher's hook on one API."""
    go_hello, go_runner = _made(install.go_pdk), _made(runners.go_runner)
    middleware = {
        "pre": [{"name": "pre", "driver": "grpc"}, {"name": "say", "driver": "a6", "config": {"body": ""}}],
        "post": [
            entry("AddFooBarHeader"),
            {"name": "go-hello", "driver": "kong", "config": {"message": "Tyk"}},
        ],
        "response": [{"name": "response", "driver": "grpc"}],
    }
    with dispatching() as dispatcher:
        config = write(folder, echo.server_port, middleware)
        config["tyk"]["coprocess_options"] = {
            "enable_coprocess": True,
            "coprocess_grpc_server": f"tcp://127.0.0.1:{dispatcher.port}",
        }
        config["ext-plugin"] = {"cmd": [str(go_runner), "run"]}
        config["kong"] = {
            "pluginserver_names": ["go-hello"],
            "pluginserver_go_hello_query_cmd": f"{go_hello} -dump",
            "pluginserver_go_hello_start_cmd": f"{go_hello} -kong-prefix {tmp_path}",
            "pluginserver_go_hello_socket": str(tmp_path / "go-hello.socket"),
            "plugins": ["go-hello"],
        }
        with ProxyServer(folder, config, patience=PATIENCE) as proxy:
            answer = proxy.request("GET", "/my_api_name/get", {"X-Sent": "yes"})
            told = json.loads(answer.body)
            assert (told["headers"]["Foo"], told["headers"]["X-Pre"]) == ("Bar", "yes")
            assert "Tyk" in (answer.header("x-hello-from-go") or "")
            assert (answer.status, answer.header("X-Response")) == (203, "nobody")
            hook = {"name": "say", "driver": "a6", "config": {"body": "hello"}}
            count = echo.requests
            proxy.reload({**config, **write(folder, echo.server_port, {"pre": [hook]})})
            answer = proxy.request("GET", "/my_api_name/get")
            assert (answer.status, answer.body) == (200, b"hello")
            assert answer.header("X-Resp-A6-Runner") == "Go"
            assert echo.requests == count


def _made(make: Callable[[], Path]) -> Path:
    try:
        return make()
    except (Missing, install.Missing) as missing:
        if os.environ.get("SLUICEWAY_PEERS") == "require":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def test_the_page_of_tyk(folder: Path, echo: Echo, tmp_path: Path) -> None:
    """The first example of docs/tyk.md, by the commands that it names."""
    page = (SOURCES.parents[2] / "docs/tyk.md").read_text()
    (source,) = re.findall(r"```go\n(.*?)```", page, re.DOTALL)
    api = re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0]
    (tmp_path / "post.go").write_text(source)
    (tmp_path / "my_api.json").write_text(api.replace("127.0.0.1:1980", f"127.0.0.1:{echo.server_port}"))
    build(tmp_path / "post.go", tmp_path / "post.wasm")
    with ProxyServer(tmp_path, {"tyk": {"apis": ["my_api.json"]}}, patience=PATIENCE) as proxy:
        told = json.loads(proxy.request("GET", "/my_api_name/get").body)
        assert told["headers"]["Foo"] == "Bar"
