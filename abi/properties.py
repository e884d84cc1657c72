"""Properties: their well-known paths, and values as bytes.

The table says which paths guests may count on by name, of which type and in which phases; a host decides
which it can answer. Values are Envoy's binary encodings, which is what SDKs and plugins decode (nginx's
module answers text for all types, and guests fail on it).

Sources: Proxy-Wasm specification, "Properties"; Envoy's list of attributes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from types import MappingProxyType

from abi.pairs import PairsError, decode_pairs, encode_pairs
from abi.protobuf import to_double


class PropertyType(Enum):
    """Type of a property's value, and by that its encoding and its Python type."""

    STRING = "string"
    """UTF-8 without NUL; str. Bytes that are no UTF-8 pass through as surrogate escapes."""
    BYTES = "bytes"
    INT = "int"
    """i64 little-endian; int."""
    UINT = "uint"
    """u64 little-endian; int."""
    DOUBLE = "double"
    """IEEE 754 double little-endian; float."""
    BOOL = "bool"
    """One byte, 0 or 1; bool."""
    TIMESTAMP = "timestamp"
    """i64 little-endian nanoseconds since the Unix epoch; int."""
    DURATION = "duration"
    """i64 little-endian nanoseconds; int."""
    MESSAGE = "message"
    """A serialized protobuf message; bytes."""
    MAP = "map"
    """Serialized pairs, keys strings, values of one type; dict."""
    LIST = "list"
    """Serialized pairs, each element as name with an empty value; list."""


class Phase(Flag):
    """When a property can be read."""

    PLUGIN = auto()
    """From plugin contexts, with no stream at hand."""
    CONNECTION = auto()
    """From TCP stream contexts."""
    REQUEST = auto()
    RESPONSE = auto()
    LOG = auto()


class PropertySource(Enum):
    """Who defines a property."""

    SPECIFICATION = "specification"
    ENVOY = "envoy"


@dataclass(frozen=True, slots=True)
class Property:
    """A well-known property."""

    path: str
    """Segments joined by a full stop, for people; `abi.pairs.join_path` makes the form guests send."""
    type: PropertyType
    phases: Phase
    source: PropertySource

    @property
    def segments(self) -> tuple[bytes, ...]:
        """The path as segments. Maps and messages can be read as a whole or one more segment deep."""
        return tuple(self.path.encode().split(b"."))


class PropertyValueError(ValueError):
    """A value that its type cannot hold, or bytes that are no value of the type."""


PropertyScalar = str | bytes | int | float | bool
PropertyValue = PropertyScalar | Mapping[str, PropertyScalar] | list[PropertyScalar]

_FORMATS = {
    PropertyType.INT: struct.Struct("<q"),
    PropertyType.UINT: struct.Struct("<Q"),
    PropertyType.DOUBLE: struct.Struct("<d"),
    PropertyType.TIMESTAMP: struct.Struct("<q"),
    PropertyType.DURATION: struct.Struct("<q"),
}


def encode_value(
    type: PropertyType, value: PropertyValue, element: PropertyType = PropertyType.STRING
) -> bytes:
    """The bytes of `value` as a property of `type`; `element` is the type inside a map or list.

    Raises `PropertyValueError` when `value` is of another type or out of range.
    """
    try:
        if type is PropertyType.MAP and isinstance(value, Mapping):
            items = value.items()
            return encode_pairs(
                (_encode_scalar(PropertyType.STRING, k), _encode_scalar(element, v)) for k, v in items
            )
        if type is PropertyType.LIST and isinstance(value, list):
            return encode_pairs((_encode_scalar(element, item), b"") for item in value)
        if not isinstance(value, Mapping | list):
            return _encode_scalar(type, value)
    except (struct.error, OverflowError, UnicodeError) as error:
        raise PropertyValueError(f"{value!r} is no {type.value}: {error}") from error
    raise PropertyValueError(f"{value!r} is no {type.value}")


