"""The reader of modules, on bytes assembled by hand."""

import pytest

from abi import AbiVersion, ExternKind, FunctionType, Limits, Toolchain, ValueType, WasmFile, WasmFileError

I32, I64 = ValueType.I32, ValueType.I64
HEADER = b"\x00asm\x01\x00\x00\x00"


def text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def vector(*items: bytes) -> bytes:
    return bytes([len(items)]) + b"".join(items)


def section(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number, len(content)]) + content


def custom(name: str, content: bytes) -> bytes:
    return section(0, text(name) + content)


def module(*sections: bytes) -> bytes:
    return HEADER + b"".join(sections)


VOID = b"\x60\x00\x00"
I32_TO_I32 = b"\x60\x01\x7f\x01\x7f"
TYPES = section(1, vector(VOID, I32_TO_I32, b"\x60\x02\x7f\x7e\x00"))
BODY = b"\x02\x00\x0b"


def exporting(*names: str) -> bytes:
    """A module with one function of type () -> () exported under each of `names`."""
    return module(
        TYPES,
        section(3, vector(b"\x00")),
        section(7, vector(*(text(name) + b"\x00\x00" for name in names))),
        section(10, vector(BODY)),
    )


def test_the_empty_module_has_nothing() -> None:
    """Eight bytes are a module."""
    file = WasmFile.parse(HEADER)
    assert (file.size, file.imports, file.functions, file.memories, file.exports) == (8, (), (), (), {})
    assert (file.start, file.data_count, file.custom_sections) == (None, None, ())
    assert (file.abi_version, file.toolchain, file.module_name) == (None, None, None)


def test_imports_come_with_module_name_kind_and_type() -> None:
    """All five kinds, in the order of the file."""
    file = WasmFile.parse(
        module(
            TYPES,
            section(
                2,
                vector(
                    text("env") + text("f") + b"\x00\x02",
                    text("env") + text("t") + b"\x01\x70\x01\x01\x05",
                    text("env") + text("m") + b"\x02\x00\x02",
                    text("env") + text("g") + b"\x03\x7f\x01",
                    text("env") + text("e") + b"\x04\x00\x00",
                ),
            ),
        )
    )
    assert [(row.module, row.name, row.kind, row.type) for row in file.imports] == [
        ("env", "f", ExternKind.FUNCTION, FunctionType((I32, I64))),
        ("env", "t", ExternKind.TABLE, Limits(1, 5)),
        ("env", "m", ExternKind.MEMORY, Limits(2)),
        ("env", "g", ExternKind.GLOBAL, I32),
        ("env", "e", ExternKind.TAG, FunctionType()),
    ]
    assert file.functions == (FunctionType((I32, I64)),)
    assert file.memories == (Limits(2),)


def test_exports_count_imported_functions_first() -> None:
    """Index 1 is the module's own first function when one is imported."""
    file = WasmFile.parse(
        module(
            TYPES,
            section(2, vector(text("env") + text("f") + b"\x00\x02")),
            section(3, vector(b"\x01", b"\x00")),
            section(5, vector(b"\x01\x02\x04")),
            section(
                7, vector(text("memory") + b"\x02\x00", text("malloc") + b"\x00\x01", text("f") + b"\x00\x00")
            ),
            section(8, b"\x02"),
            section(10, vector(BODY, BODY)),
        )
    )
    assert list(file.exports) == ["memory", "malloc", "f"]
    assert file.exported_function("malloc") == FunctionType((I32,), (I32,))
    assert file.exported_function("f") == FunctionType((I32, I64))
    assert file.exported_function("memory") is None
    assert file.exported_function("absent") is None
    assert file.exports["memory"].kind is ExternKind.MEMORY
    assert file.memories == (Limits(2, 4),)
    assert file.start == 2


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (b"\x00\x02", Limits(2)),
        (b"\x01\x02\x80\x02", Limits(2, 256)),
        (b"\x03\x01\x01", Limits(1, 1, shared=True)),
        (b"\x04\x80\x80\x80\x80\x10", Limits(2**32, index64=True)),
        (b"\x08\x05\x00", Limits(5, page_size=1)),
    ],
)
def test_memory_limits(limits: bytes, expected: Limits) -> None:
    """The core format, and what the threads, memory64 and page-size proposals add."""
    assert WasmFile.parse(module(section(5, vector(limits)))).memories == (expected,)


