"""Runners in an assembly: where their filters come to stand, and how long their connections are kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from host.assembly import Assembly, Surroundings, assemble
from host.config import loads
from host.errors import PeerUnavailable
from host.external.apisix.client import RunnerClient
from host.external.apisix.filter import RunnerFilter
from host.filters.python import PythonFilterAdapter
from tests.external.apisix.fakes import FakeRunner, ask
from tests.external.test_filter import run
from tests.proxy.assembling import NODE, ROOT, route, surroundings

ALL = "{ext-plugin-post-resp: {}, ext-plugin-post-req: {}, marker: {}, late: {}, ext-plugin-pre-req: {}}"


def configuration(folder: Path, use: str, *, timeout: int = 5, more: str = "") -> str:
    """A route with the plugin, and two filters in Python beside it."""
    (folder / "marking.py").write_text("from host import PythonFilter\nclass Marker(PythonFilter): pass\n")
    return f"""\
ext-plugin: {{path_for_test: {folder}/runner.sock, timeout: {{read: {timeout}}}}}
python:
  path: [{folder}]
  plugins:
    - {{name: marker, priority: 13000, class: "marking:Marker", http_request_phase: rewrite}}
    - {{name: late, priority: -3500, class: "marking:Marker"}}
{more}
routes: [{{id: 1, uri: /a, plugins: {use}, {NODE}}}]
"""


async def made(around: Surroundings, text: str, before: Assembly | None = None) -> Assembly:
    assembly = await assemble(loads(text, str(ROOT / "c.yaml")), around, before)
    assert not assembly.problems
    return assembly


def filters(assembly: Assembly) -> list[Any]:
    found = []
    for each in route(assembly, "/a").chain.filters:
        assert isinstance(each, PythonFilterAdapter)
        found.append(each.filter)
    return found


def client(assembly: Assembly) -> RunnerClient:
    (found,) = (each for each in filters(assembly) if isinstance(each, RunnerFilter))
    return found.client


def test_runners_stand_by_apisix_s_priorities(tmp_path: Path) -> None:
    """`pre-req` among the rewriting plugins, `post-req` among the others; `post-resp` is the first to see responses."""

    async def test() -> None:
        async with surroundings() as around:
            assembly = await made(around, configuration(tmp_path, ALL))
            names = [getattr(each, "name", type(each).__name__) for each in filters(assembly)]
            assert names == [
                "ext-plugin-post-resp", "Marker", "ext-plugin-pre-req", "ext-plugin-post-req", "Marker",
            ]  # fmt: skip
            text = configuration(tmp_path, ALL, more="response_order: reverse")
            reverse = await made(around, text)
            assert filters(reverse)[-1].name == "ext-plugin-post-resp"
            assembly.close()
            reverse.close()
            await around.kinds.close()

    run(test())


def test_a_reload_keeps_connections_and_tokens_of_a_runner_that_stays_as_it_is(tmp_path: Path) -> None:
    """And closes those of one that has changed, when nobody uses them any more."""

    async def test() -> None:
        runner = FakeRunner(tmp_path / "runner.sock")
        await runner.start()
        async with surroundings() as around:
            first = await made(around, configuration(tmp_path, "{ext-plugin-pre-req: {}}"))
            own = client(first)
            assert await ask(own) == b"a"
            second = await made(around, configuration(tmp_path, "{ext-plugin-post-req: {}}"), first)
            first.retire(second)
            assert client(second) is own
            assert await ask(own) == b"a"
            assert (runner.connections, runner.prepared) == (1, [b"a"])
            text = configuration(tmp_path, "{ext-plugin-post-req: {}}", timeout=6)
            third = await made(around, text, second)
            assert client(third) is not own
            assert not own.is_unused
            second.retire(third)
            assert own.is_unused
            assert await ask(client(third)) == b"a"
            third.close()
            await around.kinds.close()
            with pytest.raises(PeerUnavailable):
                await ask(client(third))
        await runner.stop()

    run(test())


def test_a_configuration_s_key_changes_with_what_is_in_it(tmp_path: Path) -> None:
    """And only then: the workers of a gateway share the runner's tokens."""

    async def keys(around: Surroundings, use: str) -> bytes:
        assembly = await made(around, configuration(tmp_path, use))
        (found,) = filters(assembly)
        assembly.close()
        key: bytes = found.plugins.key
        return key

    async def test() -> None:
        async with surroundings() as around:
            uses = [
                "{ext-plugin-pre-req: {}}",
                "{ext-plugin-post-req: {}}",
                "{ext-plugin-pre-req: {conf: [{name: a, value: b}]}}",
                "{ext-plugin-pre-req: {conf: [{name: a, value: c}]}}",
                "{ext-plugin-pre-req: {conf: [{name: a, value: b}, {name: a, value: c}]}}",
            ]
            found = [await keys(around, use) for use in uses]
            assert len(set(found)) == len(uses)
            assert found == [await keys(around, use) for use in uses]
            await around.kinds.close()

    run(test())


def test_calls_and_failures_are_counted(tmp_path: Path) -> None:
    """By the runner's name."""

    async def test() -> None:
        async with surroundings() as around:
            assembly = await made(around, configuration(tmp_path, "{ext-plugin-pre-req: {}}"))
            results = await asyncio.gather(*(ask(client(assembly)) for _ in range(2)), return_exceptions=True)
            assert all(isinstance(result, Exception) for result in results)
            runner = FakeRunner(tmp_path / "runner.sock")
            await runner.start()
            await ask(client(assembly))
            table = around.services.metrics
            labels = {"runner": "ext-plugin"}
            assert table.counter("runner_calls_total", labels).value == 3
            assert table.counter("runner_failures_total", labels).value == 2
            assembly.close()
            await around.kinds.close()
            await runner.stop()

    run(test())
