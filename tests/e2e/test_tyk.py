"""APIs of Tyk's through a gateway of its own process: stages, sessions, paths, answers, faults, reload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host.testing import ProxyServer
from tests.e2e.echo_json import Echo, echoing

HOOKS = '''
from host import PythonFilter
from host.external.session import session_of, set_session

class Trace(PythonFilter):
    """Adds its configuration to a field of the request, or of the response."""
    def on_request_headers(self, context, end_of_stream):
        context.request_headers.add(b"X-Trace", self.configuration.strip(b'"'))
        session = session_of(context)
        if session is not None:
            context.request_headers.set(b"X-Alias", session["alias"].encode())

class OnResponse(PythonFilter):
    def on_response_headers(self, context, end_of_stream):
        context.response_headers.add(b"X-Trace", self.configuration)

class Authenticate(PythonFilter):
    def on_request_headers(self, context, end_of_stream):
        if context.request_headers.get(b"authorization") != b"abc":
            context.respond(403)
        else:
            set_session(context, {"alias": "abc-session", "key_id": "abc", "quota_max": 5, **SESSION})

class Teapot(PythonFilter):
    def on_request_headers(self, context, end_of_stream):
        context.respond(418, [(b"X-Tea", b"green")], b"short and stout")

SESSION = {}
'''


def definition(port: int, **keys: Any) -> dict[str, Any]:
    """An API in front of the origin on that port."""
    return {
        "name": "My API",
        "api_id": "my_api",
        "org_id": "default",
        "use_keyless": True,
        "active": True,
        "proxy": {
            "listen_path": "/my_api_name/",
            "target_url": f"http://127.0.0.1:{port}/",
            "strip_listen_path": True,
        },
        **keys,
    }


def hook(name: str, config: str = "") -> dict[str, Any]:
    """A hook of hooks.py."""
    return {"name": name, "path": "hooks.py", **({"config": config} if config else {})}


class Folder:
    """A folder with hooks and an API definition, and the configuration that names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "hooks.py").write_text(HOOKS)

    def write(self, api: dict[str, Any], name: str = "api.json") -> dict[str, Any]:
        """Write the definition; returns the configuration."""
        (self.path / name).write_text(json.dumps(api, indent=2))
        return {"tyk": {"apis": [name]}}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """One."""
    return Folder(tmp_path)


@pytest.fixture
def echo() -> Any:
    """An origin."""
    with echoing() as server:
        yield server


def test_the_path_of_an_api_is_taken_off(folder: Folder, echo: Echo) -> None:
    """As Tyk does with strip_listen_path, behind all hooks; the Host is the target's."""
    config = folder.write(definition(echo.server_port))
    with ProxyServer(folder.path, config) as proxy:
        answer = json.loads(proxy.request("GET", "/my_api_name/get?a=1").body)
        assert answer["url"] == f"http://127.0.0.1:{echo.server_port}/get?a=1"
        assert proxy.request("GET", "/elsewhere").status == 404


def test_stages_run_in_tyks_order(folder: Folder, echo: Echo) -> None:
    """Whatever the order of their keys; each list in its own."""
    middleware = {
        "post": [hook("Trace", "post1"), hook("Trace", "post2")],
        "response": [hook("OnResponse", "one"), hook("OnResponse", "two")],
        "post_key_auth": [hook("Trace", "after-auth")],
        "auth_check": hook("Authenticate"),
        "pre": [hook("Trace", "pre1"), hook("Trace", "pre2"), {**hook("Trace", "off"), "disabled": True}],
        "driver": "python",
    }
    api = definition(
        echo.server_port, use_keyless=False, use_go_plugin_auth=True, custom_middleware=middleware
    )
    with ProxyServer(folder.path, folder.write(api)) as proxy:
        refused = proxy.request("GET", "/my_api_name/get", {"Authorization": "xyz"})
        assert (refused.status, refused.body) == (403, b"")
        assert echo.requests == 0
        answer = proxy.request("GET", "/my_api_name/get", {"Authorization": "abc"})
        told = json.loads(answer.body)
        assert told["headers"]["X-Trace"] == "post2"  # the last of several, as this origin tells fields
        assert told["headers"]["X-Alias"] == "abc-session"
        assert [value for name, value in answer.headers if name.lower() == "x-trace"] == ["one", "two"]
        assert answer.header("X-Ratelimit-Limit") == "5"
        assert answer.header("X-Ratelimit-Remaining") == answer.header("X-Ratelimit-Reset") == "0"
        assert answer.header("Access-Control-Allow-Origin") == "*"


def test_a_hook_that_is_missing_costs_its_api_alone(folder: Folder, echo: Echo) -> None:
    """Fail-closed: each request to it gets 500; the gateway and other APIs are up."""
    config = folder.write(
        definition(
            echo.server_port,
            custom_middleware={"pre": [{"name": "X", "path": "post.so"}], "driver": "goplugin"},
        )
    )
    good = definition(echo.server_port, api_id="good", custom_middleware={})
    good["proxy"] = {**good["proxy"], "listen_path": "/good/"}
    folder.write(good, "good.json")
    config["tyk"]["apis"].append("good.json")
    with ProxyServer(folder.path, config) as proxy:
        for _ in range(2):
            answer = proxy.request("GET", "/my_api_name/get")
            assert answer.status == 500
            assert json.loads(answer.body) == {"error": "Internal Server Error"}
            assert answer.header("Content-Type") == "application/json"
        assert proxy.request("GET", "/good/get").status == 200
        assert echo.requests == 1
        (line,) = proxy.wait_for("post.so is a shared object")
        assert "sluiceway build" in line
        assert "api.json" in line
