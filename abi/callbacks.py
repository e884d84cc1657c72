"""Every function that a host calls in a Proxy-Wasm guest, as one table.

It covers start functions, allocators and callbacks, with the parameters of each version, what the result
means and which kind of context the call is about. All are optional in a guest but the version marker (see
`abi.types.AbiVersion`) and one allocator. It does not say when a host calls them.

Sources: Proxy-Wasm specification 0.1.0, 0.2.0 and 0.2.1, "Callbacks exposed by the Wasm module"; Envoy's host
and the SDKs for the rows that name them as source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from abi.signature import FunctionType, Parameter, ValueType, i32
from abi.types import AbiVersion


class ResultKind(Enum):
    """What the result of a callback means; all but NONE are an i32."""

    NONE = "none"
    IGNORED = "ignored"
    POINTER = "pointer"
    """Address in guest memory; 0 is failure."""
    BOOLEAN = "boolean"
    ACTION = "action"
    HEADERS_STATUS = "headers status"
    """`Action` to the specification, `abi.types.HeadersStatus` to Envoy."""
    DATA_STATUS = "data status"
    """`Action` to the specification, `abi.types.DataStatus` to Envoy."""


class ContextKind(Enum):
    """What kind of context the first parameter identifies."""

    NONE = "none"
    PLUGIN = "plugin"
    """Also called root context."""
    HTTP = "http"
    TCP = "tcp"
    ANY = "any"


class Source(Enum):
    """Who defines a callback."""

    SPECIFICATION = "specification"
    ENVOY = "envoy"
    SDK = "sdk"
    """Exported by guests of some SDK; hosts need not call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """One function exported by guests."""

    name: str
    parameters: tuple[Parameter, ...]
    """Those of the newest version."""
    result: ResultKind
    context: ContextKind
    parameters_0_1_0: tuple[Parameter, ...] | None = None
    """Those of 0.1.0, where they differ."""
    since: AbiVersion = AbiVersion.V0_1_0
    until: AbiVersion | None = None
    source: Source = Source.SPECIFICATION

    def in_version(self, version: AbiVersion) -> bool:
        """Whether the specification of `version` has the callback."""
        specified = self.source is Source.SPECIFICATION
        return specified and self.since <= version and (self.until is None or version <= self.until)

    def parameters_in(self, version: AbiVersion) -> tuple[Parameter, ...]:
        """The parameters that a guest of `version` takes."""
        if self.parameters_0_1_0 is not None and version is AbiVersion.V0_1_0:
            return self.parameters_0_1_0
        return self.parameters

    def type_in(self, version: AbiVersion) -> FunctionType:
        """The function type that a guest of `version` exports."""
        results = () if self.result is ResultKind.NONE else (ValueType.I32,)
        return FunctionType(tuple(parameter.type for parameter in self.parameters_in(version)), results)

    def accepts(self, exported: FunctionType) -> bool:
        """Whether `exported` is the callback's type in some version.

        A guest whose export has another type counts as not having the callback. The marker does not settle
        the arity: modules exist that declare one version and are built for another, so callers pass as many
        arguments as the export takes.
        """
        return any(exported == self.type_in(version) for version in AbiVersion)


def _row(
    name: str,
    context: ContextKind,
    parameters: tuple[Parameter, ...],
    result: ResultKind = ResultKind.NONE,
    source: Source = Source.SPECIFICATION,
) -> Callback:
    return Callback(name=name, parameters=parameters, result=result, context=context, source=source)


def _headers(name: str) -> Callback:
    # The only change of arity between versions: 0.1.0 does not say whether a body follows.
    common = i32("stream_context_id", "num_headers")
    return Callback(
        name=name,
        parameters=common + i32("end_of_stream"),
        parameters_0_1_0=common,
        result=ResultKind.HEADERS_STATUS,
        context=ContextKind.HTTP,
    )


_BODY = i32("stream_context_id", "body_size", "end_of_stream")
_TRAILERS = i32("stream_context_id", "num_trailers")
_METADATA = i32("stream_context_id", "num_elements")
_TCP_DATA = i32("stream_context_id", "data_size", "end_of_stream")
_CLOSED = i32("stream_context_id", "peer_type")
_GRPC_METADATA = i32("plugin_context_id", "call_id", "num_elements")
_VM_START = i32("plugin_context_id", "vm_configuration_size")
_CONFIGURE = i32("plugin_context_id", "plugin_configuration_size")
_CREATE = i32("context_id", "parent_context_id")

_NONE, _PLUGIN, _HTTP, _TCP, _ANY = ContextKind
_BOOLEAN, _ACTION = ResultKind.BOOLEAN, ResultKind.ACTION

