"""`ext-plugin`, and the plugins by which routes ask runners."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from host.config import ProcessSpec, Route, loads
from host.config.runner_values import Runner, RunnerPlugin
from host.errors import ConfigError

MANAGED = 'ext-plugin: {cmd: ["./go-runner", "run"]}\n'
ROUTE = """\
routes:
  - id: 1
    uri: /get
    upstream: {nodes: {"127.0.0.1:1980": 1}}
    plugins:
      ext-plugin-pre-req: %s
"""
SAY = """{conf: [{name: say, value: '{"body":"hello"}'}]}"""


def runner_of(text: str) -> Runner:
    (plugin, *_) = loads(text + "routes: []\n", "/etc/sluiceway/c.yaml").plugins
    assert isinstance(plugin, RunnerPlugin)
    return plugin.runners[0]


def route_of(use: str, gateway: str = MANAGED) -> Route:
    return loads(gateway + ROUTE % use, "c.yaml").routes[0]


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        loads(text, "c.yaml")
    return [str(problem) for problem in error.value.problems]


def test_a_runner_of_ours_is_a_process_with_apisix_s_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees what is named, and what it needs."""
    config = loads(
        MANAGED + "nginx_config: {envs: [MY_ENV_VAR, MODE=dev=1]}\nroutes: []\n", "/etc/sluiceway/c.yaml"
    )
    assert config.processes == (
        ProcessSpec(
            name="runner",
            command=("./go-runner", "run"),
            folder=Path("/etc/sluiceway"),
            environment=(
                ("MODE", "dev=1"),
                ("APISIX_LISTEN_ADDRESS", "unix:{socket}"),
                ("APISIX_CONF_EXPIRE_TIME", "3600"),
            ),
            inherit=("MY_ENV_VAR",),
            socket="runner.sock",
        ),
    )
    assert [(plugin.name, plugin.priority) for plugin in config.plugins] == [
        ("ext-plugin-pre-req", 12000),
        ("ext-plugin-post-req", -3000),
        ("ext-plugin-post-resp", -4000),
    ]
    assert runner_of(MANAGED) == Runner(process="runner")


@pytest.mark.parametrize("path", ["/run/runner.sock", "unix:/run/runner.sock", "../../run/runner.sock"])
def test_a_runner_of_somebody_else_s_is_a_path(path: str) -> None:
    """With APISIX's prefix or without it, relative to the file's folder."""
    found = runner_of(f"ext-plugin: {{path_for_test: {path}}}\n")
    assert found.path is not None
    assert (found.path.resolve(), found.process) == (Path("/run/runner.sock"), "")


def test_path_for_test_wins_over_cmd(caplog: pytest.LogCaptureFixture) -> None:
    """As in APISIX; and it is said."""
    with caplog.at_level(logging.WARNING):
        config = loads("ext-plugin: {path_for_test: /run/x.sock, cmd: [run]}\nroutes: []\n")
    assert config.processes == ()
    assert [record.message for record in caplog.records] == [
        "ext-plugin.cmd is not run: path_for_test stands beside it"
    ]


def test_no_runner_makes_no_plugin() -> None:
    """Nobody pays for what is not there."""
    assert loads("routes: []\n").plugins == ()


def test_every_key_of_a_runner_is_read() -> None:
    found = runner_of(
        """\
ext-plugin:
  path_for_test: /run/x.sock
  conf_expire_time: 10m
  timeout: {connect: 2, send: 3, read: 4}
  start_timeout: 5
  max_connections: 6
  bare_arg: empty
  post_resp_headers: replace
  keep_duplicate_headers: true
"""
    )
    assert found == Runner(
        path=Path("/run/x.sock"),
        conf_expire_time=600.0,
        connect_timeout=2.0,
        send_timeout=3.0,
        read_timeout=4.0,
        start_timeout=5.0,
        max_connections=6,
        has_bare_arguments=False,
        replaces_response_headers=True,
        keeps_duplicates=True,
    )
    text = "ext-plugin: {cmd: [a], stop_timeout: 2, restart_pause: 4, restart_on_reload: false}\nroutes: []\n"
    (process,) = loads(text).processes
    assert (process.stop_timeout, process.restart_pause, process.restart_on_reload) == (2.0, 4.0, False)


def test_further_runners_have_names_and_processes_of_their_own() -> None:
    """A use picks one."""
    gateway = "ext-plugin: {cmd: [a], runners: {java: {cmd: [b]}, py: {path_for_test: /run/p.sock}}}\n"
    config = loads(gateway + ROUTE % "{runner: java}", "c.yaml")
    assert [(process.name, process.socket) for process in config.processes] == [
        ("runner", "runner.sock"),
        ("runner-java", "runner-java.sock"),
    ]
    plugin = config.plugins[0]
    assert isinstance(plugin, RunnerPlugin)
    assert [(runner.name, runner.process) for runner in plugin.runners] == [
        ("ext-plugin", "runner"),
        ("java", "runner-java"),
        ("py", ""),
    ]
    assert json.loads(config.routes[0].plugins[0].configuration)["runner"] == "java"


def test_a_use_keeps_its_plugins_in_order() -> None:
    use = route_of(
        """{conf: [{name: b, value: ""}, {name: a, value: "x"}], allow_degradation: true}"""
    ).plugins[0]
    assert (use.name, use.scope, use.priority) == ("ext-plugin-pre-req", "routes/1", None)
    assert json.loads(use.configuration) == {
        "conf": [{"name": "b", "value": ""}, {"name": "a", "value": "x"}],
        "allow_degradation": True,
    }


