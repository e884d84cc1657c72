"""The Proxy-Wasm ABI as data: types, tables of functions, codecs and a reader of modules.

Standard library only, no state, no I/O; it knows nothing of any host that uses it.
"""

from abi.hostcalls import HOSTCALLS, HOSTCALLS_BY_NAME, Hostcall, hostcalls_of
from abi.signature import FunctionType, HostFunction, Parameter, ValueType
from abi.types import (
    AbiVersion,
    Action,
    BufferFlags,
    BufferType,
    DataStatus,
    GrpcStatus,
    HeadersStatus,
    LogLevel,
    MapType,
    MetricType,
    PeerType,
    Status,
    StreamType,
    WasiClock,
    WasiErrno,
    WasiFd,
)
from abi.wasi import WASI_FUNCTIONS, WASI_FUNCTIONS_BY_NAME, WasiFunction

__all__ = [
    "HOSTCALLS",
    "HOSTCALLS_BY_NAME",
    "WASI_FUNCTIONS",
    "WASI_FUNCTIONS_BY_NAME",
    "AbiVersion",
    "Action",
    "BufferFlags",
    "BufferType",
    "DataStatus",
    "FunctionType",
    "GrpcStatus",
    "HeadersStatus",
    "HostFunction",
    "Hostcall",
    "LogLevel",
    "MapType",
    "MetricType",
    "Parameter",
    "PeerType",
    "Status",
    "StreamType",
    "ValueType",
    "WasiClock",
    "WasiErrno",
    "WasiFd",
    "WasiFunction",
    "hostcalls_of",
]
