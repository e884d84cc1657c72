"""Fixtures that give the peers to tests. A peer that is absent skips the test with the line that installs it.

Under SLUICEWAY_PEERS=require, as `make test-peers` sets it, an absent peer fails the test instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers import envoy, nginx


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what builds its peers to `make test-peers`."""
    if os.environ.get("SLUICEWAY_PEERS") == "require":
        return
    skip = pytest.mark.skip(reason="builds its peers: `make test-peers` runs it")
    for item in items:
        if item.get_closest_marker("builds_peers") is not None:
            item.add_marker(skip)


def _require(path: Path | str | None, name: str) -> Path:
    if path is not None and Path(path).exists():
        return Path(path)
    reason = f"{name} is not installed: `make peers` installs it"
    if os.environ.get("SLUICEWAY_PEERS") == "require":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def require_peer() -> Callable[[Path | str | None, str], Path]:
    """A function that returns the path of what is there, and skips or fails where it is not."""
    return _require


@pytest.fixture(scope="session")
def envoy_binary() -> Path:
    """The Envoy that `make peers` installs."""
    return _require(envoy.BINARY, "Envoy")


@pytest.fixture(scope="session")
def nginx_binary() -> Path:
    """The distribution's nginx."""
    return _require(nginx.BINARY, "nginx")


@pytest.fixture(scope="session")
def nginx_lua_module(nginx_binary: Path) -> Path:
    """nginx's Lua module."""
    return _require(nginx.LUA_MODULES[-1], "the Lua module of nginx")


@pytest.fixture(scope="session")
def wrk() -> Path:
    """The load generator."""
    return _require(shutil.which("wrk"), "wrk")
