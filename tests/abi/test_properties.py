"""The table of properties, and values against bytes written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from abi import (
    PROPERTIES,
    PROPERTIES_BY_PATH,
    Phase,
    PropertySource,
    PropertyType,
    PropertyValueError,
    decode_value,
    encode_value,
)

VECTORS = json.loads(
    (Path(__file__).parents[2] / "testdata" / "vectors" / "property_values.json").read_text()
)

Vector = dict[str, Any]

# The paths that the text of the specification lists, typed from it.
SPECIFIED = {
    *("plugin_name", "plugin_root_id", "plugin_vm_id"),
    *("connection.id", "connection.tls_version", "connection.requested_server_name", "connection.mtls"),
    *("connection.subject_local_certificate", "connection.subject_peer_certificate"),
    *("connection.dns_san_local_certificate", "connection.dns_san_peer_certificate"),
    *("connection.uri_san_local_certificate", "connection.uri_san_peer_certificate"),
    "connection.sha256_peer_certificate_digest",
    *("source.address", "source.port", "destination.address", "destination.port"),
    *("upstream.address", "upstream.port", "upstream.local_address", "upstream.local_port"),
    *("upstream.tls_version", "upstream.subject_local_certificate", "upstream.subject_peer_certificate"),
    *("upstream.dns_san_local_certificate", "upstream.dns_san_peer_certificate"),
    *("upstream.uri_san_local_certificate", "upstream.uri_san_peer_certificate"),
    "upstream.sha256_peer_certificate_digest",
    *("request.protocol", "request.time", "request.duration", "request.size", "request.total_size"),
    *("response.size", "response.total_size"),
}


def name(vector: Vector) -> str:
    return str(vector.get("fact") or f"{vector['type']} {vector['value']}")


def types(vector: Vector) -> tuple[PropertyType, PropertyType]:
    return PropertyType(vector["type"]), PropertyType(vector.get("element", "string"))


def value(vector: Vector) -> Any:
    raw = vector["type"] in ("bytes", "message")
    return bytes.fromhex(vector["value"]) if raw else vector["value"]


@pytest.mark.parametrize("vector", VECTORS["values"], ids=name)
def test_values_have_the_bytes_of_their_type(vector: Vector) -> None:
    """Plugins decode fixed sizes: rule engines fail on fewer than eight bytes for a port."""
    type, element = types(vector)
    assert encode_value(type, value(vector), element) == bytes.fromhex(vector["bytes"])


@pytest.mark.parametrize("vector", VECTORS["values"], ids=name)
def test_bytes_give_the_value_back_with_its_python_type(vector: Vector) -> None:
    """True is not 1 and 1.0 is not 1 to who reads the value."""
    type, element = types(vector)
    decoded = decode_value(type, bytes.fromhex(vector["bytes"]), element)
    assert decoded == value(vector)
    assert decoded.__class__ is value(vector).__class__


@pytest.mark.parametrize("vector", VECTORS["no_value"], ids=name)
def test_bytes_of_another_type_are_refused(vector: Vector) -> None:
    """The one named error, whatever is wrong."""
    type, element = types(vector)
    with pytest.raises(PropertyValueError):
        decode_value(type, bytes.fromhex(vector["bytes"]), element)


@pytest.mark.parametrize(
    ("type", "wrong"),
    [
        (PropertyType.INT, "8080"),
        (PropertyType.INT, True),
        (PropertyType.INT, 1.0),
        (PropertyType.INT, 2**63),
        (PropertyType.UINT, -1),
        (PropertyType.UINT, 2**64),
        (PropertyType.DOUBLE, "1"),
        (PropertyType.DOUBLE, 10**400),
        (PropertyType.BOOL, 1),
        (PropertyType.STRING, b"bytes"),
        (PropertyType.STRING, "\ud800"),
        (PropertyType.BYTES, "text"),
        (PropertyType.STRING, {}),
        (PropertyType.MAP, []),
        (PropertyType.MAP, {"a": 1}),
        (PropertyType.LIST, {}),
        (PropertyType.LIST, [1]),
        (PropertyType.LIST, "ab"),
    ],
)
def test_values_of_another_type_are_refused(type: PropertyType, wrong: Any) -> None:
    """A host that mixes types up has a fault to show, not bytes to guess."""
    with pytest.raises(PropertyValueError):
        encode_value(type, wrong)


def test_strings_that_are_no_utf_8_come_back_unchanged() -> None:
    """Header values may hold any bytes; reading one as a property must not lose them."""
    text = decode_value(PropertyType.STRING, b"\xff\xc3")
    assert encode_value(PropertyType.STRING, text) == b"\xff\xc3"


def test_paths_are_unique() -> None:
    """Two rows for a path would give it two types."""
    assert len(PROPERTIES_BY_PATH) == len(PROPERTIES)


def test_the_specifications_properties_are_all_there() -> None:
    """Against a list typed from its text."""
    of_specification = {row.path for row in PROPERTIES if row.source is PropertySource.SPECIFICATION}
    assert of_specification == SPECIFIED


@pytest.mark.parametrize(
    ("path", "type"),
    [
        ("request.path", PropertyType.STRING),
        ("request.headers", PropertyType.MAP),
        ("request.time", PropertyType.TIMESTAMP),
        ("request.duration", PropertyType.DURATION),
        ("response.code", PropertyType.INT),
        ("connection.id", PropertyType.UINT),
        ("connection.mtls", PropertyType.BOOL),
        ("source.port", PropertyType.INT),
        ("source.address", PropertyType.STRING),
        ("upstream.request_attempt_count", PropertyType.UINT),
        ("xds.node", PropertyType.MESSAGE),
    ],
)
def test_types_are_those_that_plugins_decode(path: str, type: PropertyType) -> None:
    """Against Envoy's list of attributes."""
    assert PROPERTIES_BY_PATH[path].type is type


def test_names_of_the_plugin_can_be_read_in_every_phase() -> None:
    """AssemblyScript guests read plugin_root_id while their root context is created."""
    assert PROPERTIES_BY_PATH["plugin_root_id"].phases == ~Phase(0)


def test_response_properties_are_not_there_before_the_response() -> None:
    """NOT_FOUND is the answer then."""
    early = Phase.PLUGIN | Phase.CONNECTION | Phase.REQUEST
    assert not any(row.phases & early for row in PROPERTIES if row.path.startswith("response."))


def test_segments_are_the_path_in_parts() -> None:
    """What a guest's path is compared with."""
    assert PROPERTIES_BY_PATH["request.headers"].segments == (b"request", b"headers")
