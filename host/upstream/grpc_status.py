"""Which of gRPC's status codes an HTTP status or an HTTP/2 error code stands for.

Sources: grpc/grpc doc/statuscodes.md, doc/http-grpc-status-mapping.md, and "Errors" of doc/PROTOCOL-HTTP2.md.
"""

from __future__ import annotations

from abi.grpc_status import GrpcStatus
from host.http.http2 import ErrorCode

_OF_HTTP_STATUS = {
    b"400": GrpcStatus.INTERNAL,
    b"401": GrpcStatus.UNAUTHENTICATED,
    b"403": GrpcStatus.PERMISSION_DENIED,
    b"404": GrpcStatus.UNIMPLEMENTED,
    b"429": GrpcStatus.UNAVAILABLE,
    b"502": GrpcStatus.UNAVAILABLE,
    b"503": GrpcStatus.UNAVAILABLE,
    b"504": GrpcStatus.UNAVAILABLE,
}

_OF_ERROR_CODE = {
    ErrorCode.NO_ERROR: GrpcStatus.INTERNAL,
    ErrorCode.PROTOCOL_ERROR: GrpcStatus.INTERNAL,
    ErrorCode.INTERNAL_ERROR: GrpcStatus.INTERNAL,
    ErrorCode.FLOW_CONTROL_ERROR: GrpcStatus.INTERNAL,
    ErrorCode.SETTINGS_TIMEOUT: GrpcStatus.INTERNAL,
    ErrorCode.FRAME_SIZE_ERROR: GrpcStatus.INTERNAL,
    ErrorCode.REFUSED_STREAM: GrpcStatus.UNAVAILABLE,
    ErrorCode.CANCEL: GrpcStatus.CANCELLED,
    ErrorCode.COMPRESSION_ERROR: GrpcStatus.INTERNAL,
    ErrorCode.CONNECT_ERROR: GrpcStatus.INTERNAL,
    ErrorCode.ENHANCE_YOUR_CALM: GrpcStatus.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: GrpcStatus.PERMISSION_DENIED,
}


def of_http_status(status: bytes) -> GrpcStatus:
    """Return what a response without `grpc-status` means."""
    return _OF_HTTP_STATUS.get(status, GrpcStatus.UNKNOWN)


def of_error_code(code: int | None) -> GrpcStatus:
    """Return what the end of a stream by RST_STREAM means; None: the connection was lost."""
    if code is None:
        return GrpcStatus.UNAVAILABLE
    return _OF_ERROR_CODE.get(code, GrpcStatus.UNKNOWN)  # type: ignore[call-overload,no-any-return]


def of_field(value: bytes | None) -> GrpcStatus:
    """Return the status that a `grpc-status` field tells; UNKNOWN for none and for what is no status."""
    if value is not None and value.isdigit() and len(value) <= 2 and int(value) <= GrpcStatus.UNAUTHENTICATED:
        return GrpcStatus(int(value))
    return GrpcStatus.UNKNOWN
