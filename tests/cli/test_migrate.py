"""`sluiceway migrate`: what is carried over, what is told, and what is taken out of service."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host import config
from host.cli import main
from host.config.migration.writing import to_yaml
from host.config.parse import parse
from host.config.sources import source_of

ROOT = Path(__file__).resolve().parents[2]

SERVED = """\
routes:
  - uri: /*
    upstream: {type: roundrobin, nodes: {"127.0.0.1:1980": 1}}
    plugins: {header: {conf: "a: 1\\nb: 0x17\\n"}}
#END
"""
GATEWAY = """\
apisix: {node_listen: 9080}
wasm: {plugins: [{name: header, priority: 7000, file: absent.wasm}]}
"""
TYK = """\
{
  "name": "hello", "api_id": "hello", "use_keyless": true, "active": true,
  "proxy": {"listen_path": "/hello/", "target_url": "http://127.0.0.1:1980", "strip_listen_path": true},
  "uptime_tests": {"check_list": []},
  %s
  "version_data": {"not_versioned": true, "versions": {"Default": {"name": "Default"}}}
}
"""


class Migrated:
    """What the command did."""

    def __init__(self, status: int, output: str, errors: str) -> None:
        self.status, self.output, self.errors = status, output, errors.splitlines()

    @property
    def values(self) -> dict:  # type: ignore[type-arg]
        """The configuration that was written."""
        found = parse(self.output, "out.yaml")
        assert not found.problems
        return found.root.value or {}


@pytest.fixture
def migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Write files into a folder and carry the first one over."""
    monkeypatch.chdir(tmp_path)

    def migrate(*more: str, **files: str) -> Migrated:
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        status = main(["migrate", next(iter(files)).replace("_", "."), *more])
        captured = capsys.readouterr()
        return Migrated(status, captured.out, captured.err)

    return migrate


def routes(*entries: str, more: str = "") -> str:
    """An apisix.yaml with these routes, each with an upstream."""
    upstream = 'upstream: {nodes: {"127.0.0.1:1980": 1}}'
    listed = "".join(f"  - {{{upstream}, {entry}}}\n" for entry in entries)
    return f"routes:\n{listed}{more}#END\n"


def test_files_that_are_served_are_carried_over_whole(migrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Both files become one, with the same meaning; a module need not be there."""
    done = migrate(apisix_yaml=SERVED, config_yaml=GATEWAY)
    assert (done.status, done.errors) == (0, [])
    (tmp_path / "absent.wasm").write_bytes(b"")
    before = config.load("config.yaml")
    (tmp_path / "out.yaml").write_text(done.output)
    assert config.load("out.yaml") == before
    assert before.routes[0].plugins[0].configuration == b"a: 1\nb: 0x17\n"


def test_runners_are_carried_over(migrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """They are served: the runner that is started, what it sees of the environment, and what routes ask of it."""
    gateway = 'ext-plugin: {cmd: ["./go-runner", "run"]}\nnginx_config: {envs: [MY_ENV_VAR, MODE=dev]}\n'
    use = 'ext-plugin-pre-req: {conf: [{name: say, value: \'{"body":"hello"}\'}]}'
    done = migrate(apisix_yaml=routes(f"uri: /get, plugins: {{{use}}}"), config_yaml=gateway)
    assert (done.status, done.errors) == (0, [])
    (tmp_path / "out.yaml").write_text(done.output)
    carried = config.load("out.yaml")
    assert carried == config.load("config.yaml")
    assert [each.command for each in carried.processes] == [("./go-runner", "run")]


def test_config_yaml_takes_the_other_file_along(migrate) -> None:  # type: ignore[no-untyped-def]
    """From either of the two the result is the same."""
    first = migrate(apisix_yaml=SERVED, config_yaml=GATEWAY)
    second = migrate(config_yaml=GATEWAY, apisix_yaml=SERVED)
    assert first.output == second.output


def test_what_is_not_served_is_told_with_line_and_reason(migrate) -> None:  # type: ignore[no-untyped-def]
    """On standard error and in the result; the rest is there."""
    done = migrate(apisix_yaml=routes("uri: /a, plugins: {prometheus: {}}", "uri: /b, frobnicate: 1"))
    assert done.status == 1
    assert done.errors == [
        "apisix.yaml:2: routes[0].plugins.prometheus: known to APISIX, not served by Sluiceway: plugin prometheus",
        next(
            each
            for each in done.errors
            if each.startswith("apisix.yaml:3: routes[1].frobnicate: unknown key")
        ),
        "not carried over: 2",
    ]
    assert all(f"  # left out: {line}" in done.output for line in done.errors[:2])
    assert [(each["uri"], each.get("status")) for each in done.values["routes"]] == [
        ("/a", None),
        ("/b", None),
    ]


@pytest.mark.parametrize(
    "entry",
    [
        "uri: /, vars: [[arg_a, '==', b]]",
        "uri: /, remote_addr: 127.0.0.1",
        "uri: /, hosts: 7",
        "uri: /, plugins: {key-auth: {}}",
        "uri: /, plugins: {ours-in-lua: {}}",
        "uri: /, plugins: 7",
        "uri: /, service_id: none",
        "uri: /, plugin_config_id: none",
        "uri: /, service_id: 1",
        "uri: /, plugin_config_id: arr_1",
    ],
)
def test_a_route_that_loses_what_kept_requests_out_is_out_of_service(migrate, entry: str) -> None:  # type: ignore[no-untyped-def]
    """Also where a service or plugins of several routes had it."""
    shared = "services: [{id: 1, plugins: {ip-restriction: {}}}]\nplugin_configs: [{plugins: {opa: {}}}]\n"
    done = migrate(apisix_yaml=routes("uri: /other", entry, more=shared))
    assert done.status == 1
    assert [each.get("status") for each in done.values["routes"]] == [None, 0]
    assert "# out of service (status: 0)" in done.output


@pytest.mark.parametrize("rule", ["{id: 1, plugins: {jwt-auth: {}}}", "{id: 1, plugins: 7}", "7"])
def test_a_check_of_every_request_takes_all_routes_along(migrate, rule: str) -> None:  # type: ignore[no-untyped-def]
    """That of a global rule."""
    done = migrate(apisix_yaml=routes("uri: /a", "uri: /b", more=f"global_rules: [{rule}]\n"))
    assert [each.get("status") for each in done.values["routes"]] == [0, 0]


def test_a_route_of_connections_that_loses_its_check_is_left_out(migrate) -> None:  # type: ignore[no-untyped-def]
    """It has no status to set."""
    streams = 'stream_routes: [{plugins: {ip-restriction: {}}, upstream: {nodes: {"127.0.0.1:1": 1}}}]\n'
    done = migrate(apisix_yaml=routes("uri: /a", more=streams))
    assert done.status == 1
    assert done.values["stream_routes"] == []
    assert "what was left out of it may have kept others out" in done.output


def test_ids_by_position_stay_what_they_were(migrate) -> None:  # type: ignore[no-untyped-def]
    """An entry that is left out in front of them does not change whom `arr_2` means."""
    shared = 'upstreams: [7, {nodes: {"127.0.0.1:1": 1}}, {nodes: {"127.0.0.1:2": 1}}]\n'
    done = migrate(apisix_yaml="routes: [{uri: /, upstream_id: arr_3}]\n" + shared + "#END\n")
    assert [each["id"] for each in done.values["upstreams"]] == ["arr_2", "arr_3"]
    assert "apisix.yaml:2: upstreams[0]: expected a mapping, got the number 7" in done.errors


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("apisix_yaml", "routes: [", "is not YAML"),
        ("apisix_yaml", "routes: []\n", "lacks its last line, #END"),
        ("apisix_yaml", "- 1\n#END\n", "is no mapping"),
        ("config_yaml", "7", "is no mapping"),
        ("api_json", '{"proxy": {"listen_path": "/"', "is not JSON"),
        ("api_json", TYK.replace('"use_keyless": true', '"use_keyless": false') % "", "token authentication"),
    ],
)
def test_a_file_of_no_use_ends_with_2(migrate, name: str, text: str, said: str) -> None:  # type: ignore[no-untyped-def]
    """And nothing is written."""
    done = migrate("--from", "tyk" if name == "api_json" else "apisix", **{name: text})
    assert (done.status, done.output) == (2, "")
    assert said in "\n".join(done.errors)


def test_a_file_that_is_not_there_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """As one that cannot be read."""
    assert main(["migrate", "/nowhere/apisix.yaml"]) == 2
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_the_result_goes_to_a_file(migrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """And standard output stays empty."""
    done = migrate("-o", "out.yaml", apisix_yaml=routes("uri: /a"))
    assert (done.status, done.output) == (0, "")
    assert len(config.load(tmp_path / "out.yaml").routes) == 1
    assert migrate("-o", "/nowhere/out.yaml", apisix_yaml=routes("uri: /a")).status == 2


def test_a_definition_of_tyk_is_carried_over_whole(migrate, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """It is served as it is, from within the configuration."""
    done = migrate(api_json=TYK % "")
    assert (done.status, done.errors) == (0, [])
    (tmp_path / "out.yaml").write_text(done.output)
    (route,) = config.load("out.yaml").routes
    assert (route.id, route.uris) == ("tyk.hello", ("/hello/*",))


@pytest.mark.parametrize(
    ("key", "path", "active"),
    [
        ('"cache_options": {"enable_cache": true}', "cache_options", True),
        ('"enable_ip_whitelisting": true', "enable_ip_whitelisting", False),
        (
            '"custom_middleware": {"pre": [{"name": "a", "path": "a.so", "code": "x"}], "driver": "lua"}',
            None,
            False,
        ),
    ],
)
def test_a_definition_that_loses_a_check_is_not_served(  # type: ignore[no-untyped-def]
    migrate, key: str, path: str | None, active: bool
) -> None:
    """It stays in the file, not active."""
    done = migrate(api_json=TYK % f"{key},")
    assert done.status == 1
    assert path is None or any(f"api.json:5: {path}: known to Tyk" in line for line in done.errors)
    assert done.values["tyk"]["apis"][0]["active"] is active
    assert config.loads(done.output) is not None


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ({"_format_version": "3.0"}, "kong"),
        ({"proxy": {"listen_path": "/"}}, "tyk"),
        ({"routes": []}, "apisix"),
        ({"proxy": 7}, "apisix"),
        ([1], "apisix"),
        (None, "apisix"),
    ],
)
def test_a_file_shows_whose_it_is(value: object, source: str) -> None:
    """By the keys that each has."""
    assert source_of(value) == source


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab0.~-: '\"#", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1), plain, max_size=3))
def test_what_is_written_is_read_as_it_was(values: dict[str, object]) -> None:
    """Texts that look like numbers, dates or words of YAML, of whatever version, stay texts."""
    read = parse(to_yaml(values, {}, ["head\n", ""], lambda key, entry: ["about it"]), "out.yaml")
    assert read.problems == []
    assert (read.root.value or {}) == values


def test_the_example_of_the_docs_is_what_comes_out(migrate) -> None:  # type: ignore[no-untyped-def]
    """The page shows files; here they are made."""
    page = (ROOT / "docs/migration.md").read_text()
    source, result = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    done = migrate(apisix_yaml=source.removeprefix("# apisix.yaml\n"))
    assert (done.status, done.output) == (1, result)
