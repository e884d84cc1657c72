"""The foreign functions that Envoy has, but for those of its expression language.

Arguments that are messages are Envoy's (source/extensions/common/wasm/ext/*.proto).
"""

from __future__ import annotations

import zlib

from abi.limits import UNCOMPRESSED_MAX_BYTES
from abi.protobuf import ProtobufError, Value, decode_message
from abi.types import Status
from host._core import lib
from host.plugin.foreign import BUILT_IN, ForeignCall, ForeignFunctionError


def message(call: ForeignCall) -> dict[int, Value]:
    """Return the fields of the call's argument. Raises ForeignFunctionError."""
    try:
        return decode_message(call.arguments)
    except ProtobufError as error:
        raise ForeignFunctionError(Status.BAD_ARGUMENT) from error


def bytes_of(fields: dict[int, Value], number: int) -> bytes:
    """Return a field of bytes or text, empty if it is not there. Raises ForeignFunctionError for a number."""
    value = fields.get(number, b"")
    if not isinstance(value, bytes):
        raise ForeignFunctionError(Status.BAD_ARGUMENT)
    return value


def compress(call: ForeignCall) -> bytes:
    """Return the argument in zlib's format (RFC 1950)."""
    return zlib.compress(call.arguments)


def uncompress(call: ForeignCall) -> bytes:
    """Return what zlib's `compress` was given. What is behind its end is left alone, as zlib does.

    Envoy makes room twice as large until it suffices: bytes that end early keep it doing so for ever, and a bomb takes
    all memory. Both are SERIALIZATION_FAILURE, as is what zlib does not read.
    """
    decompressor = zlib.decompressobj()
    try:
        data = decompressor.decompress(call.arguments, UNCOMPRESSED_MAX_BYTES + 1)
    except zlib.error as error:
        raise ForeignFunctionError(Status.SERIALIZATION_FAILURE) from error
    if not decompressor.eof or len(data) > UNCOMPRESSED_MAX_BYTES:
        raise ForeignFunctionError(Status.SERIALIZATION_FAILURE)
    return data


def clear_route_cache(call: ForeignCall) -> None:
    """Do nothing: a route is chosen before its filters run, and kept."""


def declare_property(call: ForeignCall) -> None:
    """Note that a property can be set only once, for the calling plugin context.

    DeclarePropertyArguments: name 1, readonly 2; type, schema and span do not matter here: a property is bytes, and
    lives as long as its exchange. A second declaration of a name is a BAD_ARGUMENT, as in Envoy.
    """
    fields = message(call)
    name = bytes_of(fields, 1)
    if not name or not call.declare_property(name, read_only=bool(fields.get(2, 0))):
        raise ForeignFunctionError(Status.BAD_ARGUMENT)


def set_envoy_filter_state(call: ForeignCall) -> None:
    """Set state of the exchange that is read as the property `filter_state.PATH`. Arguments: path 1, value 2."""
    fields = message(call)
    path, value = bytes_of(fields, 1), bytes_of(fields, 2)
    if call.stream is None:
        raise ForeignFunctionError(Status.NOT_FOUND)
    if not path:
        raise ForeignFunctionError(Status.BAD_ARGUMENT)
    name = b"filter_state\0" + path
    status = lib.sw_native_set_state(call.stream.native, name, len(name), value, len(value))
    if status:
        raise ForeignFunctionError(Status.INTERNAL_FAILURE)


BUILT_IN.update(
    compress=compress,
    uncompress=uncompress,
    clear_route_cache=clear_route_cache,
    declare_property=declare_property,
    set_envoy_filter_state=set_envoy_filter_state,
)
