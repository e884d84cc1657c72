"""What Go sources import, read without Go: enough to tell what a plugin was written for, before anything is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from host.errors import HostError

MAX_SOURCE_SIZE: Final = 16 * 1024 * 1024
"""Bytes of a source file that is read."""

_SKIPPED: Final = r"(?:\s|;|//[^\n]*(?:\n|\Z)|/\*.*?\*/)*"
"""What may stand between two declarations."""

_PACKAGE: Final = re.compile(_SKIPPED + r"package\s+(\w+)", re.DOTALL)
_IMPORT: Final = re.compile(_SKIPPED + r"import\b" + _SKIPPED, re.DOTALL)
_OPEN: Final = re.compile(r"\(" + _SKIPPED, re.DOTALL)
_CLOSE: Final = re.compile(r"\)")
_SPECIFICATION: Final = re.compile(r"(?:[\w.]+\s+)?(?:\"([^\"\n]*)\"|`([^`\n]*)`)" + _SKIPPED, re.DOTALL)


def imports_of(path: Path) -> set[str]:
    """Return the import paths of a Go file. What is no Go is left for the compiler to name.

    Raises HostError for a file that cannot be read.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_SOURCE_SIZE).decode(errors="replace")
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror or error}") from None
    return imports_in(text)


def imports_in(text: str) -> set[str]:
    """Return the import paths of the text of a Go file: imports stand behind the package clause and nowhere else."""
    found: set[str] = set()
    package = _PACKAGE.match(text)
    position = package.end() if package else len(text)
    while start := _IMPORT.match(text, position):
        position = start.end()
        group = _OPEN.match(text, position)
        if group:
            position = group.end()
        while specification := _SPECIFICATION.match(text, position):
            found.add(specification[1] or specification[2] or "")
            position = specification.end()
            if not group:
                break
        if group:
            closed = _CLOSE.match(text, position)
            if not closed:
                break
            position = closed.end()
    return found
