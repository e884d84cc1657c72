"""Building a VM with all plugin contexts that it is to have. Runs on any thread; the result belongs to the loop's."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from host.errors import PluginStartError
from host.plugin import lines
from host.plugin.context import RootContext, StartRefused
from host.plugin.services import Services
from host.wasm.module import Module
from host.wasm.vm import GuestFailed, VmSettings, WasmVM, new_serial


class FailurePolicy(Enum):
    """What becomes of a plugin after its VM has failed (Envoy's names)."""

    FAIL_RELOAD = "fail_reload"
    FAIL_CLOSED = "fail_closed"
    FAIL_OPEN = "fail_open"


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What an operator says of a plugin. `reload_pause`: seconds before the second reload in a row; it doubles.

    `max_request_body_size`, `max_response_body_size`: bytes that it may hold of a body while it pauses; 0: as its
    chain says.
    `root_id` is empty by default, as in Envoy: that is the name under which modules with one root context register it.
    `allow_on_headers_stop_iteration`: PAUSE from a callback of headers holds the head alone, and the callbacks of the
    body run on, so that a plugin can decide on the head when it has seen the body (Envoy's name).
    """

    name: str
    root_id: str = ""
    policy: FailurePolicy = FailurePolicy.FAIL_RELOAD
    vm: VmSettings = field(default_factory=VmSettings)
    max_request_body_size: int = 0
    max_response_body_size: int = 0
    keep_spare: bool = True
    reload_pause: float = 1.0
    longest_reload_pause: float = 60.0
    allow_on_headers_stop_iteration: bool = False


class Key(NamedTuple):
    """What makes a plugin context: a configuration, and where it is written (one file may use it in two places)."""

    configuration: bytes
    scope: str = ""


@dataclass(slots=True)
class Built:
    """A VM with a root for each key, and why others have none.

    `slow`: keys whose configuration took more CPU time than a callback of the plugin may.
    """

    vm: WasmVM
    roots: dict[Key, RootContext] = field(default_factory=dict)
    refused: dict[Key, PluginStartError] = field(default_factory=dict)
    slow: set[Key] = field(default_factory=set)


def build(settings: PluginSettings, module: Module, services: Services, keys: Iterable[Key]) -> Built:
    """Return a running VM with a root for each key that the guest accepts.

    A key whose configuration traps costs the VM: it is built again without that key. Raises PluginStartError when the
    guest does not even start.
    """
    refused: dict[Key, PluginStartError] = {}
    wanted = dict.fromkeys(keys)
    while True:
        try:
            built = Built(_new_vm(settings, module, services))
        except GuestFailed as error:
            raise PluginStartError(settings.name, error.reason) from error
        for key in wanted:
            refusal = configure(built, settings, key)
            if refusal is not None:
                refused[key] = refusal
        if not built.vm.is_failed:
            built.vm.serve()
            built.refused = refused
            return built
        wanted = {key: None for key in wanted if key not in refused}


def configure(built: Built, settings: PluginSettings, key: Key) -> PluginStartError | None:
    """Add a root for the key; returns why there is none. The VM may have failed afterwards."""
    if built.vm.is_failed:
        return None
    began = time.thread_time()
    try:
        built.roots[key] = RootContext(built.vm, settings.name, settings.root_id, key.configuration)
    except (GuestFailed, StartRefused) as error:
        return PluginStartError(settings.name, str(error))
    if (time.thread_time() - began) * 1000 > settings.vm.callback_deadline:
        built.slow.add(key)
    return None


def _new_vm(settings: PluginSettings, module: Module, services: Services) -> WasmVM:
    serial = new_serial()
    lines.register(serial, settings.name, services.guest_lines)
    vm = WasmVM(module, settings.vm, serial)
    lines.forget_with(vm)
    return vm
