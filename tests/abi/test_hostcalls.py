"""The table of host calls against lists typed from the specification by hand."""

import pytest

from abi import HOSTCALLS, HOSTCALLS_BY_NAME, AbiVersion, FunctionType, ValueType, hostcalls_of

# Function by function from the "Functions exposed by the host" parts of the three versions; one letter a
# parameter. Typed apart from the table, so that a slip in either shows.
IN_EVERY_VERSION = {
    "proxy_done": "",
    "proxy_set_effective_context": "i",
    "proxy_log": "iii",
    "proxy_get_current_time_nanoseconds": "i",
    "proxy_set_tick_period_milliseconds": "i",
    "proxy_set_buffer_bytes": "iiiii",
    "proxy_get_buffer_bytes": "iiiii",
    "proxy_get_buffer_status": "iii",
    "proxy_get_header_map_size": "ii",
    "proxy_get_header_map_pairs": "iii",
    "proxy_set_header_map_pairs": "iii",
    "proxy_get_header_map_value": "iiiii",
    "proxy_add_header_map_value": "iiiii",
    "proxy_replace_header_map_value": "iiiii",
    "proxy_remove_header_map_value": "iii",
    "proxy_get_status": "iii",
    "proxy_send_local_response": "iiiiiiii",
    "proxy_http_call": "iiiiiiiiii",
    "proxy_grpc_call": "iiiiiiiiiiii",
    "proxy_grpc_stream": "iiiiiiiii",
    "proxy_grpc_send": "iiii",
    "proxy_grpc_cancel": "i",
    "proxy_grpc_close": "i",
    "proxy_set_shared_data": "iiiii",
    "proxy_get_shared_data": "iiiii",
    "proxy_register_shared_queue": "iii",
    "proxy_resolve_shared_queue": "iiiii",
    "proxy_enqueue_shared_queue": "iii",
    "proxy_dequeue_shared_queue": "iii",
    "proxy_define_metric": "iiii",
    "proxy_record_metric": "iI",
    "proxy_increment_metric": "iI",
    "proxy_get_metric": "ii",
    "proxy_get_property": "iiii",
    "proxy_set_property": "iiii",
    "proxy_call_foreign_function": "iiiiii",
}
ONLY_IN_0_1_0 = {
    "proxy_get_configuration": "ii",
    "proxy_continue_request": "",
    "proxy_continue_response": "",
    "proxy_clear_route_cache": "",
}
SINCE_0_2_0 = {"proxy_continue_stream": "i", "proxy_close_stream": "i"}
SINCE_0_2_1 = {"proxy_get_log_level": "i"}
EXTENSIONS = {"envoy_resolve_dns": "iii", "emscripten_notify_memory_growth": "i", "pthread_equal": "ii"}

EXPECTED = {
    AbiVersion.V0_1_0: IN_EVERY_VERSION | ONLY_IN_0_1_0,
    AbiVersion.V0_2_0: IN_EVERY_VERSION | SINCE_0_2_0,
    AbiVersion.V0_2_1: IN_EVERY_VERSION | SINCE_0_2_0 | SINCE_0_2_1,
}


@pytest.mark.parametrize("version", AbiVersion, ids=lambda version: version.text)
def test_each_version_has_the_functions_of_its_specification(version: AbiVersion) -> None:
    """A row with the wrong version would be shown to users of `inspect` as unsupported, or the reverse."""
    assert hostcalls_of(version) == set(EXPECTED[version])


def test_parameter_types_are_those_of_the_specification() -> None:
    """Linking compares types: one letter off, and every module that imports the call is refused."""
    expected = IN_EVERY_VERSION | ONLY_IN_0_1_0 | SINCE_0_2_0 | SINCE_0_2_1 | EXTENSIONS
    assert {row.name: row.signature for row in HOSTCALLS} == expected


def test_names_are_unique() -> None:
    """The linker refuses a second definition of a name."""
    assert len(HOSTCALLS_BY_NAME) == len(HOSTCALLS)


def test_parameter_names_are_unique_within_a_call() -> None:
    """Traces print name=value; a name given twice would hide a value."""
    for row in HOSTCALLS:
        names = [parameter.name for parameter in row.parameters]
        assert len(set(names)) == len(names), row.name


def test_only_the_memory_growth_notice_returns_nothing() -> None:
    """All calls return a status; Emscripten's notice is a C function without a result."""
    assert [row.name for row in HOSTCALLS if not row.result] == ["emscripten_notify_memory_growth"]


def test_extensions_are_in_no_version() -> None:
    """They are linked, but no specification has them."""
    assert {row.name for row in HOSTCALLS if row.extension} == set(EXTENSIONS)
    assert not any(row.in_version(version) for row in HOSTCALLS if row.extension for version in AbiVersion)


def test_order_of_rows_is_kept() -> None:
    """A row's position is its number in the host's core: new rows go to the end."""
    names = [row.name for row in HOSTCALLS]
    assert (names[0], names[14], names[26], names[38]) == (
        "proxy_log",
        "proxy_get_property",
        "proxy_set_shared_data",
        "proxy_done",
    )


@pytest.mark.parametrize("name", sorted(set(ONLY_IN_0_1_0) - {"proxy_get_configuration"}))
def test_calls_of_0_1_0_without_result_link_with_and_without_one(name: str) -> None:
    """The text of 0.1.0 gives them no result, Envoy's host does; modules of both kinds exist."""
    row = HOSTCALLS_BY_NAME[name]
    assert row.accepts(FunctionType())
    assert row.accepts(FunctionType(results=(ValueType.I32,)))
    assert not row.accepts(FunctionType(results=(ValueType.I64,)))


def test_other_calls_link_with_their_one_type_only() -> None:
    """An import of another type is an error to name, not something to guess about."""
    row = HOSTCALLS_BY_NAME["proxy_get_metric"]
    i32 = ValueType.I32
    assert row.accepts(FunctionType((i32, i32), (i32,)))
    assert not row.accepts(FunctionType((i32, ValueType.I64), (i32,)))
    assert not row.accepts(FunctionType((i32, i32)))
