"""The origin that stands behind each host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.conformance.origin import Origin


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """The origin of all cases of one host."""
    with Origin() as running:
        yield running
