"""Messages in Protocol Buffers' wire format."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abi.protobuf import ProtobufError, decode_message, encode_message


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"", {}),
        (b"\x08\x96\x01", {1: 150}),  # the encoding guide's first example
        (b"\x12\x07testing", {2: b"testing"}),  # and its second
        (b"\x0d\1\0\0\0\x11\2\0\0\0\0\0\0\0", {1: b"\1\0\0\0", 2: b"\2\0\0\0\0\0\0\0"}),
        (b"\x08\1\x08\2", {1: 2}),  # the last one counts
        (b"\x08" + b"\xff" * 9 + b"\1", {1: (1 << 64) - 1}),
    ],
)
def test_bytes_become_fields(data: bytes, fields: dict[int, int | bytes]) -> None:
    """Numbers as numbers, everything else as bytes."""
    assert decode_message(data) == fields


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",
        b"\x08\x80",
        b"\x12\x05abc",
        b"\x0d\1\0\0",
        b"\x0b",
        b"\x0c",
        b"\x0e",
        b"\0\0",
        b"\x08" + b"\xff" * 11,
    ],
)
def test_what_is_no_message_is_said_so(data: bytes) -> None:
    """Ends too early, groups, types that are none, the field 0, numbers that do not end."""
    with pytest.raises(ProtobufError):
        decode_message(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(ProtobufError):
        decode_message(data)


FIELDS = st.integers(1, 2**63 - 1) | st.binary(min_size=1, max_size=300)


@given(st.dictionaries(st.integers(1, 2**29 - 1), FIELDS, max_size=5))
def test_what_is_encoded_is_decoded(fields: dict[int, int | bytes]) -> None:
    """But for defaults, which are not there."""
    assert decode_message(encode_message(fields)) == fields
    assert encode_message({1: 0, 2: b""}) == b""
