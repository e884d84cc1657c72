"""What a plugin can be restricted to: the names of Envoy's `capability_restriction_config.allowed_capabilities`.

They are those of host calls, of callbacks and of WASI functions. What a module needs to start and to be handed data
(start functions, allocators, emscripten's notices) is no capability: it is always there, as in proxy-wasm-cpp-host.
"""

from __future__ import annotations

from abi.callbacks import ALLOCATORS, CALLBACKS
from abi.hostcalls import HOSTCALLS
from abi.wasi import WASI_FUNCTIONS

CAPABILITIES = frozenset(
    name
    for table in (HOSTCALLS, CALLBACKS, WASI_FUNCTIONS)
    for name in (row.name for row in table)
    if (table is WASI_FUNCTIONS or name.startswith("proxy_")) and name not in ALLOCATORS
)


def is_allowed(name: str, allowed: frozenset[str]) -> bool:
    """Whether a plugin with these capabilities has this one. No capabilities at all: it has every one."""
    return not allowed or name in allowed or name not in CAPABILITIES
