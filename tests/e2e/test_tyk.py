"""APIs of Tyk's through a gateway of its own process: stages, sessions, paths, answers, faults, reload."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from host.testing import ProxyServer
from tests.e2e.echo_json import Echo, echoing
from tests.e2e.process import ROOT

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
        assert json.loads(proxy.request("GET", "/my_api_name/a..b/.c?d=/../").body)["url"].endswith(
            "/a..b/.c?d=/../"
        )
        assert proxy.request("GET", "/my_api_name/../secret").status == 404
        for path in (
            "/my_api_name/a/../b",
            "/my_api_name/a/%2e%2E/b",
            "/my_api_name/x/.",
            "/my_api_name/a/..%2fb",
        ):
            assert proxy.request("GET", path).status == 400, path


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


# --- sessions


@pytest.mark.parametrize(
    ("session", "status", "message"),
    [
        ({"is_inactive": True}, 403, "Key is inactive, please renew"),
        ({"expires": 1}, 401, "Key has expired, please renew"),
    ],
)
def test_a_session_that_is_no_longer_good(
    folder: Folder, echo: Echo, session: dict[str, Any], status: int, message: str
) -> None:
    """Tyk's KeyExpired, behind auth_check."""
    text = HOOKS.replace("SESSION = {}", f"SESSION = {session!r}")
    (folder.path / "hooks.py").write_text(text)
    api = definition(
        echo.server_port,
        use_keyless=False,
        use_go_plugin_auth=True,
        custom_middleware={"auth_check": hook("Authenticate"), "driver": "python"},
    )
    with ProxyServer(folder.path, folder.write(api)) as proxy:
        answer = proxy.request("GET", "/my_api_name/", {"Authorization": "abc"})
        assert (answer.status, json.loads(answer.body)) == (status, {"error": message})
    assert echo.requests == 0


def test_who_sets_no_session_lets_nobody_pass(folder: Folder, echo: Echo) -> None:
    """An auth_check that does nothing at all; the field of authentication does not get to the upstream either."""
    api = definition(
        echo.server_port,
        use_keyless=False,
        use_go_plugin_auth=True,
        custom_middleware={"auth_check": hook("Trace", "x"), "driver": "python"},
    )
    with ProxyServer(folder.path, folder.write(api)) as proxy:
        answer = proxy.request("GET", "/my_api_name/")
        assert answer.status == 400
        assert "Session state is missing or unset!" in json.loads(answer.body)["error"]
        api["custom_middleware"]["auth_check"] = hook("Authenticate")
        api["strip_auth_data"] = True
        proxy.reload(folder.write(api))
        answer = proxy.request("GET", "/my_api_name/", {"Authorization": "abc"})
        assert "Authorization" not in json.loads(answer.body)["headers"]


# --- the analytics record


EDITOR = """
def hide(record):
    record["ip_address"] = "hidden"
    record["tags"].append("edited")

def fail(record):
    record["api_name"] = "not written"
    raise RuntimeError("broken editor")
"""


