"""Every host call of Proxy-Wasm 0.1.0, 0.2.0 and 0.2.1, and the few extras that Envoy links, as one table.

Linking, stubs, traces and documentation all read it. It says what a call looks like, not what it does.
The position of a row is the number of the call inside the host, so rows are added at the end only.

Sources: Proxy-Wasm specification, "Functions exposed by the host" of each version; the host that Envoy runs
for the rows marked as extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from abi.signature import HostFunction, Parameter, i32, i64
from abi.types import AbiVersion

MODULE = "env"
"""The import module that all host calls live in."""

STUB_PREFIX = "proxy_"
"""An import of `MODULE` with this prefix that is not in the table is answered UNIMPLEMENTED: dialects and
later versions add calls, and a guest that never makes them should load (specification, issue 56)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostcall(HostFunction):
    """One host call: type, subject, and the versions that have it."""

    subject: str
    """What the call is about; one word, also the name of the file that carries it out."""
    since: AbiVersion = AbiVersion.V0_1_0
    until: AbiVersion | None = None
    """The last version that has the call; None when the newest one does."""
    extension: bool = False
    """True for calls that no version of the specification has."""

    def in_version(self, version: AbiVersion) -> bool:
        """Whether the specification of `version` has the call."""
        return not self.extension and self.since <= version and (self.until is None or version <= self.until)


def _row(name: str, parameters: tuple[Parameter, ...], subject: str) -> Hostcall:
    return Hostcall(name=name, parameters=parameters, subject=subject)


def _since_0_2_0(name: str, parameters: tuple[Parameter, ...], subject: str) -> Hostcall:
    return Hostcall(name=name, parameters=parameters, subject=subject, since=AbiVersion.V0_2_0)


def _only_0_1_0(name: str, subject: str) -> Hostcall:
    # The specification gives these three no result, Envoy's host one like all others; guests do either.
    return Hostcall(name=name, parameters=(), subject=subject, until=AbiVersion.V0_1_0, result_optional=True)


_KEY = i32("key_data", "key_size")
_NAME = i32("name_data", "name_size")
_VALUE = i32("value_data", "value_size")
_MESSAGE = i32("message_data", "message_size")
_PATH = i32("path_data", "path_size")
_RETURN_VALUE = i32("return_value_data", "return_value_size")
_PAIRS = i32("serialized_pairs_data", "serialized_pairs_size")
_UPSTREAM = i32("upstream_name_data", "upstream_name_size")
_GRPC_TARGET = (
    *_UPSTREAM,
    *i32("service_name_data", "service_name_size", "method_name_data", "method_name_size"),
    *i32("serialized_initial_metadata_data", "serialized_initial_metadata_size"),
)

