"""Writes `generated/abi.h`, the tables of `abi` as the C core sees them: numbers, names, and what a call looks like."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

from abi.callbacks import CALLBACKS
from abi.hostcalls import HOSTCALLS
from abi.types import BufferType, LogLevel, MapType, Status, StreamType, WasiErrno
from abi.wasi import WASI_FUNCTIONS


def _constant(name: str) -> str:
    return "SW_" + name.strip("_").upper()


def _enum(members: type[IntEnum], prefix: str = "") -> str:
    return "enum {" + ", ".join(f"SW_{prefix}{member.name} = {member.value}" for member in members) + "};"


def _numbers(names: Iterable[str], prefix: str, count: str) -> list[str]:
    rows = [f"    {prefix}{name.strip('_').upper()} = {number}," for number, name in enumerate(names)]
    return ["enum {", *rows, f"    {count} = {len(rows)}", "};"]


def header() -> str:
    """Return the text of the header."""
    lines = [
        "/* Made from the tables of `abi` by generate.py: do not edit. */",
        "#pragma once",
        "#include <stdint.h>",
        "",
        _enum(Status),
        _enum(LogLevel, "LOG_"),
        _enum(BufferType, "BUFFER_"),
        _enum(MapType, "MAP_"),
        _enum(StreamType, "STREAM_"),
        _enum(WasiErrno, "ERRNO_"),
        "",
        *_numbers((row.name for row in CALLBACKS), "SW_", "SW_CALLBACKS"),
        "extern const char *const sw_callback_names[SW_CALLBACKS];",
        "",
        *_numbers((row.name for row in HOSTCALLS), "SW_CALL_", "SW_HOSTCALLS"),
        *_numbers((row.name for row in WASI_FUNCTIONS), "SW_WASI_", "SW_WASI_FUNCTIONS"),
        "/* The errno that a WASI function always answers; -1 where wasi.c serves it. */",
        "extern const int16_t sw_wasi_errno[SW_WASI_FUNCTIONS];",
        "",
    ]
    return "\n".join(lines)


def source() -> str:
    """Return the text of the tables that the header declares."""
    names = ", ".join(f'"{row.name}"' for row in CALLBACKS)
    errnos = ", ".join(str(-1 if row.errno is None else int(row.errno)) for row in WASI_FUNCTIONS)
    return "\n".join(
        [
            "/* Made from the tables of `abi` by generate.py: do not edit. */",
            '#include "abi.h"',
            f"const char *const sw_callback_names[SW_CALLBACKS] = {{{names}}};",
            f"const int16_t sw_wasi_errno[SW_WASI_FUNCTIONS] = {{{errnos}}};",
            "",
        ]
    )


def write(folder: Path) -> None:
    """Write both files where they are not up to date, so that nothing is compiled again for nothing."""
    folder.mkdir(exist_ok=True)
    for name, text in {"abi.h": header(), "abi.c": source()}.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
