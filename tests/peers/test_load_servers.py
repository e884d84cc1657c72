"""The servers of the load comparison do the work they are measured at; no load here, and no figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.load.measure import cpu_seconds, load, resident_megabytes, tree, verify
from bench.load.report import TARGETS, Target
from bench.load.servers import DEFINITIONS, Definition
from tests.peers import nginx
from tests.peers.process import Server, free_port


@pytest.fixture(scope="module")
def origin(nginx_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The origin of the comparison."""
    directory = tmp_path_factory.mktemp("origin")
    port = free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(nginx.origin(directory, port))
    server = Server(nginx.command(configuration), port, directory / "log")
    yield server
    server.stop()


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.name)
def test_a_server_answers_as_it_should(
    definition: Definition, origin: Server, tmp_path: Path, require_peer: Callable[[Path, str], Path]
) -> None:
    """It hands the origin's answer on, with the header where a filter sets it and without where none does."""
    for path in definition.needs:
        require_peer(path, path.name)
    port = free_port()
    server = Server(definition.prepare(tmp_path, port, origin.port), port, tmp_path / "log", patience=50)
    try:
        verify(definition.name, port, "/", header=definition.header)
    finally:
        server.stop()


def test_a_load_is_charged_to_the_server(origin: Server, wrk: Path) -> None:
    """A second of load costs CPU time of the tree, in which nginx's worker is a child of what was started."""
    before = cpu_seconds(origin.pid)
    sample = load(origin.pid, f"http://127.0.0.1:{origin.port}/", seconds=1, connections=2, core=0)
    assert len(tree(origin.pid)) == len(resident_megabytes(origin.pid)) == 2
    assert sample.errors == 0
    assert sample.microseconds > 0
    assert cpu_seconds(origin.pid) > before


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
def test_a_target_names_servers_that_are_measured(target: Target) -> None:
    """A misspelt name would be `not measured` for ever."""
    names = {target.server, target.less, target.unit if isinstance(target.unit, str) else None} - {None}
    assert names <= {definition.name for definition in DEFINITIONS}