def records(path: Path, count: int) -> list[dict[str, Any]]:
    """The first records, when they are there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return [json.loads(line) for line in lines[:count]]
        time.sleep(0.05)
    raise AssertionError(f"{count} records do not come: {lines}")


def test_each_request_leaves_an_analytics_record(folder: Folder, echo: Echo) -> None:
    """Early answers too; hooks of traffic_logs edit it, and one that fails costs only itself."""
    (folder.path / "editor.py").write_text(EDITOR)
    api = definition(
        echo.server_port,
        use_keyless=False,
        use_go_plugin_auth=True,
        custom_middleware={
            "auth_check": hook("Authenticate"),
            "traffic_logs": [{"name": "fail", "path": "editor.py"}, {"name": "hide", "path": "editor.py"}],
            "driver": "python",
        },
    )
    config = folder.write(api)
    log = folder.path / "records.json"
    config["nginx_config"] = {"http": {"access_log": str(log), "access_log_format": "tyk"}}
    with ProxyServer(folder.path, config) as proxy:
        proxy.request(
            "POST", "/my_api_name/path?q=1", {"Authorization": "abc", "User-Agent": "test"}, b"12345"
        )
        proxy.request("GET", "/my_api_name/path", {"Authorization": "xyz"})
        proxy.request("GET", "/elsewhere")
        good, refused, unmatched = records(log, 3)
        proxy.wait_for("broken editor")
    assert good["method"] == "POST"
    assert good["path"] == good["raw_path"] == "/my_api_name/path"
    assert (good["listen_path"], good["api_id"], good["api_name"], good["org_id"]) == (
        "/my_api_name/", "my_api", "My API", "default",
    )  # fmt: skip
    assert (good["response_code"], good["content_length"], good["user_agent"]) == (200, 5, "test")
    assert (good["api_key"], good["alias"], good["tags"]) == ("abc", "abc-session", ["edited"])
    assert good["ip_address"] == "hidden"
    assert good["latency"]["total"] >= good["latency"]["upstream"] > 0
    assert (refused["response_code"], refused["api_id"], refused["alias"]) == (403, "my_api", "")
    assert refused["latency"]["upstream"] == 0
    assert (unmatched["response_code"], unmatched["api_id"], unmatched["ip_address"]) == (
        404,
        "",
        "127.0.0.1",
    )


# --- instrumentation


def test_instrumentation(folder: Folder, echo: Echo) -> None:
    """Names of Tyk's over UDP, for each middleware that ran, whether it answered or not; and Prometheus's."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(20)
    api = definition(
        echo.server_port,
        custom_middleware={"pre": [hook("Trace", "x")], "post": [hook("Teapot")], "driver": "python"},
    )
    config = folder.write(api)
    config["tyk"]["statsd_connection_string"] = f"127.0.0.1:{receiver.getsockname()[1]}"
    config["tyk"]["statsd_prefix"] = "gw"
    with ProxyServer(folder.path, config, environment={"TYK_INSTRUMENTATION": "1"}) as proxy:
        assert proxy.request("GET", "/my_api_name/").status == 418
        counts: dict[str, int] = {}
        while sum(counts.values()) < 24:
            for line in receiver.recv(65536).decode().splitlines():
                name, _, value = line.partition(":")
                assert value == "1|c" or value.endswith("|ms")
                counts[name] = counts.get(name, 0) + 1
    receiver.close()
    middleware = "CoProcessMiddleware"
    names = [
        f"{middleware}.executed",
        f"{middleware}.executed.exec_time",
        middleware,
        f"{middleware}.exec_time",
    ]
    names += ["executed", "exec_time"]
    assert counts == {f"gw.{job}{name}": 2 for job in ("", "MiddlewareCall.") for name in names}


def test_names_of_go_plugins(tmp_path: Path) -> None:
    """Those of the document, as statsd takes them."""
    from host.external.tyk.statsd import safe_name

    name = "GoPluginMiddleware:/tmp/AddFooBarHeader.so:AddFooBarHeader.exec_time"
    assert safe_name(name) == "GoPluginMiddleware$$tmp$AddFooBarHeader.so$AddFooBarHeader.exec_time"


# --- reload


def test_an_edited_file_is_taken_up(folder: Folder, echo: Echo) -> None:
    """By its content; with `tyk_reload: strict` the same name is the old code, as in Tyk, and a new name the new."""
    api = definition(echo.server_port, custom_middleware={"post": [hook("Teapot")], "driver": "python"})
    config = folder.write(api)
    edited = HOOKS.replace("418", "419")
    with ProxyServer(folder.path, config) as proxy:
        assert proxy.request("GET", "/my_api_name/").status == 418
        (folder.path / "hooks.py").write_text(edited)
        proxy.reload(config)
        assert proxy.request("GET", "/my_api_name/").status == 419
    (folder.path / "hooks.py").write_text(HOOKS)
    config["tyk"]["tyk_reload"] = "strict"
    with ProxyServer(folder.path, config) as proxy:
        assert proxy.request("GET", "/my_api_name/").status == 418
        (folder.path / "hooks.py").write_text(edited)
        proxy.reload(config)
        assert proxy.request("GET", "/my_api_name/").status == 418
        (folder.path / "new.py").write_text(edited)
        api["custom_middleware"]["post"][0]["path"] = "new.py"
        folder.write(api)
        proxy.reload(config)
        assert proxy.request("GET", "/my_api_name/").status == 419


def test_a_module_that_has_changed(folder: Folder, echo: Echo) -> None:
    """The same of a `.wasm` file: what is no module any more is told, or, with `strict`, not looked at."""
    module = folder.path / "plugin.wasm"
    code = (ROOT / "testdata/plugins/custom_response_header/plugin.wasm").read_bytes()
    headers = {"headers": [{"name": "X-Go-Wasm", "value": "Tyk"}]}
    middleware = {"pre": [{"path": "plugin.wasm", "driver": "wasm", "config": headers}]}
    config = folder.write(definition(echo.server_port, custom_middleware=middleware))
    for mode in ("content", "strict"):
        module.write_bytes(code)
        config["tyk"]["tyk_reload"] = mode
        with ProxyServer(folder.path, config) as proxy:
            module.write_bytes(b"no module")
            if mode == "strict":
                proxy.reload(config)
            else:
                with pytest.raises(AssertionError, match=r"plugin\.wasm"):
                    proxy.reload(config)
            assert proxy.request("GET", "/my_api_name/").header("X-Go-Wasm") == "Tyk"