def _encode_scalar(type: PropertyType, value: PropertyScalar) -> bytes:
    match type, value:
        case PropertyType.STRING, str():
            return value.encode("utf-8", "surrogateescape")
        case ((PropertyType.BYTES | PropertyType.MESSAGE), bytes()):
            return value
        case PropertyType.BOOL, bool():
            return b"\x01" if value else b"\x00"
        case _, bool():
            pass
        case PropertyType.DOUBLE, (int() | float()):
            return _FORMATS[type].pack(value)
        case ((PropertyType.INT | PropertyType.UINT | PropertyType.TIMESTAMP | PropertyType.DURATION), int()):
            return _FORMATS[type].pack(value)
    raise PropertyValueError(f"{value!r} is no {type.value}")


def encode_json(value: object) -> bytes | None:
    """The bytes of a value of JSON, as Envoy encodes those of a protobuf Struct: numbers are doubles, what is in a map
    or a list is encoded by the same rules. None for a null, which has no encoding, and is left out of maps and lists.
    """
    match value:
        case bool():
            return b"\x01" if value else b"\x00"
        case int() | float():
            return _FORMATS[PropertyType.DOUBLE].pack(to_double(value))
        case str():
            return value.encode("utf-8", "surrogateescape")
        case Mapping():
            items = [(str(key), encode_json(item)) for key, item in value.items()]
            return encode_pairs((key.encode(), item) for key, item in items if item is not None)
        case list():
            return encode_pairs((item, b"") for each in value if (item := encode_json(each)) is not None)
    return None


def decode_value(
    type: PropertyType, data: bytes, element: PropertyType = PropertyType.STRING
) -> PropertyValue:
    """The value of type `type` that `data` holds; `element` is the type inside a map or list.

    Raises `PropertyValueError` when `data` is no such value, or a map names a key twice.
    """
    if type not in (PropertyType.MAP, PropertyType.LIST):
        return _decode_scalar(type, data)
    try:
        pairs = decode_pairs(data)
    except PairsError as error:
        raise PropertyValueError(f"no {type.value}: {error}") from error
    if type is PropertyType.LIST:
        if any(value for _, value in pairs):
            raise PropertyValueError("an element of a list has a value beside it")
        return [_decode_scalar(element, name) for name, _ in pairs]
    values = {str(_decode_scalar(PropertyType.STRING, name)): value for name, value in pairs}
    if len(values) != len(pairs):
        raise PropertyValueError("a key of a map comes twice")
    return {key: _decode_scalar(element, value) for key, value in values.items()}


def _decode_scalar(type: PropertyType, data: bytes) -> PropertyScalar:
    if type is PropertyType.STRING:
        return data.decode("utf-8", "surrogateescape")
    if type in (PropertyType.BYTES, PropertyType.MESSAGE):
        return data
    if type is PropertyType.BOOL:
        if data not in (b"\x00", b"\x01"):
            raise PropertyValueError(f"{data[:16]!r} is no bool")
        return data == b"\x01"
    if type in _FORMATS and len(data) == 8:
        value: int | float = _FORMATS[type].unpack(data)[0]
        return value
    raise PropertyValueError(f"{len(data)} bytes are no {type.value}")


_STREAM = Phase.REQUEST | Phase.RESPONSE | Phase.LOG
_L4 = Phase.CONNECTION | _STREAM
_UPSTREAM = Phase.CONNECTION | Phase.RESPONSE | Phase.LOG
_RESPONSE = Phase.RESPONSE | Phase.LOG
_ALWAYS = Phase.PLUGIN | _L4
_STR, _INT, _UINT, _MAP = PropertyType.STRING, PropertyType.INT, PropertyType.UINT, PropertyType.MAP
_TIME, _SPAN, _MESSAGE = PropertyType.TIMESTAMP, PropertyType.DURATION, PropertyType.MESSAGE
_SPEC, _ENVOY = PropertySource


def _rows(
    prefix: str, names: str, type: PropertyType, phases: Phase, source: PropertySource
) -> Iterable[Property]:
    return (Property(prefix + name, type, phases, source) for name in names.split())


