"""The codec of header maps: what goes in comes out, and any bytes are pairs or the one named error."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from abi import PairsError, decode_pairs, encode_pairs, join_path, split_path

PAIRS = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=40)), max_size=20)
SMALL = st.integers(0, 4).map(lambda value: struct.pack("<I", value))
DAMAGED = st.lists(st.one_of(SMALL, st.binary(max_size=5), st.just(b"a\x00")), max_size=12).map(b"".join)


@given(PAIRS)
def test_decoding_undoes_encoding(pairs: list[tuple[bytes, bytes]]) -> None:
    """Order, repetition, empty and binary texts all survive."""
    assert decode_pairs(encode_pairs(pairs)) == pairs


@given(st.one_of(st.binary(max_size=64), DAMAGED))
def test_any_bytes_are_pairs_or_an_error(data: bytes) -> None:
    """What is accepted serializes to the same bytes, but for the two longer forms of an empty map."""
    try:
        pairs = decode_pairs(data)
    except PairsError:
        return
    assert encode_pairs(pairs) == data or (pairs == [] and not any(data))


@given(PAIRS.filter(bool), st.data())
def test_one_changed_byte_never_escapes_as_another_error(
    pairs: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    """The map of a hostile guest is close to a good one."""
    damaged = bytearray(encode_pairs(pairs))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_pairs(bytes(damaged))
    except PairsError:
        return
    assert encode_pairs(decoded) == damaged


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda segment: 0 not in segment)))
def test_splitting_undoes_joining(segments: list[bytes]) -> None:
    """A path names what it was made of."""
    assert split_path(join_path(segments)) == tuple(segments)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_path(data: bytes) -> None:
    """The segments hold every byte but the separators."""
    assert b"\x00".join(split_path(data)) in (data, data.removesuffix(b"\x00"))
