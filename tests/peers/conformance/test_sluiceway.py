"""The guests on Sluiceway, served by its command: as on Envoy, or different as expectations/sluiceway.json says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.conformance.catalogue import CASES, AnyCase
from tests.peers.conformance.gateways import Gateway, SluicewayGateway
from tests.peers.conformance.observe import observe
from tests.peers.conformance.record import ENVOY, FAULTS, SLUICEWAY
from tests.peers.conformance.servers import Servers

ENVOYS = json.loads(ENVOY.read_text())
OURS = json.loads(SLUICEWAY.read_text())
ROWS = (Path(__file__).resolve().parents[3] / "docs/host-differences.md").read_text()


@pytest.fixture(scope="module")
def gateway(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One Sluiceway with all cases."""
    running = SluicewayGateway(tmp_path_factory.mktemp("sluiceway"), CASES, servers.ports)
    yield running
    running.stop()


def _parameter(case: AnyCase) -> object:
    marks = [pytest.mark.xfail(reason=FAULTS[case.name], strict=True)] if case.name in FAULTS else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [_parameter(case) for case in CASES])
def test_sluiceway_does_as_envoy_or_as_it_is_written(
    case: AnyCase, gateway: Gateway, servers: Servers
) -> None:
    """What reaches the origin, the client and the log is Envoy's, but for the parts that are recorded as ours."""
    ours = {part: value for part, value in OURS.get(case.name, {}).items() if part != "because"}
    expected = {**ENVOYS[case.name], **ours}
    assert observe(case, gateway, servers, expected) == expected


@pytest.mark.parametrize("name", OURS)
def test_a_difference_has_a_row_in_the_documents(name: str) -> None:
    """`because` names rows of docs/host-differences.md, so that no difference is without a reason."""
    reasons = OURS[name]["because"]
    assert reasons
    assert [reason for reason in reasons if f'<a id="{reason}"></a>' not in ROWS] == []
