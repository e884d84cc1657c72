"""A build's own folder: go.mod, go.sum and the generated file, laid over the plugin's folder, which stays as it is.

Go reads go.mod from here (`-modfile`) and takes the generated file, and a go.mod where the plugin has none, for files
of the plugin's folder (`-overlay`). So its messages name the plugin's own files, and nothing is copied.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from host.building.kinds import SHIMS, Shim, Source
from host.building.toolchain import GO_VERSION, ask
from host.errors import HostError

GENERATED: Final = "zzzz_sluiceway.go"
"""The generated file's name: Go runs the init functions of a package by the names of the files."""

CALLS: Final = "zzzz_sluiceway_calls.go"
"""The name of the one that imports what plugins with clients need."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a build happens. `module_root`: the folder of the plugin's go.mod, or where it would be."""

    folder: Path
    source: Source
    module_root: Path
    go: str
    environment: Mapping[str, str]

    def prepare(self, shims: Sequence[Shim]) -> None:
        """Write go.mod and go.sum: the plugin's, with the stand-ins in place of what they stand for."""
        own = self.module_root / "go.mod"
        for name in ("go.mod", "go.sum"):
            if (self.module_root / name).is_file():
                shutil.copyfile(self.module_root / name, self.folder / name)
        if not own.is_file():
            (self.folder / "go.mod").write_text("module sluiceway.invalid/plugin\n")
        described = json.loads(self._ask("mod", "edit", "-json", "go.mod"))
        self._ask("mod", "edit", *_edits(described, shims), "go.mod")
        _add_sums(self.folder / "go.sum")

    def overlay(self, generated: Mapping[str, str]) -> list[str]:
        """Write generated files, by their names; return the arguments by which Go sees all this."""
        replace: dict[str, str] = {}
        for name, text in generated.items():
            (self.folder / name).write_text(text)
            replace[str(self.source.folder / name)] = str(self.folder / name)
        if not (self.module_root / "go.mod").is_file():
            replace[str(self.module_root / "go.mod")] = str(self.folder / "go.mod")
        overlay = self.folder / "overlay.json"
        overlay.write_text(json.dumps({"Replace": replace}))
        return ["-mod=mod", f"-modfile={self.folder / 'go.mod'}", f"-overlay={overlay}"]

    def packages(self, generated: Iterable[str]) -> list[str]:
        """Return what to name to `go build`, from the plugin's folder."""
        return [self.source.file, *generated] if self.source.file else ["."]

    def _ask(self, *words: str) -> str:
        return ask([self.go, *words], self.folder, self.environment)


def module_root(source: Source) -> Path:
    """Return the folder of the go.mod that a package belongs to; the package's own where there is none."""
    for folder in (source.folder, *source.folder.parents):
        if (folder / "go.mod").is_file():
            return folder
    return source.folder


def _edits(described: dict[str, Any], shims: Sequence[Shim]) -> list[str]:
    """Return the arguments of `go mod edit` by which a module is built against the stand-ins."""
    edits: list[str] = []
    version = described.get("Go") or "1.0"
    if tuple(map(int, version.split(".")[:2])) < GO_VERSION:
        edits.append(f"-go={GO_VERSION[0]}.{GO_VERSION[1]}")
    if described.get("Toolchain"):
        edits.append("-toolchain=none")
    required = {item["Path"] for item in described.get("Require") or ()}
    for shim in shims:
        for item in described.get("Replace") or ():
            old = item["Old"]
            if old["Path"] == shim.module:
                edits.append(
                    f"-dropreplace={old['Path']}" + (f"@{old['Version']}" if old.get("Version") else "")
                )
        if shim.module not in required:
            edits.append(f"-require={shim.module}@{shim.version}")
        edits.append(f"-replace={shim.module}={SHIMS / shim.folder}")
    return edits


def _add_sums(path: Path) -> None:
    """Add the sums of what the stand-ins need, which were taken when they were written."""
    try:
        present = path.read_text().splitlines() if path.exists() else []
        known = (SHIMS / "go.sum").read_text().splitlines()
    except OSError as error:
        raise HostError(f"{error.filename} cannot be read: {error.strerror}") from None
    path.write_text("".join(f"{line}\n" for line in dict.fromkeys([*present, *known])))
