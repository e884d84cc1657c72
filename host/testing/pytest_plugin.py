"""Fixtures for pytest, registered by the distribution itself: installing it is enough.

The imports wait for the first use of a fixture, so that a test suite which uses none starts as fast as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from host.testing import PluginHost


@pytest.fixture
def plugin_host() -> Iterator[Callable[..., PluginHost]]:
    """Make `host.testing.PluginHost`s that are closed behind the test: `plugin_host("plugin.wasm", configuration)`."""
    from host.testing import PluginHost

    with ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> PluginHost:
            return stack.enter_context(PluginHost(*arguments, **options))

        yield make
