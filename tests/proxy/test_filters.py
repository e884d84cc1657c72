"""From plugins in a configuration to filters in chains: which, in which order, who shares what, and what is wrong."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from host import config as configs
from host.assembly import Assembly, assemble
from host.filters.python import PythonFilterAdapter
from host.filters.wasm import WasmFilter
from tests.proxy.assembling import NODE, assembled, plugin, route, surroundings
from tests.proxy.test_settings import run

FILTERS = """
import host

class Named(host.PythonFilter):
    def __init__(self, configuration):
        super().__init__(configuration)
        if configuration.startswith(b"refuse"):
            raise ValueError("I take no such thing")
        if configuration.startswith(b"fault"):
            raise KeyError("x")

class Other:
    pass

number = 7
"""


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with a module of filters, whose name no other test uses: Python imports a name once."""
    (tmp_path / f"filters_{request.node.name.partition('[')[0]}.py").write_text(FILTERS)
    return tmp_path


def python_plugins(folder: Path, *plugins: str, wasm: str = "") -> str:
    """The part of a configuration that declares plugins; MODULE stands for the module."""
    module = next(folder.glob("filters_*.py")).stem
    listed = ", ".join(plugins).replace("MODULE", module)
    return f"python: {{path: [.], plugins: [{listed}]}}\nwasm: {{plugins: [{wasm}]}}\n"


def names(assembly: Assembly, path: str) -> list[str]:
    """Configurations of the filters of a route, in the order of requests."""
    found = []
    for each in route(assembly, path).chain.filters:
        if isinstance(each, PythonFilterAdapter):
            found.append(each.filter.configuration.decode())
        else:
            assert isinstance(each, WasmFilter)
            found.append(each.plugin.settings.name)
    return found


def test_filters_of_both_kinds_stand_in_one_order(folder: Path) -> None:
    """Global rules, then rewrite before access, then priority, `_meta.priority` in its place."""

    async def test() -> None:
        text = python_plugins(
            folder,
            "{name: low, priority: 1, class: 'MODULE:Named'}",
            "{name: high, priority: 9, class: 'MODULE:Named'}",
            "{name: early, priority: 0, class: 'MODULE:Named', http_request_phase: rewrite}",
            "{name: moved, priority: 2, class: 'MODULE:Named'}",
            wasm=f"{{name: wasm, priority: 5, file: {plugin('body')}}}",
        ) + (
            "global_rules: [{id: g, plugins: {low: {conf: global}}}]\n"
            f"routes: [{{uri: /a, {NODE}, plugins: {{low: {{conf: low}}, wasm: {{conf: '{{}}'}}, high: {{conf: high}},"
            " early: {conf: early}, moved: {conf: moved, _meta: {priority: 7}}}}]"
        )
        async with assembled(text, folder) as assembly:
            assert assembly.problems == []
            assert names(assembly, "/a") == ["global", "early", "high", "moved", "wasm", "low"]

    run(test())


def test_equal_configurations_share_nothing_unless_they_are_written_in_one_place(folder: Path) -> None:
    """Routes of a service or a plugin_config share a context; two routes with the same text do not."""

    async def test() -> None:
        text = python_plugins(
            folder,
            "{name: p, priority: 1, class: 'MODULE:Named'}",
            wasm=f"{{name: w, priority: 2, file: {plugin('fail_configure')}}}",
        ) + (
            "services: [{id: s, upstream: {nodes: {'127.0.0.1:1': 1}}, plugins: {w: {conf: x}, p: {conf: x}}}]\n"
            "plugin_configs: [{id: c, plugins: {w: {conf: x}, p: {conf: x}}}]\n"
            "routes:\n"
            f"  - {{uri: /1, {NODE}, plugins: {{w: {{conf: x}}, p: {{conf: x}}}}}}\n"
            f"  - {{uri: /2, {NODE}, plugins: {{w: {{conf: x}}, p: {{conf: x}}}}}}\n"
            "  - {uri: /3, service_id: s}\n  - {uri: /4, service_id: s}\n"
            f"  - {{uri: /5, {NODE}, plugin_config_id: c}}\n  - {{uri: /6, {NODE}, plugin_config_id: c}}\n"
        )
        async with assembled(text, folder) as assembly:
            assert assembly.problems == []
            filters = [route(assembly, f"/{number}").chain.filters for number in range(1, 7)]
            natives = [each[0].native for each in filters]
            assert [natives.index(native) for native in natives] == [0, 1, 2, 2, 4, 4]
            own = [each[1].filter for each in filters if isinstance(each[1], PythonFilterAdapter)]
            assert [own.index(filter_) for filter_ in own] == [0, 1, 2, 2, 4, 4]
            (made,) = assembly.plugins.values()
            assert made.vm is not None
            assert made.vm.contexts == 4

    run(test())


