"""Compiled modules on disk, found by their content.

A standard-Go module takes seconds to compile; from here it is back in milliseconds. A file's name holds the key of
what it was compiled from and the digest of its own bytes, so one rename publishes it and a damaged file is noticed.
Compiled code is trusted as the program itself is: a folder that others could write to is not used.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import stat
import tempfile
from pathlib import Path

import wasmtime

from host.wasm.engine import compile_key, engine

log = logging.getLogger("sluiceway.cache")

_LARGE = 2_000_000  # bytes of a module whose compilation is worth a line: somebody waits for it


def default_folder() -> Path:
    """Return `$SLUICEWAY_CACHE`, else `sluiceway/modules` in the user's cache folder (XDG Base Directory)."""
    if named := os.environ.get("SLUICEWAY_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sluiceway" / "modules"


class ModuleCache:
    """A folder of compiled modules. Whatever goes wrong with it costs a compilation and a warning, never a start."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder if folder is not None else default_folder()

    def compile(self, wasm: bytes, *, metered: bool = False) -> wasmtime.Module:
        """Return the module, from the folder or compiled now. Raises wasmtime.WasmtimeError for invalid modules.

        `metered`: for the engine whose guests are given fuel.
        """
        key = f"{hashlib.sha256(wasm).hexdigest()}-{compile_key(metered=metered)}"
        its_engine = engine(metered=metered)
        usable = self._is_usable()
        if usable and (module := self._load(key, its_engine)) is not None:
            return module
        if len(wasm) >= _LARGE:
            log.info("compiling a module of %.1f MB: this takes some seconds, once", len(wasm) / 1e6)
        module = wasmtime.Module(its_engine, wasm)
        if usable:
            self._save(key, module)
        return module

    def _is_usable(self) -> bool:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.stat()
        except OSError as error:
            log.warning("no compile cache: %s; SLUICEWAY_CACHE names another folder", error)
            return False
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            log.warning("no compile cache: %s belongs to, or can be written by, another user", self.folder)
            return False
        return True

    def _load(self, key: str, its_engine: wasmtime.Engine) -> wasmtime.Module | None:
        for path in self.folder.glob(f"{key}-*.cwasm"):
            try:
                if _digest(path) == path.stem.rpartition("-")[2]:
                    return wasmtime.Module.deserialize_file(its_engine, str(path))
                log.warning("compile cache: %s is damaged; compiling again", path.name)
            except (OSError, wasmtime.WasmtimeError) as error:
                log.warning("compile cache: %s cannot be used (%s); compiling again", path.name, error)
            path.unlink(missing_ok=True)
        return None

    def _save(self, key: str, module: wasmtime.Module) -> None:
        code = bytes(module.serialize())
        path = self.folder / f"{key}-{hashlib.sha256(code).hexdigest()}.cwasm"
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
                file.write(code)
            os.replace(file.name, path)
        except OSError as error:
            log.warning("compile cache: %s cannot be written: %s", path.name, error)


def _digest(path: Path) -> str:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()