@pytest.mark.parametrize(
    ("exports", "version"),
    [
        (["proxy_abi_version_0_1_0"], AbiVersion.V0_1_0),
        (["proxy_abi_version_0_2_0"], AbiVersion.V0_2_0),
        (["_start", "proxy_abi_version_0_2_1"], AbiVersion.V0_2_1),
        (["proxy_abi_version_0_2_1", "proxy_abi_version_0_1_0"], AbiVersion.V0_2_1),
        (["proxy_abi_version_0_9_0", "proxy_abi_version_0_1_0"], AbiVersion.V0_1_0),
        (["proxy_abi_version_0_x_x"], None),
        (["_start"], None),
    ],
)
def test_the_first_known_marker_declares_the_version(exports: list[str], version: AbiVersion | None) -> None:
    """Envoy scans the exports in order, too."""
    assert WasmFile.parse(exporting(*exports)).abi_version is version


def test_unknown_markers_are_listed_for_the_error_text() -> None:
    """Who builds for an unreleased version should read which one was found."""
    assert WasmFile.parse(exporting("proxy_abi_version_0_x_x")).abi_markers == ("proxy_abi_version_0_x_x",)


def test_a_marker_that_is_no_function_does_not_count() -> None:
    """A memory under that name declares nothing."""
    data = module(
        section(5, vector(b"\x00\x01")), section(7, vector(text("proxy_abi_version_0_2_1") + b"\x02\x00"))
    )
    assert WasmFile.parse(data).abi_version is None


def test_names_and_producers_are_read_from_custom_sections() -> None:
    """Backtraces and `inspect` show them."""
    names = b"\x00\x05" + text("main") + b"\x01\x0c" + vector(b"\x00" + text("run"), b"\x03" + text("stop"))
    signed = vector(text("processed-by") + vector(text("rustc") + text("1.90.0")))
    file = WasmFile.parse(module(custom("name", names), custom("producers", signed), custom("x", b"")))
    assert file.module_name == "main"
    assert file.function_names == {0: "run", 3: "stop"}
    assert file.producers == {"processed-by": {"rustc": "1.90.0"}}
    assert file.toolchain == Toolchain("Rust", "1.90.0")
    assert [name for name, _ in file.custom_sections] == ["name", "producers", "x"]


@pytest.mark.parametrize(
    "content", [b"\x01", b"\x01\x7f", b"\x01\x02\x05\x00", b"\x01\x04\x01\x00\x01\xff", b"\xff"]
)
def test_a_damaged_name_section_is_left_out(content: bytes) -> None:
    """By the specification damage to a custom section leaves the module well-formed."""
    file = WasmFile.parse(module(custom("name", content), custom("producers", content)))
    assert (file.function_names, file.module_name) == ({}, None)


@pytest.mark.parametrize(
    ("content", "read"),
    [
        (b"\xff", {}),
        (b"\x02" + text("sdk") + b"\x00\x05x", {"sdk": {}}),
        (b"\x01" + text("sdk") + b"\x02" + text("a") + text("1") + b"\x09", {"sdk": {"a": "1"}}),
    ],
)
def test_a_damaged_producers_section_is_read_up_to_the_damage(
    content: bytes, read: dict[str, dict[str, str]]
) -> None:
    """What it says before is still of use in a message."""
    assert WasmFile.parse(module(custom("producers", content))).producers == read


@pytest.mark.parametrize(
    ("toolchain", "shown"), [(Toolchain("Go"), "Go"), (Toolchain("TinyGo", "0.39.0"), "TinyGo 0.39.0")]
)
def test_toolchains_are_shown_with_the_version_where_known(toolchain: Toolchain, shown: str) -> None:
    """As `inspect` prints them."""
    assert str(toolchain) == shown


def test_data_segments_are_counted_with_and_without_announcement() -> None:
    """The data count section is optional."""
    segments = section(11, vector(b"\x01\x00", b"\x01\x00"))
    assert WasmFile.parse(module(segments)).data_count == 2
    assert WasmFile.parse(module(section(12, b"\x02"), segments)).data_count == 2


def producers(*names: str) -> bytes:
    return custom(
        "producers", vector(text("processed-by") + vector(*(text(name) + text("1.2") for name in names)))
    )


@pytest.mark.parametrize(
    ("data", "toolchain"),
    [
        (module(producers("Debian clang", "TinyGo")), Toolchain("TinyGo", "1.2")),
        (module(producers("Go cmd/compile")), Toolchain("Go", "1.2")),
        (module(producers("clang", "rustc")), Toolchain("Rust", "1.2")),
        (module(producers("clang")), Toolchain("Clang", "1.2")),
        (module(custom("go:buildid", b"")), Toolchain("Go")),
        (exporting("__pin"), Toolchain("AssemblyScript")),
        (exporting("emscripten_stack_init"), Toolchain("Emscripten")),
        (module(custom("name", b"\x01\x0d" + vector(b"\x00" + text("tinygo_abc")))), Toolchain("TinyGo")),
        (exporting("_start"), None),
    ],
)
def test_toolchain_is_guessed_from_the_surest_sign(data: bytes, toolchain: Toolchain | None) -> None:
    """Errors say how to rebuild with the compiler in question."""
    assert WasmFile.parse(data).toolchain == toolchain


