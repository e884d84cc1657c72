"""The servers that stand behind each host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.conformance.servers import Servers, serving


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """The servers of all cases of one host."""
    with serving() as running:
        yield running
