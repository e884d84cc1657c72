"""A library for testing plugins: what the gateway does with them, without sockets, event loop or waiting.

A `PluginHost` runs one plugin, a `ChainHost` several filters in a row. Both drive the very classes that the gateway
drives, so that a plugin meets the same semantics; time passes when the test says so. For what only a whole gateway can
show, a `ProxyServer` runs one in a process of its own, and an `UpstreamServer` stands behind it.
"""

from host.plugin.breaker import CircuitBreaker
from host.plugin.callouts import CallFailure
from host.plugin.settings import CalloutSettings, Isolation, RecycleLimits
from host.store import Stores
from host.testing.calls import HostedCall
from host.testing.chain import ChainHost, WasmPlugin
from host.testing.connection import HostedConnection
from host.testing.grpc import HostedGrpcCall
from host.testing.metrics import Histogram
from host.testing.plugin import PluginHost
from host.testing.server import ProxyServer
from host.testing.services import HostEvent, PluginLine
from host.testing.shared import SharedData, SharedQueue
from host.testing.stream import HostedStream, LocalResponse, Message
from host.testing.upstream import UpstreamServer

__all__ = [
    "CallFailure",
    "CalloutSettings",
    "ChainHost",
    "CircuitBreaker",
    "Histogram",
    "HostEvent",
    "HostedCall",
    "HostedConnection",
    "HostedGrpcCall",
    "HostedStream",
    "Isolation",
    "LocalResponse",
    "Message",
    "PluginHost",
    "PluginLine",
    "ProxyServer",
    "RecycleLimits",
    "SharedData",
    "SharedQueue",
    "Stores",
    "UpstreamServer",
    "WasmPlugin",
]