@pytest.mark.parametrize(
    ("data", "section_name", "offset", "says"),
    [
        (b"", "header", 0, "begins with"),
        (b"foo", "header", 0, "begins with"),
        (b"\n  (module)", "header", 0, "wat2wasm"),
        (b"\x00asm", "header", 4, "unknown version"),
        (b"\x00asm\x02\x00\x00\x00", "header", 4, "unknown version"),
        (b"\x00asm\x0d\x00\x01\x00", "header", 4, "component"),
        (HEADER + b"\x01", "type", 9, "ends too early"),
        (HEADER + b"\x01\x05\x00", "type", 10, "5 bytes declared, 1 there"),
        (HEADER + b"\x01\xff\xff\xff\xff\x1f", "type", 9, "does not fit 32 bits"),
        (HEADER + b"\x01\x80\x80\x80\x80\x80\x00", "type", 9, "takes more bytes"),
        (HEADER + b"\x0e\x00", "unknown 14", 8, "no such section"),
        (module(TYPES, TYPES), "type", 24, "comes twice"),
        (module(section(5, b"\x00"), section(2, b"\x00")), "import", 11, "out of order"),
        (module(section(1, b"\xff\xff\xff\xff\x0f")), "type", 10, "4294967295 elements declared"),
        (module(section(1, b"\x01\x5f\x00")), "type", 11, "no function type"),
        (module(section(1, b"\x01\x60\x01\x42\x00")), "type", 13, "unknown value type 0x42"),
        (module(section(1, b"\x00\x00")), "type", 11, "1 bytes too many"),
        (module(section(2, b"\x01\x01a\x01b\x05\x00")), "import", 15, "unknown kind 0x05"),
        (module(section(2, b"\x01\x01a\x01b\x00\x00")), "import", 16, "type 0 where there are 0"),
        (module(section(2, b"\x01\x01\xff\x01b\x00\x00")), "import", 11, "not UTF-8"),
        (module(section(5, b"\x01\x10\x00")), "memory", 11, "unknown limits"),
        (module(section(5, b"\x01\x01\x02\x01")), "memory", 11, "below the minimum"),
        (module(section(5, b"\x01\x08\x00\x40")), "memory", 11, "page size"),
        (module(section(7, b"\x01\x01a\x00\x00")), "export", 14, "function 0 where there are 0"),
        (module(section(7, b"\x02\x01a\x02\x00\x01a\x02\x00")), "export", 15, "exported twice"),
        (module(section(8, b"\x00")), "start", 10, "function 0 where there are 0"),
        (module(TYPES, section(3, b"\x01\x00")), "function", 28, "1 functions declared, 0 bodies"),
        (module(section(10, vector(BODY))), "code", 14, "0 functions declared, 1 bodies"),
        (module(TYPES, section(3, b"\x01\x00"), section(10, b"\x01\x09")), "code", 32, "9 bytes declared"),
        (module(section(12, b"\x02"), section(11, b"\x00")), "data", 13, "0 segments, 2 announced"),
        (module(section(0, b"")), "custom", 10, "ends too early"),
        (module(section(0, b"\x05a")), "custom", 11, "5 bytes declared"),
    ],
)
def test_what_is_no_module_is_refused_by_section_and_offset(
    data: bytes, section_name: str, offset: int, says: str
) -> None:
    """The error tells where in the file to look."""
    with pytest.raises(WasmFileError, match=says) as caught:
        WasmFile.parse(data)
    assert (caught.value.section, caught.value.offset) == (section_name, offset)
    assert f"{section_name} section, offset 0x{offset:x}: " in str(caught.value)


def test_every_truncation_of_a_module_is_refused_or_shorter() -> None:
    """A half-copied file ends between two sections, where it is a module, or is an error."""
    data = module(TYPES, section(5, vector(b"\x00\x01")), custom("x", b"abc"))
    ends = {len(HEADER), len(HEADER + TYPES), len(data) - 7, len(data)}
    for length in range(len(data)):
        if length in ends:
            assert WasmFile.parse(data[:length]).size == length
        else:
            with pytest.raises(WasmFileError):
                WasmFile.parse(data[:length])
