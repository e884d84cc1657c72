"""The keys of a wasm plugin about its VMs: what they are given, who shares them, when they are replaced."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from abi.capabilities import CAPABILITIES
from host.config.schema.base import Strict
from host.config.schema.scalars import (
    Conf,
    DurationWithUnit,
    Name,
    PositiveSize,
    bad_value,
    describe,
)

IsolationMode = Annotated[
    Literal["none", "route", "stream", "filter"],
    Field(
        description="A VM for all contexts of the plugin (`none`), for each conf of it (`route`), for each request "
        "(`stream`), or for each filter of a request (`filter`)."
    ),
]


class EnvironmentVariables(Strict):
    host_env_keys: list[Name] = Field(
        default=[],
        description="Variables of the gateway's own environment to pass on; absent ones are left out.",
    )
    key_values: dict[Name, str] = Field(default={}, description="Variables to set.")


class VmConfig(Strict):
    """Envoy's `VmConfig`."""

    vm_id: str = Field(
        default="",
        max_length=256,
        description="Plugins with the same one, the same file and equal settings share a VM; the scope of shared data.",
    )
    configuration: Conf = Field(
        default=b"", description="What `proxy_on_vm_start` reads; a mapping is passed as compact JSON."
    )
    environment_variables: EnvironmentVariables = Field(
        default=EnvironmentVariables(),
        description="What the module sees through WASI; nothing else is passed on.",
    )


def _capabilities(value: Any) -> list[str]:
    """Return names given as a list, or as Envoy's mapping of a name to `{}`."""
    if not isinstance(value, dict | list):
        raise bad_value(f"expected a list of names, or a mapping of names to {{}}, got {describe(value)}")
    for name in value:
        if not isinstance(name, str) or name not in CAPABILITIES:
            close = get_close_matches(str(name), CAPABILITIES, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise bad_value(f"{name!r} is no host call, no callback and no WASI function{hint}")
    if isinstance(value, dict) and any(value.values()):
        raise bad_value(
            "expected {} for each name: sanitation of arguments is not served (nor is it in Envoy)"
        )
    return list(value)


_NAMES = {
    "type": ["array", "object"],
    "items": {"type": "string"},
    "additionalProperties": {"type": ["object", "null"], "maxProperties": 0},
    "$comment": "list of names, or mapping of names to {}",
}


class CapabilityRestriction(Strict):
    """Envoy's `CapabilityRestrictionConfig`."""

    allowed_capabilities: Annotated[list[str], BeforeValidator(_capabilities), WithJsonSchema(_NAMES)] = (
        Field(
            default=[],
            description="Host calls, callbacks and WASI functions that the plugin has; nothing listed: all of them.",
        )
    )


class Recycle(Strict):
    max_memory_size: PositiveSize | None = Field(
        default=None, description="Of the linear memory of the VM that is then replaced."
    )
    max_requests: int | None = Field(
        default=None, ge=1, le=2**31, description="Requests that a VM serves before it is replaced."
    )
    max_age: DurationWithUnit | None = Field(default=None, description="Age of a VM that is replaced.")


class CircuitBreaker(Strict):
    max_overruns: int = Field(
        default=5, ge=0, le=1000, description="So many within `interval` open the circuit; 0: none does."
    )
    interval: DurationWithUnit = Field(default=60.0, description="In which overruns are counted together.")
    open_time: DurationWithUnit = Field(default=30.0, description="For which the plugin then gets no VM.")