HOSTCALLS: tuple[Hostcall, ...] = (
    _row("proxy_log", i32("log_level") + _MESSAGE, "log"),
    Hostcall(
        name="proxy_get_log_level",
        parameters=i32("return_log_level"),
        subject="log",
        since=AbiVersion.V0_2_1,
    ),
    _row("proxy_get_current_time_nanoseconds", i32("return_time"), "time"),
    _row("proxy_set_tick_period_milliseconds", i32("tick_period"), "time"),
    _row("proxy_get_buffer_status", i32("buffer_id", "return_buffer_size", "return_unused"), "buffers"),
    _row("proxy_get_buffer_bytes", i32("buffer_id", "start", "max_size") + _RETURN_VALUE, "buffers"),
    _row("proxy_set_buffer_bytes", i32("buffer_id", "start", "size") + _VALUE, "buffers"),
    _row("proxy_get_header_map_size", i32("map_id", "return_serialized_pairs_size"), "headers"),
    _row(
        "proxy_get_header_map_pairs",
        i32("map_id", "return_serialized_pairs_data", "return_serialized_pairs_size"),
        "headers",
    ),
    _row("proxy_set_header_map_pairs", i32("map_id") + _PAIRS, "headers"),
    _row("proxy_get_header_map_value", i32("map_id") + _KEY + _RETURN_VALUE, "headers"),
    _row("proxy_add_header_map_value", i32("map_id") + _KEY + _VALUE, "headers"),
    _row("proxy_replace_header_map_value", i32("map_id") + _KEY + _VALUE, "headers"),
    _row("proxy_remove_header_map_value", i32("map_id") + _KEY, "headers"),
    _row("proxy_get_property", _PATH + _RETURN_VALUE, "properties"),
    _row("proxy_set_property", _PATH + _VALUE, "properties"),
    _since_0_2_0("proxy_continue_stream", i32("stream_type"), "stream"),
    _since_0_2_0("proxy_close_stream", i32("stream_type"), "stream"),
    _row(
        "proxy_send_local_response",
        i32("status_code", "status_code_details_data", "status_code_details_size")
        + i32("body_data", "body_size", "serialized_headers_data", "serialized_headers_size", "grpc_status"),
        "stream",
    ),
    _row(
        "proxy_get_status",
        i32("return_status_code", "return_status_message_data", "return_status_message_size"),
        "stream",
    ),
    _row(
        "proxy_http_call",
        _UPSTREAM
        + i32("serialized_headers_data", "serialized_headers_size", "body_data", "body_size")
        + i32("serialized_trailers_data", "serialized_trailers_size", "timeout", "return_call_id"),
        "http_call",
    ),
    _row("proxy_grpc_call", _GRPC_TARGET + _MESSAGE + i32("timeout", "return_call_id"), "grpc"),
    _row("proxy_grpc_stream", _GRPC_TARGET + i32("return_stream_id"), "grpc"),
    _row("proxy_grpc_send", i32("stream_id") + _MESSAGE + i32("end_stream"), "grpc"),
    _row("proxy_grpc_cancel", i32("call_or_stream_id"), "grpc"),
    _row("proxy_grpc_close", i32("call_or_stream_id"), "grpc"),
    _row("proxy_set_shared_data", _KEY + _VALUE + i32("cas"), "shared_data"),
    _row("proxy_get_shared_data", _KEY + _RETURN_VALUE + i32("return_cas"), "shared_data"),
    _row("proxy_register_shared_queue", _NAME + i32("return_queue_id"), "shared_queue"),
    _row(
        "proxy_resolve_shared_queue",
        i32("vm_id_data", "vm_id_size") + _NAME + i32("return_queue_id"),
        "shared_queue",
    ),
    _row("proxy_enqueue_shared_queue", i32("queue_id") + _VALUE, "shared_queue"),
    _row("proxy_dequeue_shared_queue", i32("queue_id") + _RETURN_VALUE, "shared_queue"),
    _row("proxy_define_metric", i32("metric_type") + _NAME + i32("return_metric_id"), "metrics"),
    _row("proxy_increment_metric", i32("metric_id") + i64("delta"), "metrics"),
    _row("proxy_record_metric", i32("metric_id") + i64("value"), "metrics"),
    _row("proxy_get_metric", i32("metric_id", "return_value"), "metrics"),
    _row(
        "proxy_call_foreign_function",
        _NAME + i32("arguments_data", "arguments_size", "return_results_data", "return_results_size"),
        "foreign",
    ),
    _row("proxy_set_effective_context", i32("context_id"), "context"),
    _row("proxy_done", (), "context"),
    Hostcall(
        name="proxy_get_configuration",
        parameters=_RETURN_VALUE,
        subject="buffers",
        until=AbiVersion.V0_1_0,
    ),
    _only_0_1_0("proxy_continue_request", "stream"),
    _only_0_1_0("proxy_continue_response", "stream"),
    _only_0_1_0("proxy_clear_route_cache", "stream"),
    Hostcall(
        name="envoy_resolve_dns",
        parameters=i32("dns_address_data", "dns_address_size", "return_token"),
        subject="dns",
        extension=True,
    ),
    # Modules of older Emscripten releases do not link without the next two.
    Hostcall(
        name="emscripten_notify_memory_growth",
        parameters=i32("memory_index"),
        results=(),
        subject="emscripten",
        extension=True,
    ),
    Hostcall(name="pthread_equal", parameters=i32("left", "right"), subject="emscripten", extension=True),
)

HOSTCALLS_BY_NAME: Mapping[str, Hostcall] = MappingProxyType({row.name: row for row in HOSTCALLS})


def hostcalls_of(version: AbiVersion) -> frozenset[str]:
    """Names of the host calls that the specification of `version` has."""
    return frozenset(row.name for row in HOSTCALLS if row.in_version(version))
