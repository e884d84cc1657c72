"""Python modules loaded by their file, under names of their own: files of one name in two folders are two modules."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def load_module(file: Path, *, is_pinned: bool = False) -> ModuleType:
    """Return the module of a file, the one of before where the file says the same, or where it `is_pinned`.

    Raises ImportError, whatever the module does instead.
    """
    try:
        source = b"" if is_pinned else file.read_bytes()
    except OSError as error:
        raise ImportError(f"{file}: {error.strerror or error}") from error
    digest = hashlib.sha256(bytes(file.absolute()) + b"\0" + source).hexdigest()[:32]
    name = f"sluiceway_file_{digest}"
    if (known := sys.modules.get(name)) is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: is no file in Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as import does: pickle and dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ImportError(f"{file} cannot be imported: {error!r}") from error
    return module
