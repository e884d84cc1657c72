"""Foreign functions by configuration: imported, reloaded, refused."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from host import config as configs
from host.errors import ConfigError
from host.proxy import Proxy
from tests.proxy.assembling import assembled
from tests.proxy.test_settings import run

MODULE = """
def one(call):
    return b"1:" + call.arguments

def two(call):
    return b"2:" + call.arguments

number = 7
"""


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with a module whose name no other test uses: Python imports a name once."""
    (tmp_path / f"functions_{request.node.name.partition('[')[0]}.py").write_text(MODULE)
    return tmp_path


def configuration(folder: Path, *functions: str) -> str:
    """Named functions of the folder's module, as NAME=FUNCTION."""
    module = next(folder.glob("functions_*.py")).stem
    pairs = [function.partition("=") for function in functions]
    listed = ", ".join(f"{{name: {name}, function: '{module}:{target}'}}" for name, _, target in pairs)
    return f"python: {{path: [.], foreign_functions: [{listed}]}}\nroutes: []\n"


def test_configured_functions_are_imported(folder: Path) -> None:
    """From the folders of `python.path`."""

    async def check() -> None:
        async with assembled(configuration(folder, "f=one"), folder) as assembly:
            assert assembly.problems == []

    run(check())


@pytest.mark.parametrize(
    ("target", "reason"),
    [("nothing", "cannot be imported: AttributeError"), ("number", "cannot be called")],
)
def test_what_cannot_be_used_is_a_problem_with_its_place(folder: Path, target: str, reason: str) -> None:
    """As for filters in Python."""

    async def check() -> None:
        async with assembled(configuration(folder, f"f={target}"), folder) as assembly:
            (problem,) = assembly.problems
            assert (problem.line, problem.path) == (1, "python.foreign_functions[0].function")
            assert reason in problem.message

    run(check())


def test_a_reload_changes_functions_and_a_refused_one_does_not(folder: Path) -> None:
    """What is tried is not what serves."""

    async def check() -> None:
        def load(*functions: str) -> configs.Config:
            config = configs.loads(configuration(folder, *functions), str(folder / "c.yaml"))
            return dataclasses.replace(config, listen=())

        first = load("f=one")
        async with Proxy(first) as proxy:
            assert proxy._services is not None
            functions = proxy._services.foreign_functions
            one = functions.configured["f"]
            with pytest.raises(ConfigError):
                await proxy.reload(load("f=nothing"))
            assert functions.configured == {"f": one}
            await proxy.reload(load("f=two", "g=one"))
            assert functions.configured["f"] is not one
            assert functions.configured["g"] is one
            assert functions.tried == {}

    asyncio.run(check())
