"""The first argument of proxy_grpc_call and proxy_grpc_stream: which server is meant.

It is a name, or Envoy's `GrpcService` message (envoy/config/core/v3/grpc_service.proto) in protobuf's binary form, as
Envoy's own SDKs send it.
"""

from __future__ import annotations

from dataclasses import dataclass

from abi.protobuf import decode_message


@dataclass(frozen=True, slots=True)
class GrpcTarget:
    """`name`: of an upstream, or an address. `authority`: what :authority says, "" for the node's own."""

    name: str
    authority: str = ""
    is_tls: bool = False


def parse_grpc_service(data: bytes) -> GrpcTarget:
    """Return what a GrpcService message names. Raises ValueError where it is none, or names nothing."""
    target = None
    for number, value in decode_message(data).items():
        if number == 1 and isinstance(value, bytes):  # EnvoyGrpc
            inner = decode_message(value)
            target = GrpcTarget(_text(inner.get(1)), _text(inner.get(2)))
        elif number == 2 and isinstance(value, bytes):  # GoogleGrpc
            inner = decode_message(value)
            uri = _text(inner.get(1))
            for scheme in ("dns:///", "dns:", "ipv4:", "ipv6:"):
                uri = uri.removeprefix(scheme)
            credentials = inner.get(2, b"")
            is_tls = isinstance(credentials, bytes) and 1 in decode_message(credentials)
            target = GrpcTarget(uri, is_tls=is_tls)
    if target is None or not target.name:
        raise ValueError("neither envoy_grpc.cluster_name nor google_grpc.target_uri")
    return target


def _text(value: int | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else ""  # UnicodeDecodeError is a ValueError