@pytest.mark.parametrize(
    ("target", "conf", "path", "reason"),
    [
        ("no_such_module:Named", "x", "python.plugins[0].class", "cannot be imported: ModuleNotFoundError"),
        ("MODULE:Missing", "x", "python.plugins[0].class", "cannot be imported: AttributeError"),
        ("MODULE:Other", "x", "python.plugins[0].class", "is no subclass of host.PythonFilter"),
        ("MODULE:number", "x", "python.plugins[0].class", "is no subclass of host.PythonFilter"),
        (
            "MODULE:Named",
            "refuse",
            "routes[0].plugins.p",
            "the configuration was refused: I take no such thing",
        ),
        ("MODULE:Named", "fault", "routes[0].plugins.p", "the configuration was refused: KeyError('x')"),
    ],
)
def test_a_filter_that_cannot_be_made_takes_its_routes_down(
    folder: Path, target: str, conf: str, path: str, reason: str
) -> None:
    """One problem, with its place; the route beside it has its filters."""

    async def test() -> None:
        text = python_plugins(
            folder,
            f"{{name: p, priority: 1, class: '{target}'}}",
            "{name: good, priority: 1, class: 'MODULE:Named'}",
        ) + (
            f"routes:\n  - {{id: a, uri: /a, {NODE}, plugins: {{p: {{conf: {conf}}}}}}}\n"
            f"  - {{id: b, uri: /b, {NODE}, plugins: {{p: {{conf: {conf}, disable: true}}, good: {{conf: good}}}}}}\n"
        )
        async with assembled(text, folder) as assembly:
            (problem,) = assembly.problems
            assert (problem.file, problem.path) == (str(folder / "c.yaml"), path)
            assert problem.line == (1 if path.startswith("python") else 4)
            assert problem.message.startswith("plugin p: ")
            assert reason in problem.message
            assert assembly.unavailable == ["a"]
            assert names(assembly, "/b") == ["good"]

    run(test())


@pytest.mark.parametrize("policy", ["fail_open", "fail_closed", "fail_reload"])
@pytest.mark.parametrize("fault", ["no module", "refused"])
def test_a_plugin_that_fails_open_at_the_start_is_passed_by(folder: Path, policy: str, fault: str) -> None:
    """The route is served without it, and the problem is told all the same; other policies take the route down."""

    async def test() -> None:
        (folder / "bad.wasm").write_bytes(b"foo")
        file = "bad.wasm" if fault == "no module" else plugin("fail_configure")
        text = (
            f"wasm: {{plugins: [{{name: p, priority: 1, file: '{file}', failure_policy: {policy}}}]}}\n"
            f"routes: [{{id: a, uri: /a, {NODE}, plugins: {{p: {{conf: fail please}}}}}}]"
        )
        async with assembled(text, folder) as assembly:
            (problem,) = assembly.problems
            assert "plugin p: " in problem.message
            is_open = policy == "fail_open"
            assert assembly.unavailable == ([] if is_open else ["a"])
            assert len(route(assembly, "/a").chain.filters) == (0 if is_open else 1)

    run(test())


