"""A gRPC call or stream of a plugin, to an upstream over HTTP/2."""

from __future__ import annotations

import logging

from host.http.http2 import Http2Unavailable, load_library
from host.plugin.grpc_call import GrpcCall
from host.upstream.grpc import GrpcRequest, GrpcStream
from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.callouts")


def begin_grpc(call: GrpcCall, upstream: Upstream) -> GrpcStream | None:
    """Begin it; None where there is no HTTP/2, which is logged."""
    try:
        load_library()
    except Http2Unavailable as error:
        logger.error("a gRPC call of plugin %s: %s", call.plugin, error)
        return None
    asked = call.request
    request = GrpcRequest(
        asked.service,
        asked.method,
        tuple(asked.metadata),
        timeout=asked.timeout,
        authority=asked.authority,
        max_message_bytes=call.callouts.max_response_size,
    )
    return GrpcStream(upstream.http2, request, call)
