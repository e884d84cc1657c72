"""API definitions of Tyk's: what each becomes, and what is said of one that cannot be served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from host.config import Config, Node, WasmPlugin, load
from host.config.tyk_values import PythonFunction, TykApi, TykInstrument, TykPythonHook
from host.errors import ConfigError

PROXY = {"listen_path": "/my_api_name/", "target_url": "http://127.0.0.1:1980/", "strip_listen_path": True}
KEYLESS: dict[str, Any] = {"name": "My API", "api_id": "my_api", "use_keyless": True, "proxy": PROXY}


def write(folder: Path, api: Any, yaml: str = "") -> Path:
    """Write a definition, or a text in its place, and the configuration beside it."""
    text = api if isinstance(api, str) else json.dumps(api, indent=1)
    (folder / "api.json").write_text(text)
    path = folder / "c.yaml"
    path.write_text(yaml or "tyk: {apis: [api.json]}\n")
    return path


def loaded(folder: Path, **keys: Any) -> Config:
    return load(write(folder, {**KEYLESS, **keys}))


def problems(folder: Path, api: Any, yaml: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, api, yaml))
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_a_definition_becomes_a_route(tmp_path: Path) -> None:
    """No apisix.yaml is needed: APIs bring their routes."""
    config = loaded(tmp_path)
    (route,) = config.routes
    assert (route.id, route.name, route.uris) == ("tyk.my_api", "My API", ("/my_api_name/*",))
    upstream = route.upstream
    assert upstream is not None
    assert (upstream.nodes, upstream.pass_host, upstream.scheme) == (
        (Node("127.0.0.1", 1980),),
        "node",
        "http",
    )
    assert config.plugins == (TykApi(name="tyk:my_api", listen_path="/my_api_name/", strips=True),)
    assert config.problems == config.warnings == ()


def test_a_target_with_a_path_and_the_clients_host(tmp_path: Path) -> None:
    """The path goes before what is left; https has its own port, and verifies unless told otherwise."""
    proxy = {
        **PROXY,
        "target_url": "https://example.org/base/",
        "preserve_host_header": True,
        "transport": {"ssl_insecure_skip_verify": True},
    }
    config = loaded(tmp_path, proxy=proxy, domain="api.example.org")
    (route,) = config.routes
    assert route.hosts == ("api.example.org",)
    upstream = route.upstream
    assert upstream is not None
    assert upstream.nodes == (Node("example.org", 443),)
    assert (upstream.scheme, upstream.pass_host, upstream.tls.verify) == ("https", "pass", False)
    (api,) = config.plugins
    assert isinstance(api, TykApi)
    assert api.target_path == "/base"


def test_hooks_become_uses_of_plugins(tmp_path: Path) -> None:
    """A `.so` stands for the `.wasm` beside it; hooks of one file share a plugin, each use names its symbol."""
    middleware = {
        "pre": [{"name": "A", "path": "mw/a.so"}, {"name": "B", "path": "mw/a.so"}],
        "auth_check": {},
        "post_key_auth": [],
        "post": [{"name": "C", "path": "c.wasm"}, {"name": "Filter", "path": "f.py", "driver": "python"}],
        "driver": "goplugin",
    }
    config = loaded(tmp_path, custom_middleware=middleware, config_data={"k": [1]})
    files = {plugin.name: plugin.file for plugin in config.plugins if isinstance(plugin, WasmPlugin)}
    assert files == {"tyk:mw/a.wasm": tmp_path / "mw/a.wasm", "tyk:c.wasm": tmp_path / "c.wasm"}
    (python,) = [plugin for plugin in config.plugins if isinstance(plugin, TykPythonHook)]
    assert python.function == PythonFunction(tmp_path / "f.py", "Filter")
    uses = [(use.name, use.stage, use.priority) for use in config.routes[0].plugins[1:]]
    assert uses == [
        ("tyk:mw/a.wasm", "rewrite", 20000),
        ("tyk:mw/a.wasm", "rewrite", 19999),
        ("tyk:c.wasm", "post", -10000),
        ("tyk:f.py:Filter:my_api:post", "post", -10001),
    ]
    assert json.loads(config.routes[0].plugins[2].configuration) == {
        "name": "My API",
        "api_id": "my_api",
        "org_id": "",
        "pre": ["B"],
        "config_data": {"k": [1]},
    }


def test_post_auth_check_is_post_key_auth(tmp_path: Path) -> None:
    """Tyk's documents have both names."""
    middleware = {
        "auth_check": {"name": "A", "path": "a.so"},
        "post_auth_check": [{"name": "B", "path": "a.so"}],
        "driver": "goplugin",
    }
    config = loaded(
        tmp_path, use_keyless=False, custom_plugin_auth_enabled=True, custom_middleware=middleware
    )
    assert [use.stage for use in config.routes[0].plugins[1:]] == ["authn", "authz"]


