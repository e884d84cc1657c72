"""The reader and the tables on the guests in testdata/plugins, which real compilers made."""

from pathlib import Path

import pytest

from abi import ALLOCATORS, CALLBACKS_BY_NAME, AbiVersion, ExternKind, FunctionType, WasmFile, import_faults

PLUGINS = Path(__file__).parents[2] / "testdata" / "plugins"


@pytest.fixture(params=sorted(PLUGINS.glob("*/plugin.wasm")), ids=lambda path: path.parent.name)
def plugin(request: pytest.FixtureRequest) -> WasmFile:
    path: Path = request.param
    return WasmFile.parse(path.read_bytes())


def test_all_imports_link(plugin: WasmFile) -> None:
    """Whatever a compiler imports for these is in the tables, with its type."""
    assert [str(fault) for fault in import_faults(plugin)] == []


def test_exported_callbacks_have_the_types_of_the_table(plugin: WasmFile) -> None:
    """A wrong row would make the host take the export for absent."""
    wrong = {
        name: str(type)
        for name, row in CALLBACKS_BY_NAME.items()
        if (type := plugin.exported_function(name)) and not row.accepts(type)
    }
    assert wrong == {}


def test_exports_named_like_callbacks_are_in_the_table(plugin: WasmFile) -> None:
    """SDKs export what they know; a name we lack is one that we never call."""
    functions = [name for name, row in plugin.exports.items() if row.kind is ExternKind.FUNCTION]
    callbacks = {name for name in functions if name.startswith(("proxy_", "envoy_"))}
    assert callbacks - set(CALLBACKS_BY_NAME) - set(plugin.abi_markers) == set()


def test_the_article_plugin_is_read_whole() -> None:
    """One file whose answers are known from its build line."""
    file = WasmFile.parse((PLUGINS / "custom_response_header" / "plugin.wasm").read_bytes())
    assert file.abi_version is AbiVersion.V0_2_0
    assert file.toolchain is not None
    assert file.toolchain.name == "TinyGo"
    assert len(file.memories) == 1
    assert any(file.exported_function(name) for name in ALLOCATORS)
    assert file.exported_function("_start") == FunctionType()
    assert file.start is None