def test_a_reload_with_a_hook_that_is_missing_is_refused(folder: Folder, echo: Echo) -> None:
    """What served goes on."""
    api = definition(echo.server_port, custom_middleware={"post": [hook("Teapot")], "driver": "python"})
    config = folder.write(api)
    with ProxyServer(folder.path, config) as proxy:
        api["custom_middleware"]["post"][0]["name"] = "Nobody"
        folder.write(api)
        with pytest.raises(AssertionError, match="Nobody"):
            proxy.reload(config)
        assert proxy.request("GET", "/my_api_name/").status == 418


def test_wasm_and_python_on_one_api(folder: Folder, echo: Echo) -> None:
    """Each hook has its own driver, where Tyk has one for all."""
    wasm = ROOT / "testdata/plugins/custom_response_header/plugin.wasm"
    headers = {"headers": [{"name": "X-Go-Wasm", "value": "Tyk"}]}
    middleware = {
        "pre": [{"path": str(wasm), "driver": "wasm", "config": headers}],
        "post": [hook("Trace", "python")],
        "driver": "python",
    }
    with ProxyServer(
        folder.path, folder.write(definition(echo.server_port, custom_middleware=middleware))
    ) as proxy:
        answer = proxy.request("GET", "/my_api_name/")
        assert answer.header("X-Go-Wasm") == "Tyk"
        assert json.loads(answer.body)["headers"]["X-Trace"] == "python"


# --- hooks in Python as Tyk has them


FUNCTIONS = """
from tyk.decorators import *
from gateway import TykGateway as tyk

@Hook
def Pre(request, session, spec):
    tyk.log("pre of " + spec["APIID"], "info")
    request.add_header("X-Pre", request.get_header("x-sent") or "none")
    request.delete_header("X-Sent")
    request.add_param("added", "1")
    if request.object.body:
        request.object.body = request.object.body.upper()
    return request, session

@Hook
def Authenticate(request, session, metadata, spec):
    if request.get_header("Authorization") == "abc":
        session.rate, session.alias, session.quota_max = 10.0, "abc-session", 9
        metadata["token"] = "abc"
    elif request.get_header("Authorization") == "teapot":
        request.object.return_overrides.response_code = 418
        request.object.return_overrides.response_error = "no coffee"
    return request, session, metadata

@Hook
def PostKeyAuth(request, session, metadata, spec):
    request.add_header("X-Alias", session.alias)
    request.add_header("X-Token", session.metadata["token"])
    return request, session, metadata

@Hook
def Broken(request, session, spec):
    raise RuntimeError("broken hook")

@Hook
def Response(request, response, session, metadata, spec):
    response.headers["X-Response"] = session.alias
    response.status_code = 203
    return response
"""


def test_functions_of_tyks(folder: Folder, echo: Echo) -> None:
    """They get Tyk's objects, and what they do to them is done."""
    (folder.path / "middleware.py").write_text(FUNCTIONS)

    def entry(name: str) -> dict[str, str]:
        return {"name": name, "path": "middleware.py"}

    middleware = {
        "pre": [entry("Pre")],
        "auth_check": entry("Authenticate"),
        "post_key_auth": [entry("PostKeyAuth")],
        "response": [entry("Response")],
        "driver": "python",
    }
    api = definition(
        echo.server_port, use_keyless=False, enable_coprocess_auth=True, custom_middleware=middleware
    )
    broken = definition(echo.server_port, api_id="broken")
    broken["proxy"]["listen_path"] = "/broken/"
    broken["custom_middleware"] = {"pre": [entry("Broken")], "driver": "python"}
    config = folder.write(api)
    folder.write(broken, "broken.json")
    config["tyk"]["apis"].append("broken.json")
    with ProxyServer(folder.path, config) as proxy:
        fields = {"Authorization": "abc", "X-Sent": "yes"}
        answer = proxy.request("POST", "/my_api_name/get?a=1", fields, b"body")
        told = json.loads(answer.body)
        assert (told["data"], told["args"]) == ("BODY", {"a": "1", "added": "1"})
        assert {name: told["headers"].get(f"X-{name}") for name in ("Pre", "Alias", "Token", "Sent")} == {
            "Pre": "yes", "Alias": "abc-session", "Token": "abc", "Sent": None,
        }  # fmt: skip
        assert (answer.status, answer.header("X-Response")) == (203, "abc-session")
        assert answer.header("X-Ratelimit-Limit") == "9"
        refused = proxy.request("GET", "/my_api_name/get", {"Authorization": "xyz"})
        assert (refused.status, json.loads(refused.body)) == (403, {"error": "Forbidden"})
        teapot = proxy.request("GET", "/my_api_name/get", {"Authorization": "teapot"})
        assert (teapot.status, json.loads(teapot.body)) == (418, {"error": "no coffee"})
        failed = proxy.request("GET", "/broken/")
        assert (failed.status, json.loads(failed.body)) == (500, {"error": "Middleware error"})
        proxy.wait_for("broken hook")
        proxy.wait_for("pre of my_api")
