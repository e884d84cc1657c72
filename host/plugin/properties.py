"""Properties of an exchange or a connection, read by the host itself: filters in Python, access logs, tests.

They are what plugins read with proxy_get_property, but for those of a plugin's own (`plugin_name`, `xds.node`).
"""

from __future__ import annotations

from typing import Any

from abi.pairs import encode_pairs
from abi.properties import (
    PROPERTIES_BY_PATH,
    PropertyType,
    PropertyValue,
    PropertyValueError,
    decode_value,
    encode_json,
)
from abi.protobuf import encode_message, encode_struct
from host._core import ffi, lib
from host.plugin.streams import NumberedStream

_length = ffi.new("size_t *")


def read_property(stream: NumberedStream, path: bytes) -> bytes | None:
    """Return the bytes that a plugin would get under this path (NUL between segments), None for NOT_FOUND.

    To be called on the thread that owns the streams.
    """
    found = lib.sw_stream_property(stream.native, path, len(path), _length)
    if found == ffi.NULL:
        return None
    return bytes(ffi.unpack(found, _length[0])) if _length[0] else b""


def property_value(stream: NumberedStream, path: str) -> PropertyValue | None:
    """Return the value under a path with dots (`response.code`, `request.headers.host`), None if there is none.

    Well-known properties have the type of `abi.PROPERTIES`; what filters have set is bytes. A path that is not found by
    its segments is looked for as one name, as filters may have set one with dots in it.
    """
    data = read_property(stream, path.replace(".", "\0").encode())
    if data is None:
        return read_property(stream, path.encode())
    row = PROPERTIES_BY_PATH.get(path)
    if row is None:
        parent = PROPERTIES_BY_PATH.get(".".join(path.split(".")[:2]))
        kind = (
            PropertyType.STRING
            if parent is not None and parent.type is PropertyType.MAP
            else PropertyType.BYTES
        )
    else:
        kind = row.type
    try:
        return decode_value(kind, data)
    except PropertyValueError:  # a header that comes twice is no key of a map
        return data


def node_properties(id: str, cluster: str, metadata: dict[str, Any]) -> bytes:
    """Return what plugins read of the gateway's node, as pairs of path and value.

    Under Envoy's two names, `xds.node` and `node`: the whole as a message `envoy.config.core.v3.Node`, `id`, `cluster`,
    and `metadata` as a whole and value by value.
    """
    values: dict[tuple[bytes, ...], bytes] = {}
    if id or cluster or metadata:
        struct = encode_struct(metadata)
        values[()] = encode_message({1: id.encode(), 2: cluster.encode(), 3: struct})
    if id:
        values[b"id",] = id.encode()
    if cluster:
        values[b"cluster",] = cluster.encode()
    if metadata:
        _flatten(values, (b"metadata",), metadata)
    return encode_pairs(
        (b"\0".join([*prefix, *path]), value)
        for prefix in ((b"xds", b"node"), (b"node",))
        for path, value in values.items()
    )


def _flatten(values: dict[tuple[bytes, ...], bytes], path: tuple[bytes, ...], value: Any) -> None:
    encoded = encode_json(value)
    if encoded is None:
        return
    values[path] = encoded
    if isinstance(value, dict):
        for key, item in value.items():
            _flatten(values, (*path, key.encode()), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _flatten(values, (*path, b"%d" % index), item)
