"""Configuration: plain frozen values, and the reading of YAML into them.

Importing this package costs next to nothing. Reading YAML takes PyYAML and pydantic, 15 MB in a process: they are
imported by whoever reads, so that a worker which is given a Config does not hold them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from host.config.model import (
    ADMIN_PREFIX,
    AccessLogConfig,
    Admin,
    AdminKey,
    Callouts,
    Certificate,
    CircuitBreaker,
    Config,
    ExternalPlugin,
    ForeignFunction,
    GlobalRule,
    HttpLimits,
    KeepalivePool,
    Listen,
    LocalAnswer,
    LogConfig,
    Node,
    NodeConfig,
    Place,
    Plugin,
    PluginUse,
    ProcessSpec,
    Prometheus,
    PythonPlugin,
    Recycle,
    Route,
    Shadow,
    StatsTag,
    StreamListen,
    StreamRoute,
    Timeout,
    Upstream,
    UpstreamTls,
    WasmPlugin,
    WasmService,
    all_uses,
)


def load(path: str | os.PathLike[str]) -> Config:
    """Return the configuration of a file that holds all, or of `config.yaml` with `apisix.yaml` beside it.

    Raises host.errors.ConfigError with every problem, each with its file, line and path.
    """
    from host.config.files import load as load_file

    return load_file(Path(path))


def loads(text: str, file: str = "<text>") -> Config:
    """Return the configuration of a YAML text that holds all. Raises as `load` does."""
    from host.config.files import load_text

    return load_text(text, file)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration that is in one file."""
    from host.config.files import json_schema as make

    return make()


__all__ = [
    "ADMIN_PREFIX",
    "AccessLogConfig",
    "Admin",
    "AdminKey",
    "Callouts",
    "Certificate",
    "CircuitBreaker",
    "Config",
    "ExternalPlugin",
    "ForeignFunction",
    "GlobalRule",
    "HttpLimits",
    "KeepalivePool",
    "Listen",
    "LocalAnswer",
    "LogConfig",
    "Node",
    "NodeConfig",
    "Place",
    "Plugin",
    "PluginUse",
    "ProcessSpec",
    "Prometheus",
    "PythonPlugin",
    "Recycle",
    "Route",
    "Shadow",
    "StatsTag",
    "StreamListen",
    "StreamRoute",
    "Timeout",
    "Upstream",
    "UpstreamTls",
    "WasmPlugin",
    "WasmService",
    "all_uses",
    "json_schema",
    "load",
    "loads",
]
