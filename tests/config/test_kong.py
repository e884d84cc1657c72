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


@pytest.mark.parametrize("text", [text for text in EXAMPLES if "_format_version" not in text])
def test_every_example_of_the_page_loads(text: str, tmp_path: Path) -> None:
    """As it stands; with the declarative file beside it."""
    (declarative,) = (text for text in EXAMPLES if "_format_version" in text)
    (tmp_path / "kong.yml").write_text(declarative)
    config = loads(text, str(tmp_path / "example.yaml"))
    assert config.routes[0].plugins[0].name == "go-hello"


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


DECLARATIVE = """
_format_version: "3.0"
services:
  - name: shop
    url: http://shop.internal:8080/api/
    retries: 2
    read_timeout: 1500
    plugins: [{name: p, config: {a: service}}]
    routes:
      - {name: goods, paths: [/goods, /g], hosts: [shop.example.com], methods: [GET]}
      - name: whole
        paths: [/]
        strip_path: false
        preserve_host: true
        plugins: [{name: p, config: {a: route}}, {name: q, config: {}, enabled: false}]
  - {name: balanced, host: pool}
routes:
  - {name: apart, service: balanced, paths: [/apart]}
plugins:
  - {name: p, config: {a: all}}
  - {name: q, route: apart, config: {b: 1}}
upstreams:
  - name: pool
    host_header: pool.example.com
    targets: [{target: "10.0.0.1:81", weight: 3}, {target: 10.0.0.2}]
consumers:
  - {username: ann, custom_id: a-1, groups: [{name: gold}]}
"""


def _declared(tmp_path: Path, text: str) -> Config:
    (tmp_path / "kong.yml").write_text(text)
    return loads(
        "kong: {plugins: [p, q], declarative_config: kong.yml}\nroutes: []", str(tmp_path / "c.yaml")
    )


def test_a_declarative_file(tmp_path: Path) -> None:
    """Services are upstreams, routes match by prefixes, and the most specific plugin of a name counts."""
    config = _declared(tmp_path, DECLARATIVE)
    goods, whole, apart = config.routes
    assert (goods.id, goods.uris, goods.hosts, goods.methods) == (
        "goods", ("/goods*", "/g*"), ("shop.example.com",), ("GET",),
    )  # fmt: skip
    assert goods.upstream is not None
    assert [(node.host, node.port) for node in goods.upstream.nodes] == [("shop.internal", 8080)]
    assert (goods.upstream.retries, goods.upstream.timeout.read, goods.upstream.pass_host) == (2, 1.5, "node")
    assert {use.name: use.configuration for use in goods.plugins} == {
        "p": b'{"a":"service"}',
        "kong/service_path": b'{"strip":["/goods","/g"],"path":"/api"}',
    }
    assert whole.upstream is not None
    assert whole.upstream.pass_host == "pass"
    assert {use.name: use.configuration for use in whole.plugins} == {
        "p": b'{"a":"route"}',
        "kong/service_path": b'{"path":"/api"}',
    }
    assert apart.upstream is not None
    assert [(node.host, node.port, node.weight) for node in apart.upstream.nodes] == [
        ("10.0.0.1", 81, 3), ("10.0.0.2", 8000, 100),
    ]  # fmt: skip
    assert (apart.upstream.pass_host, apart.upstream.upstream_host) == ("rewrite", "pool.example.com")
    assert {use.name: use.configuration for use in apart.plugins}["q"] == b'{"b":1}'
    assert [upstream.name for upstream in config.upstreams] == ["pool"]
    plugin = config.plugins[0]
    assert isinstance(plugin, KongPlugin)
    assert [(each.username, each.groups) for each in plugin.settings.consumers] == [("ann", ("gold",))]
    assert [each.id for each in plugin.settings.routes] == ["goods", "whole", "apart"]
    place = goods.plugins[0].place
    assert place is not None
    assert (Path(place.file).name, place.path) == ("kong.yml", "services[0].plugins[0]")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('_format_version: "3.0"', ""), "kong.yml:3: lacks '_format_version'"),
        (("url: http://shop.internal:8080/api/", ""), "kong.yml:4: services[0]: lacks 'url' (or 'host')"),
        (("url: http:", "url: ftp:"), "services[0].url: expected http://HOST[:PORT][/PATH]"),
        (("[/apart]", "['~/a.*']"), "routes[0].paths[0]: known to Kong, not served by Sluiceway: a regular expression as path"),
        (("[/apart]", "[/a], headers: {x: [y]}"), "routes[0].headers: known to Kong, not served by Sluiceway: headers"),
        (("service: balanced", "service: none"), "routes[0].service: no entry of services has name or id 'none'"),
        (("service: balanced, ", ""), "routes[0]: lacks 'service': where its requests go"),
        (("{name: q, route: apart", "{name: q, route: gone"), "plugins[1].route: no route has this name or id"),
        (("{name: p, config: {a: all}}", "{name: r}"), "plugins[0].name: no plugin of this name is declared under kong.plugins (Kong's own are not here): 'r'"),
        (("[{name: p, config: {a: service}}]", "[{name: p, confg: {}}]"), "services[0].plugins[0].confg: unknown key; did you mean 'config'?"),
        (("name: apart", "name: goods"), "routes[0]: its name or id 'goods' is that of another route"),
        (("retries: 2", "retries: -1"), "services[0].retries: expected 0 or more, got the number -1"),
        (("- {username: ann", "- {username: ann, keyauth_credentials: []"), "consumers[0].keyauth_credentials: known to Kong, not served"),
        (("upstreams:\n", "certificates: []\nupstreams:\n"), "certificates: known to Kong, not served by Sluiceway: certificates"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_declarative_file(
    change: tuple[str, str], expected: str, tmp_path: Path
) -> None:
    """Its own file and line."""
    text = DECLARATIVE.replace(*change)
    assert text != DECLARATIVE
    with pytest.raises(ConfigError) as caught:
        _declared(tmp_path, text)
    found = [str(problem) for problem in caught.value.problems]
    assert any(expected in each and "kong.yml" in each for each in found), found


def test_a_declarative_file_needs_no_other_routes(tmp_path: Path) -> None:
    """And one that is not there is told."""
    import host.config

    (tmp_path / "config.yaml").write_text("kong: {plugins: [p, q], declarative_config: kong.yml}\n")
    with pytest.raises(ConfigError, match=r"kong\.yml: cannot be read: No such file"):
        host.config.load(tmp_path / "config.yaml")
    (tmp_path / "kong.yml").write_text(DECLARATIVE)
    assert len(host.config.load(tmp_path / "config.yaml").routes) == 3
