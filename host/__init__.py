"""Sluiceway, a proxy-wasm host: the public names, and nothing else.

A name is imported when it is first used: who wants header maps alone does not load the engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abi.types import Action, LogLevel, Status
    from host.chain import BodyLimits, FilterChain
    from host.config import Config
    from host.errors import (
        ConfigError,
        HostError,
        ListenError,
        PluginError,
        PluginLoadError,
        PluginStartError,
        Problem,
    )
    from host.filters.connection import ConnectionContext, ConnectionFilter
    from host.filters.python import FilterContext, PythonFilter
    from host.headers import HeaderMap
    from host.peer import ConnectionInfo
    from host.plugin.foreign import ForeignCall, ForeignFunctionError, foreign_function
    from host.plugin.plugin import FailurePolicy, Plugin, PluginSettings
    from host.proxy import Proxy
    from host.stream import HttpStream
    from host.testing import ChainHost, PluginHost, WasmPlugin
    from host.wasm.module import Module
    from host.wasm.vm import VmSettings

_HOMES = {
    "abi.types": ("Action", "LogLevel", "Status"),
    "host.chain": ("BodyLimits", "FilterChain"),
    "host.config": ("Config",),
    "host.errors": (
        "ConfigError",
        "HostError",
        "ListenError",
        "PluginError",
        "PluginLoadError",
        "PluginStartError",
        "Problem",
    ),
    "host.filters.connection": ("ConnectionContext", "ConnectionFilter"),
    "host.filters.python": ("FilterContext", "PythonFilter"),
    "host.headers": ("HeaderMap",),
    "host.peer": ("ConnectionInfo",),
    "host.plugin.foreign": ("ForeignCall", "ForeignFunctionError", "foreign_function"),
    "host.plugin.plugin": ("FailurePolicy", "Plugin", "PluginSettings"),
    "host.proxy": ("Proxy",),
    "host.stream": ("HttpStream",),
    "host.testing": ("ChainHost", "PluginHost", "WasmPlugin"),
    "host.wasm.module": ("Module",),
    "host.wasm.vm": ("VmSettings",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Action",
    "BodyLimits",
    "ChainHost",
    "Config",
    "ConfigError",
    "ConnectionContext",
    "ConnectionFilter",
    "ConnectionInfo",
    "FailurePolicy",
    "FilterChain",
    "FilterContext",
    "ForeignCall",
    "ForeignFunctionError",
    "HeaderMap",
    "HostError",
    "HttpStream",
    "ListenError",
    "LogLevel",
    "Module",
    "Plugin",
    "PluginError",
    "PluginHost",
    "PluginLoadError",
    "PluginSettings",
    "PluginStartError",
    "Problem",
    "Proxy",
    "PythonFilter",
    "Status",
    "VmSettings",
    "WasmPlugin",
    "foreign_function",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
