"""The reader of modules: any bytes are a `WasmFile` or a `WasmFileError`, soon."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abi import WasmFile, WasmFileError, import_faults

PLUGINS = sorted((Path(__file__).parents[2] / "testdata" / "plugins").glob("*/plugin.wasm"))
HEADER = b"\x00asm\x01\x00\x00\x00"


def leb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


SECTION = st.builds(
    lambda number, content: bytes([number]) + leb(len(content)) + content,
    st.integers(0, 14),
    st.one_of(
        st.binary(max_size=60),
        # Small numbers make well-formed content likely enough to get deep into a section.
        st.lists(st.sampled_from([0, 1, 2, 3, 0x60, 0x7F, 0x7E, 0x61, 0xFF]), max_size=40).map(bytes),
    ),
)
MODULES = st.lists(SECTION, max_size=8).map(lambda sections: HEADER + b"".join(sections))


def read(data: bytes) -> None:
    """Read all there is of a module; only `WasmFileError` is caught."""
    try:
        file = WasmFile.parse(data)
    except WasmFileError:
        return
    assert file.size == len(data)
    assert all(export.type in (None, *file.functions) for export in file.exports.values())
    _ = (file.abi_version, file.module_name, file.function_names, file.producers, file.toolchain)
    _ = [str(fault) for fault in import_faults(file)]


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(HEADER.__add__), MODULES))
def test_any_bytes_are_a_module_or_an_error(data: bytes) -> None:
    """A bad download or upload must be a message, not a crash."""
    read(data)


@pytest.mark.parametrize("path", PLUGINS[:3], ids=lambda path: path.parent.name)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_plugin_is_a_module_or_an_error(path: Path, data: st.DataObject) -> None:
    """A few bytes changed, a piece cut out or the end missing."""
    content = bytearray(path.read_bytes())
    # Most of a module is code and data, which are passed over: aim at the head as often as at the rest.
    place = st.one_of(st.integers(0, 4096), st.integers(0, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        content[min(data.draw(place), len(content) - 1)] = data.draw(st.integers(0, 255))
    start = data.draw(place)
    del content[start : start + data.draw(st.sampled_from([0, 0, 1, 100, len(content)]))]
    read(bytes(content))
