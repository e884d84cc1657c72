"""Enumerations of the Proxy-Wasm ABI and of the part of WASI it rests on.

Numbers are what guests and hosts exchange; names are the specification's. Members that only Envoy's host
defines say so. Knows nothing of how any of it is carried out.

Sources: Proxy-Wasm specification 0.1.0, 0.2.0 and 0.2.1, "Types"; WASI preview 1, typenames.witx.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

MARKER_PREFIX = "proxy_abi_version_"
"""What the name of every version marker begins with, of versions unknown to us too."""


class AbiVersion(IntEnum):
    """A released version of the ABI; later versions compare greater.

    The value holds major, minor and patch number in one byte each.
    """

    V0_1_0 = 0x000100
    V0_2_0 = 0x000200
    V0_2_1 = 0x000201

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """The version as people write it, such as ``0.2.1``."""
        return f"{self >> 16}.{self >> 8 & 0xFF}.{self & 0xFF}"

    @property
    def marker(self) -> str:
        """Name of the function a module exports, never to be called, to declare this version."""
        return MARKER_PREFIX + self.text.replace(".", "_")

    @classmethod
    def from_marker(cls, name: str) -> AbiVersion | None:
        """The version that the exported function `name` declares, or None when it declares none we know."""
        return next((version for version in cls if version.marker == name), None)


class Status(IntEnum):
    """``proxy_status_t``: what a host call answers.

    Three members are not in the specification but in Envoy's host: BAD_EXPRESSION, RESULT_MISMATCH and
    BROKEN_CONNECTION. Guests built with the Rust SDK panic on a status that it does not expect from a call.
    """

    OK = 0
    NOT_FOUND = 1
    BAD_ARGUMENT = 2
    SERIALIZATION_FAILURE = 3
    PARSE_FAILURE = 4
    BAD_EXPRESSION = 5
    INVALID_MEMORY_ACCESS = 6
    EMPTY = 7
    CAS_MISMATCH = 8
    RESULT_MISMATCH = 9
    INTERNAL_FAILURE = 10
    BROKEN_CONNECTION = 11
    UNIMPLEMENTED = 12


class LogLevel(IntEnum):
    """``proxy_log_level_t``; a larger number is more severe."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
    CRITICAL = 5


class Action(IntEnum):
    """``proxy_action_t``: what a stream callback wants done next.

    Envoy reads the results of header and data callbacks more finely, see `HeadersStatus` and `DataStatus`;
    their first two values agree with this.
    """

    CONTINUE = 0
    PAUSE = 1


class HeadersStatus(IntEnum):
    """Result of a headers callback as Envoy's host reads it.

    Envoy takes STOP_ITERATION as STOP_ALL_ITERATION_AND_WATERMARK unless its option
    ``allow_on_headers_stop_iteration`` is set, and CONTINUE_AND_END_STREAM as CONTINUE.
    """

    CONTINUE = 0
    STOP_ITERATION = 1
    CONTINUE_AND_END_STREAM = 2
    STOP_ALL_ITERATION_AND_BUFFER = 3
    STOP_ALL_ITERATION_AND_WATERMARK = 4

    @classmethod
    def from_result(cls, result: int) -> HeadersStatus:
        """The status for a guest's result (u32); numbers beyond the last member mean the last member."""
        return cls(min(result, cls.STOP_ALL_ITERATION_AND_WATERMARK))


class DataStatus(IntEnum):
    """Result of a body callback as Envoy's host reads it."""

    CONTINUE = 0
    STOP_ITERATION_AND_BUFFER = 1
    STOP_ITERATION_AND_WATERMARK = 2
    STOP_ITERATION_NO_BUFFER = 3

    @classmethod
    def from_result(cls, result: int) -> DataStatus:
        """The status for a guest's result (u32); numbers beyond the last member mean the last member."""
        return cls(min(result, cls.STOP_ITERATION_NO_BUFFER))


class BufferType(IntEnum):
    """``proxy_buffer_type_t``. 0.1.0 has the first six; Envoy calls the last one CallData."""

    HTTP_REQUEST_BODY = 0
    HTTP_RESPONSE_BODY = 1
    DOWNSTREAM_DATA = 2
    UPSTREAM_DATA = 3
    HTTP_CALL_RESPONSE_BODY = 4
    GRPC_CALL_MESSAGE = 5
    VM_CONFIGURATION = 6
    PLUGIN_CONFIGURATION = 7
    FOREIGN_FUNCTION_ARGUMENTS = 8


class BufferFlags(IntFlag):
    """Second output of ``proxy_get_buffer_status``. Envoy defines the bit and always writes 0."""

    END_OF_STREAM = 1


class MapType(IntEnum):
    """``proxy_map_type_t``."""

    HTTP_REQUEST_HEADERS = 0
    HTTP_REQUEST_TRAILERS = 1
    HTTP_RESPONSE_HEADERS = 2
    HTTP_RESPONSE_TRAILERS = 3
    GRPC_CALL_INITIAL_METADATA = 4
    GRPC_CALL_TRAILING_METADATA = 5
    HTTP_CALL_RESPONSE_HEADERS = 6
    HTTP_CALL_RESPONSE_TRAILERS = 7


class StreamType(IntEnum):
    """``proxy_stream_type_t``, since 0.2.0."""

    HTTP_REQUEST = 0
    HTTP_RESPONSE = 1
    DOWNSTREAM = 2
    UPSTREAM = 3


class PeerType(IntEnum):
    """``proxy_peer_type_t``: which end closed a connection."""

    UNKNOWN = 0
    LOCAL = 1
    REMOTE = 2


class MetricType(IntEnum):
    """``proxy_metric_type_t``."""

    COUNTER = 0
    GAUGE = 1
    HISTOGRAM = 2


class WasiErrno(IntEnum):
    """The WASI error numbers that a Proxy-Wasm host answers with (WASI preview 1, ``$errno``)."""

    SUCCESS = 0
    BADF = 8
    FAULT = 21
    INVAL = 28
    NOENT = 44
    NOSYS = 52
    NOTDIR = 54
    NOTSUP = 58
    NOTCAPABLE = 76


class WasiFd(IntEnum):
    """The file descriptors that mean something to a Proxy-Wasm guest."""

    STDOUT = 1
    STDERR = 2


class WasiClock(IntEnum):
    """The WASI clocks that a Proxy-Wasm host answers."""

    REALTIME = 0
    MONOTONIC = 1
