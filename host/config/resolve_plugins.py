"""Validated entries of plugins as values: where their code is, what they may do, what they are given."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.code.remote import Remote
from host.config import model
from host.config.schema.callouts import Callouts
from host.config.schema.code import PluginCode
from host.config.schema.gateway import Python, Wasm

PlaceOf = Callable[[tuple[str | int, ...]], model.Place]
"""Tells where the value of a path stands."""


def _callouts(callouts: Callouts, folder: Path, trusted: Path | None) -> model.Callouts:
    own = callouts.trusted_ca
    return model.Callouts(
        allow=tuple(callouts.allow),
        trusted_ca=trusted if own is None else folder / own,
        **callouts.model_dump(exclude={"allow", "trusted_ca"}),
    )


def wasm_plugins(
    wasm: Wasm, folder: Path, trusted: Path | None, place_of: PlaceOf
) -> tuple[model.Plugin, ...]:
    """Return them; `folder` is what paths start from, `trusted` the authorities of the gateway, None: the system's."""
    return tuple(
        model.WasmPlugin(
            **_code(plugin, folder),
            vm_id=plugin.vm_config.vm_id,
            vm_configuration=plugin.vm_config.configuration,
            environment=_environment(
                plugin.vm_config.environment_variables.host_env_keys,
                plugin.vm_config.environment_variables.key_values,
            ),
            callouts=_callouts(plugin.callouts, folder, trusted),
            allowed_capabilities=frozenset(plugin.capability_restriction_config.allowed_capabilities),
            recycle=model.Recycle(**plugin.recycle.model_dump(exclude_none=True)),
            circuit_breaker=model.CircuitBreaker(**plugin.circuit_breaker.model_dump()),
            place=place_of(("wasm", "plugins", index, _code_key(plugin))),
            **plugin.model_dump(exclude={*_MADE_ABOVE, *PluginCode.model_fields}),
        )
        for index, plugin in enumerate(wasm.plugins)
    )


_MADE_ABOVE = ("vm_config", "callouts", "capability_restriction_config", "recycle", "circuit_breaker")


def _code_key(plugin: PluginCode) -> str:
    return "url" if plugin.url else "inline_bytes" if plugin.inline_bytes else "file"


def _code(plugin: PluginCode, folder: Path) -> dict[str, Any]:
    code: dict[str, Any] = {"inline": plugin.inline_bytes, "verification_key": plugin.verification_key}
    if plugin.file:
        code["file"] = folder / plugin.file
    if plugin.url:
        code["remote"] = Remote(
            url=plugin.url,
            sha256=plugin.sha256,
            timeout=plugin.fetch_timeout,
            retries=plugin.fetch_retries,
            pull_policy=plugin.image_pull_policy,
            pull_secret=folder / plugin.image_pull_secret if plugin.image_pull_secret else None,
            trusted_ca=folder / plugin.trusted_ca if plugin.trusted_ca else None,
        )
    return code


def wasm_services(wasm: Wasm, place_of: PlaceOf) -> tuple[model.WasmService, ...]:
    """Return the plugins that run without traffic."""
    return tuple(
        model.WasmService(
            model.PluginUse(
                name=name,
                configuration=service.conf or b"",
                scope="wasm/services",
                place=place_of(("wasm", "services", name)),
            ),
            service.singleton,
        )
        for name, service in wasm.services.items()
    )


def _environment(host_env_keys: list[str], key_values: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """As Envoy: a variable of the host that is not set is left out."""
    inherited = [(key, os.environ[key]) for key in host_env_keys if key in os.environ]
    return (*inherited, *key_values.items())


def python_plugins(python: Python, folder: Path, place_of: PlaceOf) -> tuple[model.Plugin, ...]:
    """Return the filters in Python; `folder` is what paths start from."""
    search_path = tuple(folder / path for path in python.path)
    return tuple(
        model.PythonPlugin(
            search_path=search_path,
            place=place_of(("python", "plugins", index, "class")),
            **plugin.model_dump(),
        )
        for index, plugin in enumerate(python.plugins)
    )
