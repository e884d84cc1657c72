"""The guests on real Envoy: what expectations/envoy.json says is what this Envoy does.

Sluiceway is held to the same file, so it must not drift from the host that it describes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.conformance.catalogue import CASES, AnyCase
from tests.peers.conformance.gateways import EnvoyGateway, Gateway
from tests.peers.conformance.observe import observe
from tests.peers.conformance.record import ENVOY
from tests.peers.conformance.servers import Servers

EXPECTED = json.loads(ENVOY.read_text())


@pytest.fixture(scope="module")
def gateway(
    envoy_binary: Path, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One Envoy with all cases."""
    running = EnvoyGateway(tmp_path_factory.mktemp("envoy"), CASES, servers.ports)
    yield running
    running.stop()


def test_each_case_is_recorded_once() -> None:
    """A case without a record compares nothing, and a record without a case is dead."""
    assert [case.name for case in CASES] == list(EXPECTED)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_envoy_does_what_is_recorded(case: AnyCase, gateway: Gateway, servers: Servers) -> None:
    """What reaches the origin, the client and the log is what record.py saw."""
    assert observe(case, gateway, servers, EXPECTED[case.name]) == EXPECTED[case.name]
