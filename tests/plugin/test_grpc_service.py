"""Envoy's GrpcService message, as plugins pass it to say whom they call."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.plugin.grpc_service import GrpcTarget, parse_grpc_service

# Written by hand after envoy/config/core/v3/grpc_service.proto: a tag is the field's number times 8, plus 2 for bytes.
ENVOY = b"\x0a\x06" + b"\x0a\x04echo"
ENVOY_WITH_AUTHORITY = b"\x0a\x0f" + b"\x0a\x04echo" + b"\x12\x07a.test:"[:2] + b"a.test1"
GOOGLE = b"\x12\x0d" + b"\x0a\x0ba.test:5005"
GOOGLE_TLS = b"\x12\x11" + b"\x0a\x0ba.test:5005" + b"\x12\x02\x0a\x00"
GOOGLE_DNS = b"\x12\x15" + b"\x0a\x13dns:///a.test:50051"
TIMEOUT = b"\x1a\x02\x08\x05"
INITIAL_METADATA = b"\x2a\x06\x0a\x01a\x12\x01b"


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (ENVOY, GrpcTarget("echo")),
        (ENVOY + TIMEOUT + INITIAL_METADATA, GrpcTarget("echo")),
        (TIMEOUT + ENVOY, GrpcTarget("echo")),
        (ENVOY_WITH_AUTHORITY, GrpcTarget("echo", "a.test1")),
        (GOOGLE, GrpcTarget("a.test:5005")),
        (GOOGLE_TLS, GrpcTarget("a.test:5005", is_tls=True)),
        (GOOGLE_DNS, GrpcTarget("a.test:50051")),
        (ENVOY + GOOGLE, GrpcTarget("a.test:5005")),  # a oneof: the last one counts
        (
            b"\x30\xff\x01" + b"\x39" + bytes(8) + b"\x45" + bytes(4) + ENVOY,
            GrpcTarget("echo"),
        ),  # unknown fields
    ],
)
def test_what_it_names(data: bytes, target: GrpcTarget) -> None:
    """The fields that matter, among others."""
    assert parse_grpc_service(data) == target


@pytest.mark.parametrize(
    "data",
    [
        b"",
        TIMEOUT,
        b"\x0a\x00",
        b"\x12\x00",
        ENVOY[:-1],
        b"\x0a\x04\x0a\x06echo",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x02\x00",
        b"\x0b",
        b"\x39\0",
        b"\x0a\x03\x0a\x01\xff",
        b"echo",
    ],
)
def test_what_is_none(data: bytes) -> None:
    """Never anything but a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        parse_grpc_service(data)


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """A target with a name, or a ValueError."""
    with suppress(ValueError):
        assert parse_grpc_service(data).name
