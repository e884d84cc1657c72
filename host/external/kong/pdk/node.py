"""kong.node and kong.cluster: the gateway among others."""

from __future__ import annotations

import os
import resource
import socket
from typing import Any

from host.external.kong.pdk.registry import a_string, method
from host.external.kong.pdk.state import Event

_PAGE = resource.getpagesize()


@method("node.get_id")
def get_id(event: Event) -> str:
    """The id of this gateway."""
    return event.gateway.node_id


@method("cluster.get_id")
def get_cluster_id(event: Event) -> str:
    """The same: a gateway is a cluster of its own."""
    return event.gateway.node_id


@method("node.get_hostname")
def get_hostname(event: Event) -> str:
    """The name of the machine."""
    return socket.gethostname()


@method("node.get_memory_stats")
def get_memory_stats(event: Event, unit: Any, scale: Any) -> dict[str, Any]:
    """Bytes that this worker holds. There is no Lua here, and nothing in its dictionaries; go-pdk needs them there."""
    if unit is not None:
        a_string(unit, "unit")
    with open("/proc/self/statm", "rb") as file:
        resident = int(file.read().split()[1]) * _PAGE
    return {
        "lua_shared_dicts": {
            name: {"allocated_slabs": 0, "capacity": 0} for name in ("kong", "kong_db_cache")
        },
        "workers_lua_vms": [{"http_allocated_gc": resident, "pid": os.getpid()}],
    }
