"""Enumerations against the numbers of the specification."""

from enum import IntEnum

import pytest

from abi import (
    AbiVersion,
    Action,
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
    WasiErrno,
)


@pytest.mark.parametrize(
    ("enumeration", "numbers"),
    [
        (LogLevel, "TRACE=0 DEBUG=1 INFO=2 WARN=3 ERROR=4 CRITICAL=5"),
        (Action, "CONTINUE=0 PAUSE=1"),
        (
            BufferType,
            "HTTP_REQUEST_BODY=0 HTTP_RESPONSE_BODY=1 DOWNSTREAM_DATA=2 UPSTREAM_DATA=3 "
            "HTTP_CALL_RESPONSE_BODY=4 GRPC_CALL_MESSAGE=5 VM_CONFIGURATION=6 PLUGIN_CONFIGURATION=7 "
            "FOREIGN_FUNCTION_ARGUMENTS=8",
        ),
        (
            MapType,
            "HTTP_REQUEST_HEADERS=0 HTTP_REQUEST_TRAILERS=1 HTTP_RESPONSE_HEADERS=2 HTTP_RESPONSE_TRAILERS=3 "
            "GRPC_CALL_INITIAL_METADATA=4 GRPC_CALL_TRAILING_METADATA=5 HTTP_CALL_RESPONSE_HEADERS=6 "
            "HTTP_CALL_RESPONSE_TRAILERS=7",
        ),
        (PeerType, "UNKNOWN=0 LOCAL=1 REMOTE=2"),
        (StreamType, "HTTP_REQUEST=0 HTTP_RESPONSE=1 DOWNSTREAM=2 UPSTREAM=3"),
        (MetricType, "COUNTER=0 GAUGE=1 HISTOGRAM=2"),
        (
            Status,
            "OK=0 NOT_FOUND=1 BAD_ARGUMENT=2 SERIALIZATION_FAILURE=3 PARSE_FAILURE=4 BAD_EXPRESSION=5 "
            "INVALID_MEMORY_ACCESS=6 EMPTY=7 CAS_MISMATCH=8 RESULT_MISMATCH=9 INTERNAL_FAILURE=10 "
            "BROKEN_CONNECTION=11 UNIMPLEMENTED=12",
        ),
        (
            WasiErrno,
            "SUCCESS=0 BADF=8 FAULT=21 INVAL=28 NOENT=44 NOSYS=52 NOTDIR=54 NOTSUP=58 NOTCAPABLE=76",
        ),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_numbers_are_those_of_the_specification(enumeration: type[IntEnum], numbers: str) -> None:
    """Guests have these numbers compiled in."""
    assert " ".join(f"{member.name}={member.value}" for member in enumeration) == numbers


def test_grpc_status_runs_from_not_set_to_16() -> None:
    """-1 (0xFFFFFFFF in a guest) says that a local response is no gRPC answer."""
    assert [member.value for member in GrpcStatus] == list(range(-1, 17))


def test_versions_are_ordered_and_know_their_markers() -> None:
    """Arity and missing-key rules compare versions."""
    assert AbiVersion.V0_1_0 < AbiVersion.V0_2_0 < AbiVersion.V0_2_1
    assert [version.text for version in AbiVersion] == ["0.1.0", "0.2.0", "0.2.1"]
    assert [version.marker for version in AbiVersion] == [
        "proxy_abi_version_0_1_0",
        "proxy_abi_version_0_2_0",
        "proxy_abi_version_0_2_1",
    ]


@pytest.mark.parametrize("name", ["proxy_abi_version_0_x_x", "proxy_abi_version_", "proxy_on_tick", ""])
def test_other_names_are_no_marker(name: str) -> None:
    """Unknown versions are for the caller to refuse."""
    assert AbiVersion.from_marker(name) is None


def test_marker_gives_its_version() -> None:
    """The way back from an export's name."""
    assert AbiVersion.from_marker("proxy_abi_version_0_2_1") is AbiVersion.V0_2_1


@pytest.mark.parametrize(("result", "status"), [(0, 0), (1, 1), (2, 2), (4, 4), (5, 4), (0xFFFFFFFF, 4)])
def test_headers_results_beyond_the_last_mean_the_last(result: int, status: int) -> None:
    """Envoy does so; a guest's result is any u32."""
    assert HeadersStatus.from_result(result) == status


@pytest.mark.parametrize(("result", "status"), [(0, 0), (1, 1), (3, 3), (4, 3), (0xFFFFFFFF, 3)])
def test_data_results_beyond_the_last_mean_the_last(result: int, status: int) -> None:
    """Envoy does so; a guest's result is any u32."""
    assert DataStatus.from_result(result) == status