_CERTIFICATES = (
    "subject_local_certificate subject_peer_certificate dns_san_local_certificate dns_san_peer_certificate "
    "uri_san_local_certificate uri_san_peer_certificate sha256_peer_certificate_digest"
)

PROPERTIES: tuple[Property, ...] = (
    *_rows("", "plugin_name plugin_root_id plugin_vm_id", _STR, _ALWAYS, _SPEC),
    *_rows("connection.", "id", _UINT, _L4, _SPEC),
    *_rows("", "connection_id", _UINT, _L4, _ENVOY),
    *_rows("connection.", f"tls_version requested_server_name {_CERTIFICATES}", _STR, _L4, _SPEC),
    *_rows("connection.", "mtls", PropertyType.BOOL, _L4, _SPEC),
    *_rows("connection.", "termination_details transport_failure_reason", _STR, _L4, _ENVOY),
    *_rows("", "source.address destination.address", _STR, _L4, _SPEC),
    *_rows("", "source.port destination.port", _INT, _L4, _SPEC),
    *_rows("upstream.", f"address local_address tls_version {_CERTIFICATES}", _STR, _UPSTREAM, _SPEC),
    *_rows("upstream.", "port local_port", _INT, _UPSTREAM, _SPEC),
    *_rows("upstream.", "transport_failure_reason", _STR, _UPSTREAM, _ENVOY),
    *_rows("upstream.", "request_attempt_count", _UINT, _UPSTREAM, _ENVOY),
    *_rows("upstream.", "cx_pool_ready_duration", _SPAN, _UPSTREAM, _ENVOY),
    *_rows("upstream.", "locality", _MESSAGE, _UPSTREAM, _ENVOY),
    *_rows("request.", "path url_path query host scheme method referer useragent id", _STR, _STREAM, _ENVOY),
    *_rows("request.", "headers", _MAP, _STREAM, _ENVOY),
    *_rows("request.", "protocol", _STR, _STREAM, _SPEC),
    *_rows("request.", "time", _TIME, _STREAM, _SPEC),
    *_rows("request.", "duration", _SPAN, Phase.LOG, _SPEC),
    *_rows("request.", "size total_size", _INT, _STREAM, _SPEC),
    *_rows("response.", "code flags grpc_status", _INT, _RESPONSE, _ENVOY),
    *_rows("response.", "code_details", _STR, _RESPONSE, _ENVOY),
    *_rows("response.", "headers trailers", _MAP, _RESPONSE, _ENVOY),
    *_rows("response.", "size total_size", _INT, _RESPONSE, _SPEC),
    *_rows("response.", "backend_latency", _SPAN, _RESPONSE, _ENVOY),
    *_rows("", "metadata", _MESSAGE, _L4, _ENVOY),
    *_rows("", "filter_state upstream_filter_state", _MAP, _L4, _ENVOY),
    *_rows("xds.", "node", _MESSAGE, _ALWAYS, _ENVOY),
    *_rows("xds.", "listener_direction", _INT, _ALWAYS, _ENVOY),
    *_rows("xds.", "listener_metadata", _MESSAGE, _ALWAYS, _ENVOY),
    *_rows("xds.", "cluster_name route_name virtual_host_name filter_chain_name", _STR, _L4, _ENVOY),
    *_rows(
        "xds.",
        "cluster_metadata route_metadata virtual_host_metadata upstream_host_metadata",
        _MESSAGE,
        _L4,
        _ENVOY,
    ),
    # Older names of the same at the top level, which plugins still read.
    *_rows("", "node listener_metadata", _MESSAGE, _ALWAYS, _ENVOY),
    *_rows("", "listener_direction", _INT, _ALWAYS, _ENVOY),
    *_rows("", "cluster_name route_name", _STR, _L4, _ENVOY),
    *_rows("", "cluster_metadata route_metadata upstream_host_metadata", _MESSAGE, _L4, _ENVOY),
)

PROPERTIES_BY_PATH: Mapping[str, Property] = MappingProxyType({row.path: row for row in PROPERTIES})