CALLBACKS: tuple[Callback, ...] = (
    # Start: _initialize, then main or __main_void where exported; _start in modules without _initialize.
    _row("_initialize", _NONE, ()),
    _row("main", _NONE, i32("unused_argc", "unused_argv"), ResultKind.IGNORED),
    _row("__main_void", _NONE, (), ResultKind.IGNORED, Source.SDK),
    _row("_start", _NONE, ()),
    # Allocators, the first one first: a few guests export a malloc whose memory is never freed.
    _row("proxy_on_memory_allocate", _NONE, i32("memory_size"), ResultKind.POINTER),
    _row("malloc", _NONE, i32("memory_size"), ResultKind.POINTER),
    # Life of a context.
    _row("proxy_on_context_create", _ANY, _CREATE),
    _row("proxy_on_done", _ANY, i32("context_id"), _BOOLEAN),
    _row("proxy_on_log", _ANY, i32("context_id")),
    _row("proxy_on_delete", _ANY, i32("context_id")),
    # Plugin.
    _row("proxy_on_vm_start", _PLUGIN, _VM_START, _BOOLEAN),
    _row("proxy_on_configure", _PLUGIN, _CONFIGURE, _BOOLEAN),
    _row("proxy_on_tick", _PLUGIN, i32("plugin_context_id")),
    _row("proxy_on_queue_ready", _PLUGIN, i32("plugin_context_id", "queue_id")),
    Callback(
        name="proxy_on_foreign_function",
        parameters=i32("context_id", "function_id", "arguments_size"),
        result=ResultKind.NONE,
        context=_ANY,
        since=AbiVersion.V0_2_0,
    ),
    # TCP.
    _row("proxy_on_new_connection", _TCP, i32("stream_context_id"), _ACTION),
    _row("proxy_on_downstream_data", _TCP, _TCP_DATA, _ACTION),
    _row("proxy_on_downstream_connection_close", _TCP, _CLOSED),
    _row("proxy_on_upstream_data", _TCP, _TCP_DATA, _ACTION),
    _row("proxy_on_upstream_connection_close", _TCP, _CLOSED),
    # HTTP.
    _headers("proxy_on_request_headers"),
    _row("proxy_on_request_body", _HTTP, _BODY, ResultKind.DATA_STATUS),
    _row("proxy_on_request_trailers", _HTTP, _TRAILERS, _ACTION),
    _row("proxy_on_request_metadata", _HTTP, _METADATA, ResultKind.IGNORED, Source.ENVOY),
    _headers("proxy_on_response_headers"),
    _row("proxy_on_response_body", _HTTP, _BODY, ResultKind.DATA_STATUS),
    _row("proxy_on_response_trailers", _HTTP, _TRAILERS, _ACTION),
    _row("proxy_on_response_metadata", _HTTP, _METADATA, ResultKind.IGNORED, Source.ENVOY),
    # Calls of the plugin's own.
    _row(
        "proxy_on_http_call_response",
        _PLUGIN,
        i32("plugin_context_id", "call_id", "num_headers", "body_size", "num_trailers"),
    ),
    _row("proxy_on_grpc_receive_initial_metadata", _PLUGIN, _GRPC_METADATA),
    _row("proxy_on_grpc_receive", _PLUGIN, i32("plugin_context_id", "call_id", "message_size")),
    _row("proxy_on_grpc_receive_trailing_metadata", _PLUGIN, _GRPC_METADATA),
    _row("proxy_on_grpc_close", _PLUGIN, i32("plugin_context_id", "call_id", "status_code")),
    # Beyond the specification.
    _row(
        "envoy_on_resolve_dns",
        _PLUGIN,
        i32("plugin_context_id", "token", "result_size"),
        source=Source.ENVOY,
    ),
    _row("envoy_on_stats_update", _PLUGIN, i32("plugin_context_id", "result_size"), source=Source.ENVOY),
    _row("proxy_validate_configuration", _PLUGIN, _CONFIGURE, _BOOLEAN, Source.SDK),
    _row("proxy_on_start", _PLUGIN, _VM_START, _BOOLEAN, Source.SDK),
    _row("proxy_on_create", _ANY, _CREATE, source=Source.SDK),
    # The older name of proxy_on_grpc_receive_trailing_metadata, in the headers of the C++ and AssemblyScript SDKs.
    _row("proxy_on_grpc_trailing_metadata", _PLUGIN, _GRPC_METADATA, source=Source.SDK),
)

CALLBACKS_BY_NAME: Mapping[str, Callback] = MappingProxyType({row.name: row for row in CALLBACKS})

ALLOCATORS = ("proxy_on_memory_allocate", "malloc")
"""Allocators in the order in which a host looks for them. Envoy's host looks for them the other way round."""


def callbacks_of(version: AbiVersion) -> frozenset[str]:
    """Names of the exports, start functions and allocators included, that `version` specifies."""
    return frozenset(row.name for row in CALLBACKS if row.in_version(version))
