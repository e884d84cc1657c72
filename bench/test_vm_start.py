"""What a new VM costs: started and configured anew, and as a copy of one that was (`snapshot: true`)."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import pytest

from host.plugin.build import Built, build
from host.plugin.copies import Copies
from host.plugin.settings import Key, PluginSettings, RootKey
from host.testing.services import ManualServices
from host.wasm.module import Module
from host.wasm.vm import VmSettings

PLUGINS = Path(__file__).resolve().parents[1] / "testdata/plugins"
CONFIGURATIONS = {
    "custom_response_header": b'{"headers":[{"name":"X-Go-Wasm","value":"APISIX"}]}',
    "rust_wasip1": b"response-header x-a 1",
    "go_http_headers": b"",
    "jwt_auth": b'{"keys":[{"algorithm":"HS256","secret":"01234567890123456789012345678901"}]}',
}


@pytest.mark.parametrize("way", ["started", "copied"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_new_vm(benchmark: Any, name: str, way: str) -> None:
    """With one plugin context. Built VMs are held for a while, so that their end is not measured."""
    module = Module((PLUGINS / name / "plugin.wasm").read_bytes(), for_snapshots=way == "copied")
    settings = PluginSettings(name, vm=VmSettings())
    services = ManualServices()
    copies = Copies(module, services)
    keys = [RootKey(settings, Key(CONFIGURATIONS[name]))]
    held: collections.deque[Built] = collections.deque(maxlen=20)

    def new() -> None:
        held.append(build(settings, module, services, keys, copies))

    new()
    assert (copies.find(keys) is not None) is (way == "copied")
    benchmark.pedantic(new, rounds=100, warmup_rounds=5)
