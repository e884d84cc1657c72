"""Messages of Kong's plugin protocol: given bytes, expected values, and nothing that a peer sends hurts."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abi.protobuf import ProtobufError, delimited
from host.external.kong import messages as m
from host.external.kong.methods import METHODS
from host.external.kong.values import decode_value, encode_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_there_are_the_74_methods_of_the_protocol_file() -> None:
    """Each rpc of `service Kong` has its row."""
    assert len(METHODS) == 74


@pytest.mark.parametrize(
    ("encoder", "value", "data"),
    [
        (m.a_text, "abc", "0a03616263"),
        (m.a_text, "", ""),
        (m.a_text, None, ""),
        (m.an_integer, 300, "08ac02"),
        (m.an_integer, -1, "08ffffffffffffffffff01"),
        (m.a_number, 1.5, "09000000000000f83f"),
        (m.a_boolean, True, "0801"),
        (m.a_boolean, False, ""),
        (m.some_bytes, b"\xff\0", "0a02ff00"),
        (m.a_value, "v", "1a0176"),
        (m.a_value, 2, "110000000000000040"),
        (m.a_value, None, ""),
        (m.raw_body, b"", "0a00"),
        (m.raw_body, b"x", "0a0178"),
        (m.a_multi_map, {"a": ["1", "2"]}, "0a110a0161120c320a0a031a01310a031a0132"),
        (m.entity(m.CONSUMER), {"id": "c", "username": "u", "tags": ["t"]}, "0a01631a01752a0174"),
        (m.entity(m.SERVICE), {"port": 80, "client_certificate": {"id": "x"}}, "405072030a0178"),
        (m.captures, {"unnamed": ["a"], "named": {"n": "v"}}, "0a0161" + "12060a016e120176"),
    ],
)  # fmt: skip
def test_results_are_the_bytes_that_go_reads(encoder: Any, value: Any, data: str) -> None:
    """Vectors by the encoding's specification; tests/peers has the real reader."""
    assert encoder(value).hex() == data


@pytest.mark.parametrize(
    ("decoder", "data", "arguments"),
    [
        (m.one_text, "0a03616263", ["abc"]),
        (m.one_text, "", [""]),
        (m.one_integer, "08ac02", [300]),
        (m.one_integer, "", [None]),
        (m.one_integer, "08ffffffffffffffffff01", [-1]),
        (m.key_and_value, "0a016b12031a0176", ["k", "v"]),
        (m.key_and_value, "0a016b", ["k", None]),
        (m.exit_arguments, "08a203120374656e", [418, b"ten", None]),
        (m.exit_arguments, "08a203", [418, b"", None]),
        (m.target, "0a01611050", ["a", 80]),
        (m.one_bytes, "0a02ff00", [b"\xff\0"]),
        (m.authenticate_arguments, "0a030a016312050a01691200", [{"id": "c"}, {"id": "i", "consumer_id": ""}]),
    ],
)
def test_arguments_are_what_go_writes(decoder: Any, data: str, arguments: list[Any]) -> None:
    """What is absent has its default."""
    assert decoder(bytes.fromhex(data)) == arguments


@given(JSON)
def test_values_come_back_as_they_were(value: Any) -> None:
    """Value, Struct and ListValue in each other."""
    assert decode_value(encode_value(value)) == value


@given(st.binary(max_size=200), st.sampled_from(sorted(METHODS)))
def test_no_arguments_hurt_the_reader(data: bytes, name: str) -> None:
    """They are read, or refused as what they are."""
    with contextlib.suppress(ProtobufError):
        assert isinstance(METHODS[name][0](data), list)


def test_nesting_has_an_end() -> None:
    """A value in a value in a value does not exhaust the stack."""
    data = encode_value("x")
    for _ in range(1000):
        data = delimited(b"\x32", delimited(b"\x0a", data))
    with pytest.raises(ProtobufError, match="nested deeper than 64 levels"):
        decode_value(data)


def test_text_that_is_no_utf8_does_not_make_a_message_unreadable() -> None:
    """Go refuses a whole message for one such byte: a client's header must not blind a plugin."""
    value = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert m.a_text(value) == b"\x0a\x06caf\xef\xbf\xbd"
    assert b"caf\xef\xbf\xbd" in m.a_multi_map({"x": value})
