"""The section `kong`: servers, their commands, the environment, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.config import Config, ProcessSpec, loads
from host.config.kong_values import KongPlugin, KongServer
from host.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/kong.md").read_text(), re.DOTALL | re.MULTILINE)

ROUTES = "routes: [{uri: /, upstream: {nodes: {'127.0.0.1:1': 1}}, plugins: {p: {config: {a: 1}}}}]\n"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of whoever runs the tests are none of theirs."""
    import os

    for name in [name for name in os.environ if name.startswith("KONG_")]:
        monkeypatch.delenv(name)


def _load(text: str) -> Config:
    return loads(text, "/etc/gateway/c.yaml")


def _servers(config: Config) -> tuple[KongServer, ...]:
    plugin = config.plugins[0]
    assert isinstance(plugin, KongPlugin)
    return plugin.settings.servers


def problems(text: str) -> list[str]:
    """What is wrong with a text."""
    with pytest.raises(ConfigError) as caught:
        loads(text, "c.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_the_page_has_examples() -> None:
    """A pattern that finds nothing would pass the next test."""
    assert EXAMPLES


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_page_loads(text: str) -> None:
    """As it stands."""
    assert isinstance(loads(text, "example.yaml"), Config)


def test_a_named_server() -> None:
    """Paths start from the file's folder; dashes are underscores in keys."""
    config = _load(
        "kong:\n  plugins: bundled, p\n  prefix: run\n  pluginserver_names: Go-Hello\n"
        "  pluginserver_go_hello_start_cmd: ./go-hello -kong-prefix run\n"
        "  pluginserver_go_hello_query_cmd: ./go-hello -dump\n" + ROUTES
    )
    (server,) = _servers(config)
    assert server.name == "go-hello"
    assert server.socket == Path("/etc/gateway/run/go-hello.socket")
    assert server.query_command == "./go-hello -dump"
    assert server.is_managed
    assert server.folder == Path("/etc/gateway")
    (process,) = config.processes
    assert isinstance(process, ProcessSpec)
    assert process.command[-1] == "mkdir -p /etc/gateway/run && exec ./go-hello -kong-prefix run"
    assert (process.name, process.folder, process.restart_pause) == (
        "kong.go-hello",
        Path("/etc/gateway"),
        1.0,
    )
    assert config.routes[0].plugins[0].configuration == b'{"a":1}'


def test_a_server_that_somebody_else_starts() -> None:
    """It has no start_cmd, and is no process of ours."""
    config = _load(
        "kong: {plugins: [p], pluginserver_names: [a], pluginserver_a_socket: /run/a.sock, "
        "pluginserver_a_query_cmd: a -dump}\n" + ROUTES
    )
    (server,) = _servers(config)
    assert (server.socket, server.is_managed) == (Path("/run/a.sock"), False)
    assert config.processes == ()


def test_the_server_of_kong_2() -> None:
    """`go_pluginserver_exe` and `go_plugins_dir`; `off` is none."""
    config = _load(
        "kong: {plugins: [p], prefix: /run/k, go_pluginserver_exe: ./gps, go_plugins_dir: so}\n" + ROUTES
    )
    (server,) = _servers(config)
    assert server.socket == Path("/run/k/go_pluginserver.sock")
    assert server.query_command == "/etc/gateway/gps -plugins-directory /etc/gateway/so -dump-all-plugins"
    assert (
        config.processes[0]
        .command[-1]
        .endswith("exec /etc/gateway/gps -kong-prefix /run/k -plugins-directory /etc/gateway/so")
    )
    off = _load("kong: {plugins: [p], go_plugins_dir: 'off'}\n" + ROUTES)
    assert _servers(off) == ()


def test_the_environment_takes_the_place_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with Kong; numbers are numbers. Without the section it is nobody's."""
    monkeypatch.setenv("KONG_PLUGINS", "bundled,p")
    monkeypatch.setenv("KONG_PLUGINSERVER_NAMES", "a")
    monkeypatch.setenv("KONG_PLUGINSERVER_A_QUERY_CMD", "a -dump")
    monkeypatch.setenv("KONG_EVENT_TIMEOUT", "7")
    monkeypatch.setenv("KONG_PORT", "tcp://10.0.0.1:8000")  # Kubernetes's, for a service of this name
    config = _load("kong: {plugins: [q], event_timeout: 3s}\n" + ROUTES)
    plugin = config.plugins[0]
    assert isinstance(plugin, KongPlugin)
    assert (plugin.name, plugin.settings.event_timeout) == ("p", 7.0)
    assert plugin.settings.servers[0].query_command == "a -dump"
    assert _load("routes: [{uri: /, upstream: {nodes: {'127.0.0.1:1': 1}}}]").plugins == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kong: {plugins: [p, p]}\n", "c.yaml:1: kong.plugins: another plugin is named 'p' already"),
        ("kong: {plugins: 5}\n", "c.yaml:1: kong.plugins: expected a list of texts or a text with commas, got the number 5"),
        ("kong: {plugins: [p], nonsense: 1}\n", "c.yaml:1: kong.nonsense: unknown key; expected one of: prefix, "),
        (
            "kong:\n  plugins: [p]\n  pluginserver_b_socket: /x\n",
            "c.yaml:3: kong.pluginserver_b_socket: is of server 'b', which pluginserver_names does not have: none",
        ),
        (
            "kong: {plugins: [p], pluginserver_names: [a], pluginserver_a_socket: 5}\n",
            "c.yaml:1: kong.pluginserver_a_socket: expected a text, got the number 5: quote it",
        ),
        ("kong: {plugins: [p], trusted_ips: [x]}\n", "c.yaml:1: kong.trusted_ips: expected addresses and ranges such as"),
        ("kong: {plugins: [p], real_ip_recursive: maybe}\n", "c.yaml:1: kong.real_ip_recursive: expected on or off"),
        ("kong: {plugins: [p], database: postgres}\n", "c.yaml:1: kong.database: expected"),
        ("kong: {plugins: [p], event_timeout: 0}\n", "c.yaml:1: kong.event_timeout: expected a duration over 0"),
        ("kong: {plugins: [p], pluginserver_names: ['a b']}\n", "c.yaml:1: kong.pluginserver_names: expected names of"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_place(text: str, expected: str) -> None:
    """File, line and key."""
    assert any(each.startswith(expected) for each in problems(text + ROUTES)), problems(text + ROUTES)


def test_a_name_that_two_kinds_have() -> None:
    """Both are told."""
    text = "kong: {plugins: [p]}\npython: {plugins: [{name: p, priority: 1, class: 'a:B'}]}\n"
    expected = "c.yaml:1: kong.plugins: another plugin is named 'p' already, in python.plugins"
    assert problems(text + ROUTES)[0] == expected


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("{config: {}, conf: {a: 1}}", "stands beside 'conf': give one of them"),
        ("{config: text}", "expected a mapping, got the text 'text'"),
    ],
)
def test_a_use_has_one_configuration(use: str, expected: str) -> None:
    """`config` is Kong's name, and `conf` APISIX's."""
    text = f"kong: {{plugins: [p]}}\nroutes: [{{uri: /, upstream: {{nodes: {{'127.0.0.1:1': 1}}}}, plugins: {{p: {use}}}}}]\n"
    assert problems(text) == [f"c.yaml:2: routes[0].plugins.p.config: {expected}"]


def test_config_is_for_kongs_plugins() -> None:
    """Others would not get it."""
    text = "python: {plugins: [{name: p, priority: 1, class: 'a:B'}]}\n" + ROUTES
    assert problems(text) == [
        "c.yaml:2: routes[0].plugins.p.config: is for plugins of Kong's plugin servers; this is one of python.plugins: "
        "use 'conf'"
    ]
