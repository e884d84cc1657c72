"""What a plugin was written for, and which Go modules stand in for that."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.building.imports import imports_of
from host.errors import HostError

SHIMS: Final = Path(__file__).parent / "go-modules"
"""The modules that stand in for those of other systems."""


class Kind(enum.Enum):
    """A system that runs plugins in Go."""

    PROXY_WASM = "proxy-wasm"
    APISIX = "apisix"
    KONG = "kong"
    TYK = "tyk"


@dataclass(frozen=True, slots=True)
class Shim:
    """A module in `go-modules`: its import path, its folder, and the version that a plugin without one requires."""

    module: str
    folder: str
    version: str = "v0.0.0"


SDKS: Final = ("github.com/proxy-wasm/proxy-wasm-go-sdk", "github.com/tetratelabs/proxy-wasm-go-sdk")
"""Import paths of the Proxy-Wasm SDK, today's first."""

SHIM_OF: Final = {
    Kind.PROXY_WASM: Shim(SDKS[1], "tetratelabs"),
    Kind.APISIX: Shim("github.com/apache/apisix-go-plugin-runner", "apisix", "v0.5.0"),
    Kind.KONG: Shim("github.com/Kong/go-pdk", "kong", "v0.11.2"),
    Kind.TYK: Shim("github.com/TykTechnologies/tyk", "tyk"),
}
"""The module that stands in for each system's; for Proxy-Wasm, for the SDK before it moved, which is TinyGo's alone."""

_RUNTIME: Final = (Shim("sluiceway", "sluiceway"), Shim("0sluiceway", "arguments"))


def shims_of(kind: Kind) -> list[Shim]:
    """Return the modules that a plugin of a kind is built with."""
    return [SHIM_OF[kind], *(_RUNTIME if kind is not Kind.PROXY_WASM else ())]


@dataclass(frozen=True, slots=True)
class Source:
    """A package main: a folder, or one file of it (`file` is its name)."""

    folder: Path
    file: str = ""

    @classmethod
    def at(cls, path: Path) -> Source:
        """Return the package at a path. Raises HostError where there is none."""
        path = path.absolute()
        if path.is_dir():
            source = cls(path)
        elif path.suffix == ".go" and path.is_file():
            source = cls(path.parent, path.name)
        else:
            raise HostError(f"{path} is neither a folder nor a .go file")
        if not source.files:
            raise HostError(f"{path} has no .go files: give the folder of the plugin's package main")
        return source

    @property
    def files(self) -> list[Path]:
        """The Go files, tests left out."""
        if self.file:
            return [self.folder / self.file]
        return sorted(path for path in self.folder.glob("*.go") if not path.name.endswith("_test.go"))

    @property
    def name(self) -> str:
        """A name for the plugin."""
        return self.file.removesuffix(".go") or self.folder.name

    def imports(self) -> set[str]:
        """Return what the package imports; packages of the plugin's own are not looked into."""
        return set[str]().union(*map(imports_of, self.files))


def detect(source: Source, inner: Iterable[Path] = ()) -> Kind:
    """Return what a plugin was written for, by what it imports; `inner`: further files of its module.

    Raises HostError where that says nothing, or more than one thing.
    """
    imports = source.imports()
    kinds = _kinds(imports)
    if not kinds:
        # A main that imports the packages with the plugins in them, as APISIX's runner has it.
        kinds = _kinds(set[str]().union(*map(imports_of, inner)))
    if not kinds and "net/http" in imports:
        kinds = {Kind.TYK}  # handlers of net/http are all that Tyk asks for
    if len(kinds) == 1:
        return kinds.pop()
    found = " and of ".join(sorted(kind.value for kind in kinds))
    modules = [SDKS[0], *(shim.module for kind, shim in SHIM_OF.items() if kind is not Kind.PROXY_WASM)]
    known = ", ".join([*modules, "net/http (handlers, for Tyk)"])
    wrong = f"imports packages of {found}" if found else f"imports none of {known}"
    raise HostError(f"{source.folder / source.file} {wrong}: say which by --kind")


def check_packages(source: Source, kind: Kind) -> None:
    """Raise HostError where a plugin imports a package of the other system's that nothing stands in for."""
    shim = SHIM_OF[kind]
    folder = SHIMS / shim.folder
    for path in sorted(source.imports()):
        if _imports_module({path}, shim.module) and not any(
            (folder / path[len(shim.module) + 1 :]).glob("*.go")
        ):
            there = sorted({str(file.parent.relative_to(folder)) for file in folder.rglob("*.go")} - {"."})
            listed = ", ".join(name for name in there if not name.startswith(("internal", "sluiceway")))
            raise HostError(
                f"{source.folder / source.file} imports {path}, which is not there; there are: {listed}; "
                "packages of the plugin's own belong into a module of its own"
            )


def _kinds(imports: set[str]) -> set[Kind]:
    found = {kind for kind, shim in SHIM_OF.items() if _imports_module(imports, shim.module)}
    if _imports_module(imports, SDKS[0]):
        found.add(Kind.PROXY_WASM)
    # The SDK beside another system's packages is that plugin's own affair.
    return found - {Kind.PROXY_WASM} or found


def _imports_module(imports: set[str], module: str) -> bool:
    return any(path == module or path.startswith(f"{module}/") for path in imports)