def test_a_keyless_api_has_no_authentication(tmp_path: Path) -> None:
    """Its auth_check and what follows are passed over, with a warning that says where."""
    middleware = {
        "auth_check": {"name": "A", "path": "a.so"},
        "post_key_auth": [{"name": "B", "path": "a.so"}],
        "driver": "goplugin",
    }
    config = loaded(tmp_path, custom_middleware=middleware)
    assert len(config.routes[0].plugins) == 1
    assert [warning.path for warning in config.warnings] == [
        "custom_middleware.auth_check",
        "custom_middleware.post_key_auth[0]",
    ]


def test_a_plugin_of_a_path_has_a_route_of_its_own(tmp_path: Path) -> None:
    """Before the API's own, with all its hooks and one more."""
    paths = [{"path": "/get", "method": "GET", "plugin_path": "p.so", "func_name": "P"}]
    versions = {
        "Default": {"name": "Default", "use_extended_paths": True, "extended_paths": {"go_plugin": paths}}
    }
    config = loaded(tmp_path, version_data={"not_versioned": True, "versions": versions})
    first, last = config.routes
    assert (first.uris, first.methods) == (("/my_api_name/get*",), ("GET",))
    assert [use.name for use in first.plugins] == ["tyk:my_api", "tyk:p.wasm"]
    assert last.uris == ("/my_api_name/*",)


def test_what_does_nothing_is_passed_over(tmp_path: Path) -> None:
    """Tyk's tools write every key: one that is off, or empty, keeps nobody from being served."""
    config = loaded(
        tmp_path,
        id="5f", slug="my-api", enable_jwt=False, use_oauth2=False, enable_ip_whitelisting=False,
        allowed_ips=["127.0.0.1"], CORS={"enable": False, "allowed_origins": ["*"]},
        cache_options={"cache_timeout": 60, "enable_cache": False}, event_handlers={"events": {}},
        uptime_tests={"check_list": [], "config": {"recheck_wait": 0}}, response_processors=[],
        definition={"location": "header", "key": "x-api-version"},
        custom_middleware={"pre": None, "auth_check": None, "id_extractor": {"extract_from": "", "extractor_config": {}}},
    )  # fmt: skip
    assert len(config.routes) == 1


def test_an_inactive_api_is_not_there(tmp_path: Path) -> None:
    """As if its file were not."""
    assert loaded(tmp_path, active=False).routes == ()


def test_a_folder_of_definitions(tmp_path: Path) -> None:
    """All its *.json, by name."""
    (tmp_path / "apps").mkdir()
    for name in "ba":
        api = {**KEYLESS, "api_id": name, "proxy": {**PROXY, "listen_path": f"/{name}/"}}
        (tmp_path / f"apps/{name}.json").write_text(json.dumps(api))
    config = load(write(tmp_path, KEYLESS, "tyk: {apis: [apps]}\n"))
    assert [route.id for route in config.routes] == ["tyk.a", "tyk.b"]


