"""The C core's header maps: their Python face, and their codec against the reference of `abi`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abi import PairsError, decode_pairs, encode_pairs
from host._core import ffi, lib
from host.headers import HeaderMap

PAIRS = json.loads((Path(__file__).parents[2] / "testdata/vectors/pairs.json").read_text())


def written(fields: HeaderMap) -> bytes:
    """What the core makes of a map for a guest."""
    size = lib.sw_headers_pairs_size(fields.pointer)
    out = ffi.new("char[]", size + 1)
    lib.sw_headers_pairs_write(fields.pointer, out)
    assert out[size] == b"\0", "written beyond its size"
    return bytes(ffi.buffer(out, size))


def read(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """What the core makes of a guest's bytes; None: malformed."""
    fields = HeaderMap()
    result = lib.sw_headers_set_pairs(fields.pointer, data, len(data))
    assert result in (0, -2)
    return fields.items() if result == 0 else None


def reference(data: bytes) -> list[tuple[bytes, bytes]] | None:
    try:
        return [(name.lower(), value) for name, value in decode_pairs(data)]
    except PairsError:
        return None


@pytest.mark.parametrize(
    "vector", [*PAIRS["encode"], *PAIRS["decode"], *PAIRS["malformed"]], ids=lambda v: str(v["fact"])
)
def test_the_codec_does_with_the_vectors_what_the_reference_does(vector: dict[str, Any]) -> None:
    """A pure-Python codec is the oracle."""
    data = bytes.fromhex(vector["bytes"])
    assert read(data) == reference(data)


names = st.binary(max_size=12)
pairs = st.lists(st.tuples(names, st.binary(max_size=40)), max_size=20)


@given(pairs)
def test_any_map_is_written_as_the_reference_writes_it(fields: list[tuple[bytes, bytes]]) -> None:
    """But that names are lower-case in a map."""
    lowered = [(name.lower(), value) for name, value in fields]
    assert written(HeaderMap(fields)) == encode_pairs(lowered)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_the_reference_reads_them(data: bytes) -> None:
    """Or refused by both."""
    assert read(data) == reference(data)


@given(pairs, st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_damaged_maps_are_read_as_the_reference_reads_them(
    fields: list[tuple[bytes, bytes]], at: int, damage: bytes
) -> None:
    """Most random bytes fail at the first number: these fail deeper."""
    data = bytearray(encode_pairs(fields))
    data[at : at + len(damage)] = damage
    assert read(bytes(data)) == reference(bytes(data))


@pytest.mark.parametrize("count", [1023, 1024, 1025])
def test_the_limit_of_pairs_is_the_references(count: int) -> None:
    """The last allowed number is allowed."""
    data = encode_pairs([(b"n", b"v")] * count)
    assert read(data) == reference(data)
    assert (read(data) is None) == (count > 1024)


def test_the_limit_of_bytes_is_the_references() -> None:
    """A MiB in all."""
    for size in ((1 << 20) - 15, (1 << 20) - 14):
        data = encode_pairs([(b"n", b"v" * size)])
        assert read(data) == reference(data)


def test_names_are_lower_case_and_found_in_any() -> None:
    """As HTTP/2 has them."""
    fields = HeaderMap([(b"X-Mixed", b"1"), (b"x-mixed", b"2")])
    assert fields.items() == [(b"x-mixed", b"1"), (b"x-mixed", b"2")]
    assert fields.get(b"X-MIXED") == b"1"
    assert fields.get_all(b"x-Mixed") == [b"1", b"2"]
    assert b"x-mixed" in fields
    assert fields.get(b"x-other", b"default") == b"default"


def test_set_leaves_one_field_at_the_place_of_the_first() -> None:
    """Whether the new value is shorter or longer."""
    for value in (b"", b"s", b"longer than any before"):
        fields = HeaderMap([(b"a", b"11"), (b"b", b"2"), (b"a", b"3")])
        fields.set(b"A", value)
        assert fields.items() == [(b"a", value), (b"b", b"2")]


def test_remove_takes_all_fields_of_a_name() -> None:
    """And says how many."""
    fields = HeaderMap([(b"a", b"1"), (b"b", b"2"), (b"A", b"3")])
    assert fields.remove(b"a") == 2
    assert fields.remove(b"a") == 0
    assert fields == [(b"b", b"2")]
    fields.clear()
    assert len(fields) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "set", "remove"]),
            st.sampled_from([b"a", b"B", b"cc", b""]),
            st.binary(max_size=60),
        ),
        max_size=60,
    )
)
def test_a_map_does_what_a_list_of_pairs_does(operations: list[tuple[str, bytes, bytes]]) -> None:
    """The model: an ordered list with lower-case names."""
    fields, model = HeaderMap(), []
    for operation, name, value in operations:
        lower = name.lower()
        at = next((index for index, field in enumerate(model) if field[0] == lower), None)
        if operation == "add":
            fields.add(name, value)
            model.append((lower, value))
        elif operation == "remove":
            fields.remove(name)
            model = [field for field in model if field[0] != lower]
        elif at is None:
            fields.set(name, value)
            model.append((lower, value))
        else:
            fields.set(name, value)
            model = [
                (lower, value) if index == at else field
                for index, field in enumerate(model)
                if index == at or field[0] != lower
            ]
    assert fields.items() == model


def test_a_map_has_a_limit_and_stays_as_it_was() -> None:
    """16 MiB; what is removed makes room again."""
    fields = HeaderMap()
    block = b"v" * (1 << 20)
    for index in range(15):
        fields.add(b"n%d" % index, block)
    with pytest.raises(MemoryError, match="over its limit"):
        fields.add(b"last", block + block)
    assert len(fields) == 15
    fields.remove(b"n0")
    fields.add(b"last", block)
    assert fields.get(b"last") == block
