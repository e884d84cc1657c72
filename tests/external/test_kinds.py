"""Kinds of external plugin in an assembly: where their filters come to stand, and what of theirs fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from host import config as configs
from host.assembly import Assembly, assemble
from host.chain import PhaseClass
from host.config import Config, ExternalPlugin, PluginUse
from host.external.kind import Failure, Part
from host.external.kinds import ExternalKinds
from host.filters.connection import ConnectionFilter
from host.filters.python import PythonFilter, PythonFilterAdapter
from tests.proxy.assembling import NODE, route, surroundings
from tests.proxy.test_settings import run


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere(ExternalPlugin):
    """A plugin of a kind that the tests make."""


class Named(PythonFilter):
    """A filter with a name in its configuration."""


class Loaded:
    """Each use has two parts, in two classes, one that is first in responses, and one for connections."""

    def __init__(self, config: Config) -> None:
        self.retired = 0
        uses = [use for each in config.routes for use in each.plugins]
        self.failures = [Failure(use, "does not work") for use in uses if use.configuration == b"bad"]
        self.failures += [Failure(each, "is not there") for each in config.plugins if each.name == "gone"]  # type: ignore[arg-type]

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        name = use.configuration
        return [
            Part(Named(name + b" rewrite"), PhaseClass.REWRITE, 5),
            Part(Named(name + b" access"), PhaseClass.ACCESS),
            Part(Named(name + b" response"), PhaseClass.BEFORE_PROXY, response_first=True),
            Part(ConnectionFilter()),
        ]

    def retire(self) -> None:
        self.retired += 1


class Kind:
    """Keeps what it has loaded."""

    def __init__(self) -> None:
        self.loaded: list[Loaded] = []
        self.closed = 0

    async def load(self, config: Config) -> Loaded:
        self.loaded.append(Loaded(config))
        return self.loaded[-1]

    async def close(self) -> None:
        self.closed += 1


def config(*uses: PluginUse, **more: object) -> Config:
    """A configuration with a route that has these uses."""
    base = configs.loads(f"routes: [{{id: '1', uri: /a, {NODE}}}]", "c.yaml")
    plugins = (Elsewhere(name="one", priority=10), Elsewhere(name="two", priority=20), Elsewhere(name="gone"))
    routes = (dataclasses.replace(base.routes[0], plugins=uses),)
    return dataclasses.replace(base, plugins=plugins, routes=routes, **more)


def use(name: str, configuration: bytes, priority: int | None = None) -> PluginUse:
    return PluginUse(name=name, configuration=configuration, scope="routes/1", priority=priority)


def names(assembly: Assembly) -> list[str]:
    found = []
    for each in route(assembly, "/a").chain.filters:
        assert isinstance(each, PythonFilterAdapter)
        found.append(each.filter.configuration.decode())
    return found


def test_parts_stand_in_their_classes_by_priority() -> None:
    async def test() -> None:
        kind = Kind()
        async with surroundings() as around:
            around.kinds = ExternalKinds(around.services, MappingProxyType({Elsewhere: lambda _: kind}))
            made = await assemble(config(use("one", b"1"), use("two", b"2", priority=1)), around)
            assert names(made) == [
                "1 response", "2 response", "1 rewrite", "2 rewrite", "1 access", "2 access",
            ]  # fmt: skip
            reverse = await assemble(config(use("one", b"1"), response_order="reverse"), around)
            assert names(reverse) == ["1 rewrite", "1 access", "1 response"]
            made.close()
            reverse.close()
            await around.kinds.close()
        assert [each.retired for each in kind.loaded] == [1, 1]
        assert kind.closed == 1

    run(test())


@pytest.mark.parametrize(
    ("failing", "message"), [(use("one", b"bad"), "does not work"), (use("gone", b"1"), "is not there")]
)
def test_what_fails_takes_its_routes_down_and_no_others(failing: PluginUse, message: str) -> None:
    async def test() -> None:
        async with surroundings() as around:
            around.kinds = ExternalKinds(around.services, MappingProxyType({Elsewhere: lambda _: Kind()}))
            good = config(use("one", b"1"))
            bad = dataclasses.replace(good.routes[0], id="2", uris=("/b",), plugins=(failing,))
            made = await assemble(dataclasses.replace(good, routes=(*good.routes, bad)), around)
            assert made.unavailable == ["2"]
            assert len(names(made)) == 3
            assert message in {problem.message for problem in made.problems}
            made.close()

    run(test())


def test_a_place_in_a_file_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with surroundings() as around:
            around.kinds = ExternalKinds(around.services, MappingProxyType({Elsewhere: lambda _: Kind()}))
            place = configs.Place("c.yaml", 7, "routes[0].plugins.one")
            made = await assemble(config(dataclasses.replace(use("one", b"bad"), place=place)), around)
            assert "c.yaml:7: routes[0].plugins.one: does not work" in map(str, made.problems)
            made.close()

    run(test())
