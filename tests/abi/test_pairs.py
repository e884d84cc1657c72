"""The codec of header maps and property paths against bytes written by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from abi import PairsError, decode_pairs, encode_pairs, join_path, split_path

VECTORS = Path(__file__).parents[2] / "testdata" / "vectors"
PAIRS = json.loads((VECTORS / "pairs.json").read_text())
PATHS = json.loads((VECTORS / "paths.json").read_text())

Vector = dict[str, Any]


def fact(vector: Vector) -> str:
    return str(vector["fact"])


def octets(vector: Vector) -> bytes:
    return bytes.fromhex(vector["bytes"])


def pairs(vector: Vector) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in vector["pairs"]]


@pytest.mark.parametrize("vector", PAIRS["encode"], ids=fact)
def test_pairs_serialize_to_the_bytes_of_the_format(vector: Vector) -> None:
    """Guests parse these bytes with code that we do not control."""
    assert encode_pairs(pairs(vector)) == octets(vector)


@pytest.mark.parametrize("vector", PAIRS["encode"] + PAIRS["decode"], ids=fact)
def test_bytes_of_the_format_give_the_pairs(vector: Vector) -> None:
    """The three forms of an empty map are all in use among SDKs and hosts."""
    assert decode_pairs(octets(vector)) == pairs(vector)


@pytest.mark.parametrize("vector", PAIRS["malformed"], ids=fact)
def test_malformed_bytes_are_refused_with_the_place(vector: Vector) -> None:
    """Envoy silently takes them for an empty list, which drops headers; we tell the guest."""
    with pytest.raises(PairsError, match=vector["says"]):
        decode_pairs(octets(vector))


def test_a_map_of_exactly_the_limits_is_accepted() -> None:
    """Limits are the last allowed number."""
    items = [(b"n", b"v")] * 1024
    data = encode_pairs(items)
    assert decode_pairs(data, max_bytes=len(data)) == items


def test_a_map_longer_than_the_limit_is_refused_before_it_is_read() -> None:
    """The length is known before any byte is copied out of the guest."""
    with pytest.raises(PairsError, match="1048577 bytes, more than the limit of 1048576"):
        decode_pairs(b"\x00" * (1024 * 1024 + 1))


def test_limits_are_the_callers_choice() -> None:
    """A host may configure both."""
    items = [(b"n", b"v")] * 1025
    assert decode_pairs(encode_pairs(items), max_count=1025) == items
    with pytest.raises(PairsError, match="limit of 4"):
        decode_pairs(encode_pairs(items[:1]), max_bytes=4)


def test_serializing_has_no_limit_on_the_count() -> None:
    """A request's headers were bounded when they came in; a guest gets all of them."""
    assert encode_pairs([(b"n", b"v")] * 2000)[:4] == bytes.fromhex("d0070000")


def test_sizes_that_do_not_fit_the_format_are_refused() -> None:
    """A size is a u32; no test has 4 GiB to spare, so the length is a claim."""

    class Huge(bytes):
        def __len__(self) -> int:
            return 2**32

    with pytest.raises(PairsError, match="longer than that"):
        encode_pairs([(b"name", Huge())])


@pytest.mark.parametrize("vector", PATHS["join"], ids=fact)
def test_segments_join_to_a_path(vector: Vector) -> None:
    """The form in which guests send paths."""
    assert join_path([segment.encode() for segment in vector["segments"]]) == octets(vector)


@pytest.mark.parametrize("vector", PATHS["join"] + PATHS["split"], ids=fact)
def test_a_path_splits_into_segments(vector: Vector) -> None:
    """Any bytes are a path: what names nothing is NOT_FOUND later, never a fault here."""
    assert split_path(octets(vector)) == tuple(segment.encode() for segment in vector["segments"])


@pytest.mark.parametrize("segments", [[b""], [b"a", b""], [b"a\x00b"]])
def test_segments_that_would_not_come_back_are_refused(segments: list[bytes]) -> None:
    """A NUL or an empty segment would name another property."""
    with pytest.raises(PairsError, match="segment"):
        join_path(segments)
