"""Messages of dispatchers as Google's protobuf writes and reads them, and bytes that are none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abi.protobuf import ProtobufError
from host.external.tyk.messages import OBJECT

pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed (it comes with the extra `dev`)")

from google.protobuf.json_format import MessageToDict
from google.protobuf.unknown_fields import UnknownFieldSet

from tests.external.tyk.dispatcher import compiled

coprocess = compiled("coprocess_pb2")

WHOLE: dict[str, Any] = {
    "hook_type": 3,
    "hook_name": "näme",
    "request": {
        "headers": {"A": "b", "C": ""},
        "set_headers": {"X": "y"},
        "delete_headers": ["a", ""],
        "body": "text",
        "url": "/a?b=c",
        "params": {"b": "c"},
        "add_params": {},
        "extended_params": {},
        "delete_params": [],
        "return_overrides": {
            "response_code": -1,
            "response_error": "",
            "headers": {},
            "override_error": True,
            "response_body": "",
        },
        "method": "GET",
        "request_uri": "/a",
        "scheme": "http",
        "raw_body": b"\0\xff",
    },
    "session": {
        "last_check": 1,
        "allowance": 0.5,
        "rate": 1e300,
        "per": 60.0,
        "expires": -(2**63),
        "quota_max": 2**63 - 1,
        "quota_renews": 0,
        "quota_remaining": 0,
        "quota_renewal_rate": 0,
        "access_rights": {
            "id": {
                "api_name": "n",
                "api_id": "id",
                "versions": ["v"],
                "allowed_urls": [{"url": "/", "methods": ["GET"]}],
            }
        },
        "org_id": "o",
        "oauth_client_id": "",
        "oauth_keys": {},
        "basic_auth_data": {"password": "p", "hash_type": "h"},
        "monitor": {"trigger_limits": [80.0, 100.0]},
        "hmac_enabled": False,
        "hmac_string": "s",
        "is_inactive": True,
        "apply_policy_id": "",
        "data_expires": 0,
        "enable_detailed_recording": False,
        "meta_data": {"token": "t" * 300},
        "tags": ["one", "two"],
        "alias": "a",
        "last_updated": "",
        "id_extractor_deadline": 0,
        "session_lifetime": 0,
        "apply_policies": ["p"],
        "key_id": "k",
    },
    "metadata": {"m": "n"},
    "spec": {"OrgID": "o"},
    "response": {
        "status_code": 200,
        "raw_body": b"",
        "body": "",
        "headers": {"a": "b"},
        "multivalue_headers": [{"key": "a", "values": ["b", "c"]}],
    },
}


def test_googles_protobuf_reads_what_is_written() -> None:
    """Every field, under its number and type."""
    read = coprocess.Object.FromString(OBJECT.write(WHOLE))
    assert len(UnknownFieldSet(read)) == 0
    assert read.request.raw_body == b"\0\xff"
    assert read.request.return_overrides.response_code == -1
    assert (read.session.expires, read.session.quota_max) == (-(2**63), 2**63 - 1)
    assert list(read.session.monitor.trigger_limits) == [80.0, 100.0]
    assert read.session.basic_auth_data.hash == "h"
    assert read.session.hmac_secret == "s"
    told = MessageToDict(read, preserving_proto_field_name=True)
    assert told["session"]["access_rights"]["id"]["allowed_urls"] == [{"url": "/", "methods": ["GET"]}]
    assert told["response"]["multivalue_headers"] == [{"key": "a", "values": ["b", "c"]}]
    assert OBJECT.read(read.SerializeToString()) == WHOLE


def test_what_google_writes_is_read() -> None:
    """Zeros that are left out, a field that is not known, and packed numbers included."""
    sent = coprocess.Object(hook_name="x")
    sent.session.monitor.trigger_limits.extend([1.0, 2.0])
    data = sent.SerializeToString() + b"\xf8\x07\x01"  # field 127
    read = OBJECT.read(data)
    assert read["hook_name"] == "x"
    assert read["session"]["monitor"] == {"trigger_limits": [1.0, 2.0]}
    assert read["metadata"] == {}
    assert "request" not in read
    assert OBJECT.read(b"") == {"hook_type": 0, "hook_name": "", "metadata": {}, "spec": {}}


@given(st.dictionaries(st.text(), st.text()), st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1))
def test_any_values_come_back(texts: dict[str, str], number: float, whole: int) -> None:
    """Texts of any characters that UTF-8 has."""
    written = {"metadata": texts, "session": {"rate": number, "expires": whole, "meta_data": texts}}
    read = OBJECT.read(OBJECT.write(written))
    assert read["metadata"] == texts
    assert read["session"]["expires"] == whole
    assert math.isclose(read["session"]["rate"], number) or read["session"]["rate"] == number
    assert coprocess.Object.FromString(OBJECT.write(written)).session.expires == whole


@given(st.binary(max_size=200))
def test_garbage_is_a_message_or_an_error(data: bytes) -> None:
    """And nothing else."""
    try:
        OBJECT.read(data)
    except ProtobufError:
        return


@pytest.mark.parametrize(
    "values",
    [
        {"session": {"rate": "fast"}},
        {"session": {"tags": 5}},
        {"session": {"meta_data": "x"}},
        {"request": {"body": 1}},
    ],
)
def test_a_value_of_another_type_is_refused(values: dict[str, Any]) -> None:
    """A plugin may put anything into a session."""
    import struct

    with pytest.raises((TypeError, AttributeError, ValueError, struct.error)):
        OBJECT.write(values)