def test_a_module_that_ends_the_process_does_not(folder: Path) -> None:
    """`sys.exit()` in a module is an import error like others."""
    (folder / "leaves.py").write_text("import sys\nsys.exit(3)\n")

    async def test() -> None:
        text = f"python: {{path: [.], plugins: [{{name: p, priority: 1, class: 'leaves:F'}}]}}\nroutes: [{{uri: /a, {NODE}}}]"
        async with assembled(text, folder) as assembly:
            assert "cannot be imported: SystemExit(3)" in assembly.problems[0].message

    run(test())


def test_a_refused_global_rule_takes_all_routes_down(folder: Path) -> None:
    """A rule for every request that cannot run must not be passed by."""

    async def test() -> None:
        text = python_plugins(folder, "{name: p, priority: 1, class: 'MODULE:Named'}") + (
            f"global_rules: [{{plugins: {{p: {{conf: refuse}}}}}}]\nroutes: [{{uri: /a, {NODE}}}, {{uri: /b, {NODE}}}]"
        )
        async with assembled(text, folder) as assembly:
            (problem,) = assembly.problems
            assert problem.path == "global_rules[0].plugins.p"
            assert assembly.unavailable == ["arr_1", "arr_2"]

    run(test())


def test_configurations_made_in_code_are_named_by_their_scope(caplog: pytest.LogCaptureFixture) -> None:
    """They have no file."""
    made = configs.Config(
        plugins=(configs.WasmPlugin(name="f", file=Path(plugin("fail_configure"))),),
        routes=(
            configs.Route(
                id="1",
                uris=("/a",),
                plugins=(configs.PluginUse(name="f", configuration=b"fail", scope="routes/1"),),
            ),
        ),
    )

    async def test() -> None:
        with caplog.at_level(logging.CRITICAL):
            async with assembled(made) as assembly:
                assert [str(problem) for problem in assembly.problems] == [
                    "routes/1: plugin f: proxy_on_configure returned false; the plugin's log lines may say why"
                ]

    run(test())


def test_unchanged_filters_in_python_go_on(folder: Path) -> None:
    """With what they have counted; a changed configuration makes a new one, another entry too."""

    async def test() -> None:
        text = python_plugins(folder, "{name: p, priority: 1, class: 'MODULE:Named'}") + (
            f"routes: [{{uri: /a, {NODE}, plugins: {{p: {{conf: a}}}}}}, {{uri: /b, {NODE}, plugins: {{p: {{conf: b}}}}}}]"
        )

        def python(assembly: Assembly, path: str) -> object:
            (adapter,) = route(assembly, path).chain.filters
            assert isinstance(adapter, PythonFilterAdapter)
            return adapter.filter

        async with surroundings() as around:
            file = str(folder / "c.yaml")
            first = await assemble(configs.loads(text, file), around)
            second = await assemble(configs.loads(text.replace("conf: b", "conf: c"), file), around, first)
            assert python(first, "/a") is python(second, "/a")
            assert python(first, "/b") is not python(second, "/b")
            first.close()
            second.close()

    run(test())


def test_thousands_of_configurations_do_not_cost_their_square() -> None:
    """Each is one context on one VM."""

    async def test() -> None:
        configuration = b'{"headers":[{"name":"x","value":"%d"}]}'
        made = configs.Config(
            plugins=(configs.WasmPlugin(name="h", file=Path(plugin("custom_response_header"))),),
            routes=tuple(
                configs.Route(
                    id=str(number),
                    uris=(f"/{number}",),
                    plugins=(
                        configs.PluginUse(name="h", configuration=configuration % number, scope=str(number)),
                    ),
                )
                for number in range(3000)
            ),
        )
        async with surroundings() as around:
            began = time.process_time()
            assembly = await assemble(made, around)
            assert assembly.problems == []
            (own,) = assembly.plugins.values()
            assert own.vm is not None
            assert own.vm.contexts == 3000
            assert time.process_time() - began < 5  # 5,000 took 22 s when each context looked at all others
            assembly.close()

    run(test())