WRONG = [
    ('{"name": "x",\n"proxy"}', ["api.json:2: is not JSON: Expecting ':' delimiter in column 8"]),
    ("[]", ["api.json:1: expected a mapping, got a list"]),
    ('{"a": 1, "a": 2}', ["api.json:1: key 'a' stands here twice, the first time in line 1"]),
    ({"use_keyless": True}, ["api.json:1: lacks 'proxy'"]),
    ({**KEYLESS, "nmae": "x"}, ["api.json:10: nmae: unknown key; did you mean 'name'?"]),
    ({**KEYLESS, "enable_jwt": True}, ["api.json:10: enable_jwt: known to Tyk, not served by Sluiceway: enable_jwt"]),
    (
        {**KEYLESS, "use_keyless": False},
        [
            "api.json:4: use_keyless: this API has Tyk's token authentication, which is not served: set "
            "'use_keyless': true, or have an auth_check authenticate, with 'use_go_plugin_auth' (or "
            "'enable_coprocess_auth' or 'custom_plugin_auth_enabled'): true"
        ],
    ),
    (
        {**KEYLESS, "custom_middleware": {"id_extractor": {"extract_from": "header", "extract_with": "value"}}},
        ["api.json:11: custom_middleware.id_extractor: known to Tyk, not served by Sluiceway: id_extractor"],
    ),
    (
        {**KEYLESS, "proxy": {"listen_path": "my/{id}", "target_url": "ftp://h", "strip_path": True}},
        [
            "api.json:6: proxy.listen_path: expected a path without patterns, such as /my_api/, got the text 'my/{id}'",
            "api.json:7: proxy.target_url: expected http://HOST/PATH or https://HOST/PATH, got the text 'ftp://h'",
            "api.json:8: proxy.strip_path: unknown key; did you mean 'strip_listen_path'?",
        ],
    ),
    (
        {**KEYLESS, "custom_middleware": {"driver": "lua", "pre": {}}},
        [
            "api.json:11: custom_middleware.driver: expected one of: goplugin, wasm, python, grpc, a6 or kong, got the text 'lua'",
            "api.json:12: custom_middleware.pre: expected a list, got a mapping",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("api", "expected"), WRONG)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, api: Any, expected: list[str]) -> None:
    """File, line, path and what is meant."""
    assert problems(tmp_path, api) == expected


def test_two_apis_of_one_id(tmp_path: Path) -> None:
    """The second says which is the first."""
    (tmp_path / "b.json").write_text(json.dumps({**KEYLESS, "proxy": {**PROXY, "listen_path": "/b/"}}))
    (message,) = problems(tmp_path, KEYLESS, "tyk: {apis: [api.json, b.json]}\n")
    assert message == "b.json:1: api_id: api_id 'my_api' is that of api.json already"


def test_two_apis_on_one_path(tmp_path: Path) -> None:
    """One of them would never be asked; on hosts of their own both are."""
    (tmp_path / "b.json").write_text(json.dumps({**KEYLESS, "api_id": "b"}))
    (message,) = problems(tmp_path, KEYLESS, "tyk: {apis: [api.json, b.json]}\n")
    expected = "'/my_api_name/' is that of API 'my_api' already, on the same host"
    assert message == f"b.json:1: proxy.listen_path: {expected}"
    (tmp_path / "b.json").write_text(json.dumps({**KEYLESS, "api_id": "b", "domain": "b.example.org"}))
    assert len(load(write(tmp_path, KEYLESS, "tyk: {apis: [api.json, b.json]}\n")).routes) == 2


def test_a_definition_that_is_not_there(tmp_path: Path) -> None:
    """Its place is that of the entry."""
    (message,) = problems(tmp_path, KEYLESS, "tyk:\n  apis:\n    - none.json\n")
    assert message == "c.yaml:3: tyk.apis[0]: none.json: no such file or folder"


def test_a_key_of_tyk_conf_that_is_not_served(tmp_path: Path) -> None:
    """It is named as such."""
    (message,) = problems(tmp_path, KEYLESS, "tyk: {apis: [api.json], storage: {type: redis}}\n")
    assert message == "c.yaml:1: tyk.storage: known to Tyk, not served by Sluiceway: storage"


LEFT_OUT = [
    ({"pre": [{"name": "X", "path": "x.so"}]}, "custom_middleware.pre[0]", "lacks 'driver'"),
    ({"pre": [{"name": "X"}], "driver": "goplugin"}, "custom_middleware.pre[0]", "lacks 'path'"),
    ({"pre": [{"path": "x.so"}], "driver": "goplugin"}, "custom_middleware.pre[0]", "lacks 'name'"),
    ({"pre": [{"name": "X", "path": "x.so"}], "driver": "python"}, "custom_middleware.pre[0]", "a file in Python"),
    ({"pre": [{"name": "X"}], "driver": "grpc"}, "custom_middleware.pre[0]", "needs tyk.coprocess_options"),
    ({"pre": [{"name": "say"}], "driver": "a6"}, "custom_middleware.pre[0]", "needs a runner"),
    ({"pre": [{"name": "hello"}], "driver": "kong"}, "custom_middleware.pre[0]", "no plugin 'hello' is declared"),
    ({"auth_check": {"name": "x", "driver": "a6"}}, "custom_middleware.auth_check", "is to set a session"),
    ({"traffic_logs": [{"name": "X", "path": "x.so"}]}, "custom_middleware.traffic_logs[0]", "no other code sees"),
]  # fmt: skip


@pytest.mark.parametrize(("middleware", "path", "reason"), LEFT_OUT)
def test_a_hook_that_cannot_be_leaves_its_api_out(
    tmp_path: Path, middleware: dict[str, Any], path: str, reason: str
) -> None:
    """The others are served: a bundle may have brought the hook."""
    config = loaded(tmp_path, custom_middleware=middleware)
    assert config.routes == ()
    (problem,) = config.problems
    assert problem.path == path
    assert reason in problem.message


def test_a_place_of_its_own(tmp_path: Path) -> None:
    """An entry may say where it stands."""
    middleware = {
        "pre": [{"name": "A", "path": "a.so", "stage": "access", "priority": 7}],
        "driver": "goplugin",
    }
    (_, use) = loaded(tmp_path, custom_middleware=middleware).routes[0].plugins
    assert (use.stage, use.priority) == ("access", 7)


def test_measured_hooks_stand_between_two_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the names that Tyk's documents have."""
    monkeypatch.setenv("TYK_INSTRUMENTATION", "1")
    middleware = {
        "post": [{"name": "AddFooBarHeader", "path": "/tmp/AddFooBarHeader.so"}],
        "response": [{"name": "R", "path": "/tmp/AddFooBarHeader.so"}],
        "driver": "goplugin",
    }
    yaml = "tyk: {apis: [api.json], statsd_connection_string: localhost, statsd_prefix: gw}\n"
    config = load(write(tmp_path, {**KEYLESS, "custom_middleware": middleware}, yaml))
    _, before, hook, behind, response = config.routes[0].plugins
    assert before.name == behind.name == "tyk:instrument"
    assert (before.stage, before.priority) == (hook.stage, hook.priority) == (behind.stage, behind.priority)
    told = [json.loads(use.configuration) for use in (before, behind)]
    assert [each["event"] for each in told] == ["begin", "end"]
    assert {each["middleware"] for each in told} == {
        "GoPluginMiddleware:/tmp/AddFooBarHeader.so:AddFooBarHeader"
    }
    assert response.name == hook.name == "tyk:/tmp/AddFooBarHeader.wasm"
    (instrument,) = [plugin for plugin in config.plugins if isinstance(plugin, TykInstrument)]
    assert (instrument.statsd, instrument.prefix) == (("localhost", 8125), "gw")


def test_hooks_of_runners(tmp_path: Path) -> None:
    """Their plugins are those by which routes ask a runner; requests and responses have one each."""
    middleware = {
        "pre": [{"name": "say", "config": {"body": "hello"}}],
        "response": [{"name": "rewrite", "config": "text"}],
        "driver": "a6",
    }
    yaml = "tyk: {apis: [api.json]}\next-plugin: {path_for_test: runner.sock}\n"
    config = load(write(tmp_path, {**KEYLESS, "custom_middleware": middleware}, yaml))
    uses = [(use.name, use.stage, json.loads(use.configuration)) for use in config.routes[0].plugins[1:]]
    assert uses == [
        ("ext-plugin-pre-req", "rewrite", {"conf": [{"name": "say", "value": '{"body":"hello"}'}]}),
        ("ext-plugin-post-resp", "post", {"conf": [{"name": "rewrite", "value": "text"}]}),
    ]
    assert config.problems == ()


def test_a_protected_api_without_auth_check_is_left_out(tmp_path: Path) -> None:
    """Nobody could pass."""
    config = loaded(tmp_path, use_keyless=False, use_go_plugin_auth=True)
    assert config.routes == ()
    assert "has no auth_check" in config.problems[0].message
