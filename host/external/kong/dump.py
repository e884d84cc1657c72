"""What a plugin server says of its plugins: the JSON that its query command prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MESSAGE_PACK: Final = "MsgPack:1"
PROTOBUF: Final = "ProtoBuf:1"

SERVED: Final = frozenset({"rewrite", "access", "response", "log", "preread"})
KNOWN: Final = SERVED | {"certificate"}

MAX_PLUGINS: Final = 1000


class DumpError(ValueError):
    """A dump that cannot be used."""


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin as its server describes it. `schema`: of its configuration, a record (`host.external.kong.schema`)."""

    name: str
    phases: frozenset[str]
    version: str
    priority: int
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dump:
    """What one server has. `protocol`: `MsgPack:1` or `ProtoBuf:1`."""

    protocol: str
    plugins: tuple[PluginInfo, ...]


def parse_dump(data: bytes) -> Dump:
    """Return the dump: a list of plugins, or an object with Protocol and Plugins. Raises DumpError."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        shown = data[:200].decode("utf-8", "replace").strip()
        raise DumpError(f"is no JSON: {shown!r}" if shown else "is empty") from None
    protocol = MESSAGE_PACK
    if isinstance(value, dict):
        protocol = value.get("Protocol") or MESSAGE_PACK
        value = value.get("Plugins")
    if protocol not in (MESSAGE_PACK, PROTOBUF):
        raise DumpError(f"names protocol {protocol!r:.40}; known: {MESSAGE_PACK}, {PROTOBUF}")
    if not isinstance(value, list):
        raise DumpError("is neither a list of plugins nor an object with Plugins")
    if len(value) > MAX_PLUGINS:
        raise DumpError(f"has more than {MAX_PLUGINS} plugins")
    plugins: dict[str, PluginInfo] = {}
    for entry in value:
        info = _plugin(entry)
        plugins.setdefault(info.name, info)
    return Dump(protocol, tuple(plugins.values()))


def _plugin(entry: Any) -> PluginInfo:
    if not isinstance(entry, dict):
        raise DumpError(f"has an entry that is no plugin: {entry!r:.60}")
    name = entry.get("Name")
    if not isinstance(name, str):
        raise DumpError("has a plugin without a Name")
    if not name:
        # go-pluginserver: what it could not open, which it tells of on standard error alone.
        raise DumpError("has a plugin with an empty Name: the server could not open it")
    phases = entry.get("Phases") or []
    if not isinstance(phases, list) or not all(isinstance(phase, str) for phase in phases):
        raise DumpError(f"has no list of Phases for plugin {name!r:.60}")
    priority = entry.get("Priority") or 0
    if isinstance(priority, bool) or not isinstance(priority, int | float) or abs(priority) > 2**31:
        raise DumpError(f"has no number as Priority of plugin {name!r:.60}")
    version = entry.get("Version")
    return PluginInfo(
        name,
        frozenset(phase.lower() for phase in phases),
        version if isinstance(version, str) else "",
        int(priority),
        _config_schema(name, entry.get("Schema")),
    )


def _config_schema(name: str, schema: Any) -> Mapping[str, Any]:
    """The record of `config` in `{name, fields: [{config: …}]}`."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    for each in fields if isinstance(fields, list | tuple) else ():
        if isinstance(each, dict) and isinstance(config := each.get("config"), dict):
            return config
    raise DumpError(f"has no schema of config for plugin {name!r:.60}")
