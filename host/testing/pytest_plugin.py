"""Fixtures for pytest, registered by the distribution itself: installing it is enough.

The imports wait for the first use of a fixture, so that a test suite which uses none starts as fast as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from host.testing import PluginHost
    from host.testing.server import ProxyServer, Settings
    from host.testing.upstream import UpstreamServer


@pytest.fixture
def plugin_host() -> Iterator[Callable[..., PluginHost]]:
    """Make `host.testing.PluginHost`s that are closed behind the test: `plugin_host("plugin.wasm", configuration)`."""
    from host.testing import PluginHost

    with ExitStack() as stack:

        def make(*arguments: Any, **options: Any) -> PluginHost:
            return stack.enter_context(PluginHost(*arguments, **options))

        yield make


@pytest.fixture
def upstream() -> Iterator[UpstreamServer]:
    """An HTTP server to put behind a gateway: `upstream.node`, `upstream.respond(…)`, `upstream.requests`."""
    from host.testing.upstream import UpstreamServer

    with UpstreamServer() as server:
        yield server


@pytest.fixture
def proxy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ProxyServer]]:
    """Start gateways that are ended behind the test: `proxy_server(configuration)`, YAML or a mapping."""
    from host.testing.server import ProxyServer

    with ExitStack() as stack:

        def start(configuration: Settings, folder: Path | None = None, **options: Any) -> ProxyServer:
            folder = folder or tmp_path_factory.mktemp("gateway")
            return stack.enter_context(ProxyServer(folder, configuration, **options))

        yield start
