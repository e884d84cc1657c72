"""Modules for tests: read from wherever they are, compiled once in a process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from host.errors import PluginLoadError
from host.wasm.engine import keep_debug_sections
from host.wasm.module import Module, ModuleError

Wasm = str | Path | bytes | Module
"""A plugin's file, its bytes, or the module made of them."""

Configuration = bytes | str | Mapping[str, Any] | Sequence[Any] | None
"""As in the gateway's configuration: text byte for byte, anything else as compact JSON, None as no bytes at all."""

_modules: dict[tuple[bytes, bool, bool], Module] = {}

keep_debug_sections()  # who tests a plugin wants to know the line that trapped


def encode_configuration(configuration: Configuration) -> bytes:
    """Return the bytes that the plugin reads."""
    if configuration is None:
        return b""
    if isinstance(configuration, bytes):
        return configuration
    if isinstance(configuration, str):
        return configuration.encode()
    return json.dumps(configuration, separators=(",", ":"), ensure_ascii=False).encode()


def load_module(wasm: Wasm, name: str, *, metered: bool = False, for_snapshots: bool = False) -> Module:
    """Return the compiled module; the same bytes are compiled once. `metered`: for VMs that are given fuel,
    `for_snapshots`: for VMs that are copied.

    Raises PluginLoadError under that name.
    """
    if isinstance(wasm, Module):
        return wasm
    try:
        data = wasm if isinstance(wasm, bytes) else Path(wasm).read_bytes()
        key = (hashlib.sha256(data).digest(), metered, for_snapshots)
        if key not in _modules:
            _modules[key] = Module(data, metered=metered, for_snapshots=for_snapshots)
    except OSError as error:
        raise PluginLoadError(name, f"the file cannot be read: {error.strerror}") from error
    except ModuleError as error:
        raise PluginLoadError(name, str(error)) from error
    return _modules[key]


def default_name(wasm: Wasm) -> str:
    """Return the plugin's name where none is given: that of its file, or of the folder of a `plugin.wasm`."""
    if not isinstance(wasm, str | Path):
        return "plugin"
    path = Path(wasm)
    return path.parent.name if path.stem == "plugin" and path.parent.name else path.stem
