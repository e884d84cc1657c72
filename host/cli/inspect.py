"""`sluiceway inspect`: what a `.wasm` file says about itself, and whether it can run here. No engine is started."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from abi.callbacks import ALLOCATORS, CALLBACKS, CALLBACKS_BY_NAME, Source
from abi.hostcalls import HOSTCALLS_BY_NAME, MODULE
from abi.imports import host_function, import_faults, is_stub
from abi.types import AbiVersion
from abi.wasi import MODULES as WASI_MODULES
from abi.wasi import WASI_FUNCTIONS_BY_NAME
from abi.wasmfile import Export, ExternKind, Import, Limits, WasmFile, WasmFileError
from host.errors import HostError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

UNIMPLEMENTED: Final = frozenset({"dns"})
"""Subjects of host calls that link and answer UNIMPLEMENTED."""

MAX_FILE_SIZE: Final = 256 * 1024 * 1024
"""Bytes of a file that is read: the largest plugins known are some tens of megabytes."""


def add_to(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "inspect",
        help="show what a plugin needs and whether it can run here",
        description="Show the ABI version, toolchain, imports by subject, callbacks, memory and size of PLUGIN.wasm. "
        "Exit status 1 if it cannot run here.",
        epilog="examples:\n  sluiceway inspect plugin.wasm\n  sluiceway inspect plugin.wasm --json | jq .faults",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("plugin", metavar="PLUGIN.wasm", type=Path)
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of a table")
    parser.set_defaults(command=_inspect)


def _inspect(options: argparse.Namespace) -> int:
    report = describe(_read(options.plugin))
    if options.json:
        print(json.dumps({"file": str(options.plugin), **report}, indent=2, ensure_ascii=False))
    else:
        print(f"{options.plugin}\n" + "\n".join(_table(report)))
    return 1 if report["faults"] else 0


def _read(path: Path) -> WasmFile:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_FILE_SIZE:
        raise HostError(f"{path} has more than {MAX_FILE_SIZE} bytes")
    try:
        return WasmFile.parse(data)
    except WasmFileError as error:
        raise HostError(f"{path} is no module: {error}") from None


def describe(file: WasmFile) -> dict[str, Any]:
    """Return the report, made of what JSON can hold.

    `imports`: by subject, names with what happens to each (`served`, `unimplemented`, `unknown`: answered
    UNIMPLEMENTED, `fault`: does not link). `faults`: each a reason why the module does not load here.
    """
    version = file.abi_version
    return {
        "abi_version": None if version is None else version.text,
        "toolchain": None if file.toolchain is None else str(file.toolchain),
        "module_name": file.module_name,
        "size": file.size,
        "memory": [_memory(limits) for limits in file.memories],
        "imports": _imports(file),
        "callbacks": [export.name for export in _callbacks(file)],
        "allocator": next((name for name in ALLOCATORS if file.exported_function(name)), None),
        "faults": [*_faults(file)],
    }


def _memory(limits: Limits) -> dict[str, int | None]:
    maximum = None if limits.maximum is None else limits.maximum * limits.page_size
    return {"minimum": limits.minimum * limits.page_size, "maximum": maximum}


def _imports(file: WasmFile) -> dict[str, dict[str, str]]:
    faults = {fault.imported for fault in import_faults(file)}
    subjects: dict[str, dict[str, str]] = {}
    for imported in file.imports:
        subject, state = _subject(imported)
        subjects.setdefault(subject, {})[imported.name] = "fault" if imported in faults else state
    return dict(sorted(subjects.items()))


def _subject(imported: Import) -> tuple[str, str]:
    """Return the subject that an import belongs to, and what a call of it meets if it links."""
    if host_function(imported.module, imported.name) is None:
        return (MODULE, "unknown") if is_stub(imported.module, imported.name) else (imported.module, "fault")
    if imported.module in WASI_MODULES:
        return "wasi", "served" if WASI_FUNCTIONS_BY_NAME[imported.name].served else "unimplemented"
    subject = HOSTCALLS_BY_NAME[imported.name].subject
    return subject, "unimplemented" if subject in UNIMPLEMENTED else "served"


def _callbacks(file: WasmFile) -> Iterator[Export]:
    """Yield the exports that the host calls, allocators apart, in the order of the table."""
    for callback in CALLBACKS:
        export = file.exports.get(callback.name)
        if export is None or export.kind is not ExternKind.FUNCTION or callback.source is Source.SDK:
            continue
        if callback.name not in ALLOCATORS:
            yield export


def _faults(file: WasmFile) -> Iterator[str]:
    if file.abi_version is None:
        known = ", ".join(version.marker for version in AbiVersion)
        found = ", ".join(file.abi_markers)
        yield f"no known ABI version: exports {found or 'no marker'}, expected one of {known}"
    if not file.memories:
        yield "no memory: a plugin exports one as 'memory'"
    for fault in import_faults(file):
        yield f"import {fault}"
    for name, export in file.exports.items():
        callback = CALLBACKS_BY_NAME.get(name)
        if callback is not None and export.type is not None and not callback.accepts(export.type):
            yield f"export {name} has type {export.type}, which no version of the ABI gives it"


def _table(report: dict[str, Any]) -> Iterator[str]:
    yield f"  ABI version  {report['abi_version'] or 'none'}"
    yield f"  toolchain    {report['toolchain'] or 'unknown'}"
    yield f"  size         {_bytes(report['size'])}"
    for memory in report["memory"]:
        maximum = "no maximum" if memory["maximum"] is None else f"at most {_bytes(memory['maximum'])}"
        yield f"  memory       {_bytes(memory['minimum'])}, {maximum}"
    yield f"  allocator    {report['allocator'] or 'none: host calls that return data fail'}"
    yield f"  callbacks    {len(report['callbacks'])}"
    yield from (f"    {name}" for name in report["callbacks"])
    yield f"  imports      {sum(map(len, report['imports'].values()))}"
    notes = {
        "served": "",
        "unimplemented": "  (answers with an error: not served here)",
        "unknown": "  (no version of the ABI has it: answers UNIMPLEMENTED)",
        "fault": "  (does not link)",
    }
    for subject, names in report["imports"].items():
        yield f"    {subject}"
        yield from (f"      {name}{notes[state]}" for name, state in sorted(names.items()))
    yield "  runs here    " + ("no:" if report["faults"] else "yes")
    yield from (f"    {fault}" for fault in report["faults"])


def _bytes(count: int) -> str:
    """Return a number of bytes as people read it."""
    if count < 10 * 1024:
        return f"{count} bytes"
    return f"{count / 1024:.0f} KiB" if count < 10 * 1024 * 1024 else f"{count / 1024 / 1024:.0f} MiB"
