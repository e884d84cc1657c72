"""The table of callbacks against lists typed from the specification by hand."""

import pytest

from abi import (
    ALLOCATORS,
    CALLBACKS,
    CALLBACKS_BY_NAME,
    AbiVersion,
    ContextKind,
    FunctionType,
    ResultKind,
    Source,
    ValueType,
    callbacks_of,
)

I32 = ValueType.I32

# "parameters>results" of 0.2.1, from the "Callbacks exposed by the Wasm module" parts; i is an i32.
SPECIFIED = {
    "_initialize": ">",
    "main": "ii>i",
    "_start": ">",
    "proxy_on_memory_allocate": "i>i",
    "malloc": "i>i",
    "proxy_on_context_create": "ii>",
    "proxy_on_done": "i>i",
    "proxy_on_log": "i>",
    "proxy_on_delete": "i>",
    "proxy_on_vm_start": "ii>i",
    "proxy_on_configure": "ii>i",
    "proxy_on_tick": "i>",
    "proxy_on_new_connection": "i>i",
    "proxy_on_downstream_data": "iii>i",
    "proxy_on_downstream_connection_close": "ii>",
    "proxy_on_upstream_data": "iii>i",
    "proxy_on_upstream_connection_close": "ii>",
    "proxy_on_request_headers": "iii>i",
    "proxy_on_request_body": "iii>i",
    "proxy_on_request_trailers": "ii>i",
    "proxy_on_response_headers": "iii>i",
    "proxy_on_response_body": "iii>i",
    "proxy_on_response_trailers": "ii>i",
    "proxy_on_http_call_response": "iiiii>",
    "proxy_on_grpc_receive_initial_metadata": "iii>",
    "proxy_on_grpc_receive": "iii>",
    "proxy_on_grpc_receive_trailing_metadata": "iii>",
    "proxy_on_grpc_close": "iii>",
    "proxy_on_queue_ready": "ii>",
    "proxy_on_foreign_function": "iii>",
}
NOT_IN_0_1_0 = {"proxy_on_foreign_function"}
HEADERS_OF_0_1_0 = {"proxy_on_request_headers": "ii>i", "proxy_on_response_headers": "ii>i"}


def text(type: FunctionType) -> str:
    return "i" * type.parameters.count(I32) + ">" + "i" * type.results.count(I32)


def test_names_are_unique() -> None:
    """One export, one meaning."""
    assert len(CALLBACKS_BY_NAME) == len(CALLBACKS)


@pytest.mark.parametrize("version", AbiVersion, ids=lambda version: version.text)
def test_each_version_has_the_callbacks_of_its_specification(version: AbiVersion) -> None:
    """`inspect` tells users which callbacks a module has by this."""
    missing = NOT_IN_0_1_0 if version is AbiVersion.V0_1_0 else set()
    assert callbacks_of(version) == set(SPECIFIED) - missing


@pytest.mark.parametrize("version", [AbiVersion.V0_2_0, AbiVersion.V0_2_1], ids=lambda version: version.text)
def test_types_since_0_2_0(version: AbiVersion) -> None:
    """A call with another type than the export's is a fault of the host's."""
    types = {row.name: text(row.type_in(version)) for row in CALLBACKS if row.in_version(version)}
    assert types == SPECIFIED


def test_types_of_0_1_0_differ_in_the_headers_callbacks_alone() -> None:
    """0.1.0 does not tell these two whether a body follows."""
    version = AbiVersion.V0_1_0
    types = {row.name: text(row.type_in(version)) for row in CALLBACKS if row.in_version(version)}
    expected = SPECIFIED | HEADERS_OF_0_1_0
    assert types == {name: expected[name] for name in types}


def test_headers_callbacks_are_accepted_with_either_arity() -> None:
    """Modules exist whose marker says one version and whose exports are another's."""
    row = CALLBACKS_BY_NAME["proxy_on_request_headers"]
    assert row.accepts(FunctionType((I32, I32, I32), (I32,)))
    assert row.accepts(FunctionType((I32, I32), (I32,)))
    assert not row.accepts(FunctionType((I32,), (I32,)))
    assert not row.accepts(FunctionType((I32, I32, I32)))


def test_other_callbacks_are_accepted_with_one_type() -> None:
    """An export of another type counts as absent, as in Envoy."""
    row = CALLBACKS_BY_NAME["proxy_on_context_create"]
    assert row.accepts(FunctionType((I32, I32)))
    assert not row.accepts(FunctionType((I32, I32), (I32,)))
    assert not row.accepts(FunctionType((I32, ValueType.I64)))


def test_beyond_the_specification_are_envoys_and_the_sdks() -> None:
    """Guests export them; no version lists them."""
    others = {row.name: row.source for row in CALLBACKS if row.source is not Source.SPECIFICATION}
    assert others == {
        "__main_void": Source.SDK,
        "proxy_on_grpc_trailing_metadata": Source.SDK,
        "proxy_on_request_metadata": Source.ENVOY,
        "proxy_on_response_metadata": Source.ENVOY,
        "envoy_on_resolve_dns": Source.ENVOY,
        "envoy_on_stats_update": Source.ENVOY,
        "proxy_validate_configuration": Source.SDK,
        "proxy_on_start": Source.SDK,
        "proxy_on_create": Source.SDK,
    }


@pytest.mark.parametrize(
    ("name", "result", "context"),
    [
        ("proxy_on_vm_start", ResultKind.BOOLEAN, ContextKind.PLUGIN),
        ("proxy_on_done", ResultKind.BOOLEAN, ContextKind.ANY),
        ("proxy_on_request_headers", ResultKind.HEADERS_STATUS, ContextKind.HTTP),
        ("proxy_on_response_body", ResultKind.DATA_STATUS, ContextKind.HTTP),
        ("proxy_on_request_trailers", ResultKind.ACTION, ContextKind.HTTP),
        ("proxy_on_request_metadata", ResultKind.IGNORED, ContextKind.HTTP),
        ("proxy_on_new_connection", ResultKind.ACTION, ContextKind.TCP),
        ("proxy_on_http_call_response", ResultKind.NONE, ContextKind.PLUGIN),
        ("_start", ResultKind.NONE, ContextKind.NONE),
    ],
)
def test_results_and_contexts(name: str, result: ResultKind, context: ContextKind) -> None:
    """What a result means and whose context the first parameter is."""
    row = CALLBACKS_BY_NAME[name]
    assert (row.result, row.context) == (result, context)


def test_the_allocator_of_the_specification_goes_first() -> None:
    """Some guests export a malloc whose memory nobody frees."""
    assert ALLOCATORS == ("proxy_on_memory_allocate", "malloc")
    assert all(CALLBACKS_BY_NAME[name].result is ResultKind.POINTER for name in ALLOCATORS)