@pytest.mark.parametrize("use", ["{}", "{_meta: {priority: 5}}", "{conf: []}"])
def test_a_use_without_plugins_is_one(use: str) -> None:
    """APISIX asks the runner all the same."""
    assert len(route_of(use).plugins) == 1
    assert route_of("{disable: true}").plugins == ()


def test_uses_are_merged_like_any_others() -> None:
    """A route's takes the place of its service's, which holds for the others."""
    text = (
        MANAGED
        + """\
routes:
  - {id: 1, uri: /a, service_id: s, plugins: {ext-plugin-pre-req: {conf: [{name: r, value: ""}]}}}
services:
  - id: s
    upstream: {nodes: {"127.0.0.1:1": 1}}
    plugins: {ext-plugin-pre-req: {}, ext-plugin-post-resp: {}}
global_rules:
  - {id: g, plugins: {ext-plugin-post-req: {}}}
plugin_configs:
  - {id: p, plugins: {ext-plugin-post-req: {}}}
"""
    )
    config = loads(text)
    found = [(use.name, use.scope) for use in config.routes[0].plugins]
    assert found == [("ext-plugin-pre-req", "routes/1"), ("ext-plugin-post-resp", "services/s")]
    assert config.global_rules[0].plugins[0].name == "ext-plugin-post-req"


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("{conf: {name: say}}", "conf: expected a list, got a mapping"),
        ("{conf: [say]}", "conf[0]: expected a mapping, got the text 'say'"),
        ("{conf: [{name: say}]}", "conf[0]: lacks 'value'"),
        ("{conf: [{value: a}]}", "conf[0]: lacks 'name'"),
        ("{conf: [{name: '', value: a}]}", "conf[0].name: expected a text with something in it, got the text ''"),
        (
            "{conf: [{name: say, value: {body: hello}}]}",
            "conf[0].value: expected a text: the plugin's configuration as serialized JSON, in quotes",
        ),
        ("{conf: [{name: say, value: 5}]}", "conf[0].value: expected a text, got the number 5: quote it"),
        ("{allow_degredation: true}", "allow_degredation: unknown key; did you mean 'allow_degradation'?"),
        ("{allow_degradation: yes}", "allow_degradation: expected true or false, got the text 'yes': write true, without quotes"),
        ("{runner: java}", "runner: no runner of this name is declared under ext-plugin.runners"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_use_has_its_place(use: str, expected: str) -> None:
    """File, line and path, as everywhere."""
    assert problems(MANAGED + ROUTE % use) == [f"c.yaml:7: routes[0].plugins.ext-plugin-pre-req.{expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cmd: ./go-runner run", 'cmd: expected a list of the program and its arguments, such as ["./go-runner", "run"]'),
        ("cmd: []", "cmd: expected a list with something in it, got a list"),
        ("timeout: {read: 0}", "timeout.read: expected a duration over 0"),
        ("bare_arg: maybe", "bare_arg: expected one of: none or empty, got the text 'maybe'"),
        ("runners: {java: {cmnd: [a]}}", "runners.java.cmnd: unknown key; did you mean 'cmd'?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_runner_has_its_place(text: str, expected: str) -> None:
    assert problems(f"ext-plugin: {{{text}}}\nroutes: []\n") == [f"c.yaml:1: ext-plugin.{expected}"]


def test_a_use_needs_a_runner() -> None:
    """Its requests would all be 503."""
    place = "c.yaml:6: routes[0].plugins.ext-plugin-pre-req: "
    message = "needs a runner: ext-plugin.cmd or ext-plugin.path_for_test"
    assert problems(ROUTE % SAY) == [place + message]
    gateway = "ext-plugin: {runners: {java: {stop_timeout: 1}}}\n"
    message = "needs a runner: ext-plugin.runners.java.cmd or ext-plugin.runners.java.path_for_test"
    assert problems(gateway + ROUTE % "{runner: java}") == ["c.yaml:7" + place[8:] + message]


def test_runners_know_nothing_of_connections() -> None:
    text = (
        MANAGED
        + "stream_routes: [{upstream: {nodes: {'127.0.0.1:1': 1}}, plugins: {ext-plugin-pre-req: {}}}]\n"
    )
    assert problems(text) == [
        "c.yaml:2: stream_routes[0].plugins.ext-plugin-pre-req: is about requests of HTTP: there are none here"
    ]


def test_no_other_plugin_has_their_names() -> None:
    text = MANAGED + "python: {plugins: [{name: ext-plugin-pre-req, priority: 1, class: a:B}]}\nroutes: []\n"
    assert problems(text) == [
        "c.yaml:2: python.plugins[0].name: 'ext-plugin-pre-req' is a plugin of ext-plugin's: take another name"
    ]


@pytest.mark.parametrize("name", ["9A", "A B", "=x", "", "A=\\n"])
def test_a_variable_has_a_name(name: str) -> None:
    text = f'nginx_config: {{envs: ["{name}"]}}\nroutes: []\n'
    (problem,) = problems(text)
    assert "nginx_config.envs[0]: expected NAME or NAME=value" in problem


@pytest.mark.parametrize(
    ("value", "said"),
    [('{"body": "hello"}', 0), ("plain text", 0), ("", 0), ("{body: hello}", 1), ("[" * 100_000, 1)],
)
def test_a_value_that_is_no_json_is_told(value: str, said: int, caplog: pytest.LogCaptureFixture) -> None:
    """A runner would say nothing of it; and it is no error, since a plugin may read what it likes."""
    with caplog.at_level(logging.WARNING):
        loads(MANAGED + ROUTE % json.dumps({"conf": [{"name": "say", "value": value}]}))
    assert len(caplog.records) == said
    assert all(
        each.message.startswith("plugin say of a runner: its value is no JSON (") for each in caplog.records
    )
