"""`sluiceway migrate` of Kong's declarative files: what is served is carried over, and what it loses does not open it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from host import config
from host.cli import main
from host.config import Config

CONF = """\
# what concerns plugin servers is taken
database = off
plugins = bundled, go-hello
pluginserver_names = go-hello
pluginserver_go_hello_start_cmd = ./go-hello -kong-prefix run  # the \\# is none
pluginserver_go_hello_query_cmd = ./go-hello -dump
prefix = 'run'
nginx_worker_processes = 4
"""

Migrate = Callable[..., tuple[int, list[str], Config | None]]


@pytest.fixture
def migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Migrate:
    """Carry over a declarative file, and a kong.conf; returns status, errors and what was written, loaded."""
    monkeypatch.chdir(tmp_path)

    def migrate(text: str, conf: str = "") -> tuple[int, list[str], Config | None]:
        Path("kong.yml").write_text('_format_version: "3.0"\n' + text)
        if conf:
            Path("kong.conf").write_text(conf)
        status = main(["migrate", "kong.yml", "-o", "out.yaml"])
        errors = capsys.readouterr().err.splitlines()
        return status, errors, config.load("out.yaml") if status < 2 else None

    return migrate


def services(routes: str, more: str = "", service: str = "") -> str:
    """A file of one service."""
    return f"services: [{{name: s, url: 'http://127.0.0.1:1980', {service} routes: [{routes}]}}]\n{more}"


def test_a_file_that_is_served_is_carried_over_whole(migrate: Migrate) -> None:
    """What is written means what the file means where it lies."""
    text = services(
        "{name: r, paths: [/a], hosts: [example.com], methods: [GET], strip_path: true}",
        "upstreams: [{name: pool, targets: [{target: '127.0.0.1:1', weight: 5}]}]\n"
        "routes: [{name: q, paths: [/q], service: s}]",
    )
    status, errors, made = migrate(text)
    assert (status, errors) == (0, [])
    assert made is not None
    Path("by-file.yaml").write_text("kong: {declarative_config: kong.yml}\n")
    assert made == config.load("by-file.yaml")
    assert [route.id for route in made.routes] == ["r", "q"]


def test_plugin_servers_come_along(migrate: Migrate) -> None:
    """Those of the kong.conf beside."""
    uses = "plugins: [{name: go-hello, config: {message: hello}}]"
    status, errors, made = migrate(services(f"{{name: r, paths: [/], {uses}}}"), CONF)
    assert (status, errors) == (0, [])
    assert made is not None
    (use,) = made.routes[0].plugins
    assert (use.name, use.configuration) == ("go-hello", b'{"message":"hello"}')
    (process,) = made.processes
    assert process.name == "kong.go-hello"
    assert "./go-hello -kong-prefix run" in process.command[-1]
    assert "#" not in process.command[-1]


OTHER = "{name: other, paths: [/other]}"


@pytest.mark.parametrize(
    ("text", "said", "served"),
    [
        (services("{name: r, paths: [/], plugins: [{name: cors}]}"), "'cors'", ["r"]),
        (services("{name: r, paths: [/], plugins: [{name: key-auth, enabled: false}]}"), "'key-auth'", ["r"]),
        (services("{name: r, paths: [/], plugins: [{name: key-auth}]}"), "'key-auth'", []),
        (services("{name: r, paths: [/], plugins: [{name: ours}]}"), "'ours'", []),
        (services("{name: r, paths: [/], plugins: 7}"), "services[0].routes[0].plugins", []),
        (services("{name: r, paths: [/]}", service="plugins: [{name: acl}],"), "services[0].plugins[0]", []),
        (services("{name: r, paths: [/]}", "plugins: [{name: jwt}]"), "plugins[0]", []),
        (services("{name: r, paths: [/]}", "plugins: [{name: jwt, route: r}]"), "plugins[0]", []),
        (services("{name: r, paths: [/]}", "plugins: [{name: jwt, service: {name: s}}]"), "plugins[0]", []),
        (
            services("{name: r, paths: [/]}", "plugins: [{name: go-hello, consumer: c}]"),
            "plugins[0].consumer",
            ["r"],
        ),
        (services("{name: r, paths: [/], headers: {x: [y]}}"), "services[0].routes[0].headers", []),
        (services("{name: r, paths: [/], sources: [{ip: 127.0.0.1}]}"), "routes[0].sources", []),
        (services("{name: r, paths: [/a, '~/x']}"), "a regular expression", ["r"]),
        (services("{name: r, paths: ['~/x']}"), "a regular expression", []),
        (services("{name: r, paths: [/], hosts: [7]}"), "hosts[0]", []),
        (services("{name: r, paths: [/], protocols: [grpc]}"), "protocols[0]", []),
        (
            services("{name: r, paths: [/]}", service="ca_certificates: [x],"),
            "services[0].ca_certificates",
            ["r"],
        ),
        (services("{name: r, paths: [/]}", "certificates: [{cert: x}]"), "certificates", ["r"]),
    ],
)
def test_what_is_not_served_is_told(migrate: Migrate, text: str, said: str, served: list[str]) -> None:
    """And a route that loses what may have kept requests out of it is left out, without the others of other services."""
    other = f"  - {{name: t, url: 'http://127.0.0.1:1981', routes: [{OTHER}]}}"
    listed = text.replace("services: [", "services:\n  - ", 1).replace("]}]\n", f"]}}\n{other}\n", 1)
    done, errors, made = migrate(listed, CONF)
    assert done == 1
    assert any(said in line for line in errors[:-1]), errors
    assert made is not None
    everything_goes = "plugins: [{name: jwt}]" in text
    assert [route.id for route in made.routes] == [*served, *([] if everything_goes else ["other"])]
    written = Path("out.yaml").read_text()
    assert all(f"# left out: {line}" in written for line in errors[:-1])


@pytest.mark.parametrize(
    "text",
    [
        "services: [{name: s, protocol: grpc, host: h, routes: [{name: r, paths: [/]}]}]",
        "services: [{name: s, url: 'http://[', routes: [{name: r, paths: [/]}]}]",
        "routes: [{name: r, paths: [/], service: none}]",
        "routes: [{name: r, paths: [/]}]",
    ],
)
def test_a_route_without_its_service_is_left_out(migrate: Migrate, text: str) -> None:
    """It would lead somewhere else."""
    status, _, made = migrate(text)
    assert status == 1
    assert made is not None
    assert made.routes == ()


def test_a_service_that_is_disabled_is_not_served(migrate: Migrate) -> None:
    """As in Kong; nothing is lost."""
    status, _, made = migrate(services("{name: r, paths: [/]}", service="enabled: false,"))
    assert status == 0
    assert made is not None
    assert made.routes == ()


@pytest.mark.parametrize(
    "text",
    ["services: 7", "services: [7, {routes: [7, {}], plugins: 7}]", "routes: {a: b}", "plugins: [7, {config: 7}]",
     "upstreams: [{name: 7, targets: [{}]}]\nservices: [{host: '7', routes: [{paths: [7], hosts: {}, plugins: [{}]}]}]"],
)  # fmt: skip
def test_nonsense_is_no_fault(migrate: Migrate, text: str) -> None:
    """Whatever stands where something else should, there is a result, or a reason."""
    status, _, made = migrate(text)
    assert status in (1, 2)
    assert made is None or dataclasses.is_dataclass(made)


def test_a_kong_file_without_a_mapping_is_of_no_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said with `--from`."""
    (tmp_path / "kong.yml").write_text("[1]")
    assert main(["migrate", "--from", "kong", str(tmp_path / "kong.yml")]) == 2
    assert "is no mapping" in capsys.readouterr().err
