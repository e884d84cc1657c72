"""Files, and whether they have changed since they were read: by what `stat` says of them, at each look.

It must not know what is in them, nor how long it is from one look to the next.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

Signature = tuple[object, ...] | None
"""Differs between a file and a changed one; None: there is none."""


def signature(path: Path) -> Signature:
    """Return that of a file, or of the `*.json` of a folder. Of a link it is that of what the link resolves to."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return tuple((each.name, signature(each)) for each in sorted(path.glob("*.json")))
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Watch:
    """Tells of each change once, when it is over. One at a time uses it."""

    def __init__(self, sign: Callable[[Path], Signature] = signature) -> None:
        self.sign = sign
        self._taken: dict[Path, Signature] = {}
        self._awaited: dict[Path, Signature] = {}

    @property
    def files(self) -> list[Path]:
        """Those that are looked at."""
        return list(self._taken)

    def take(self, taken: Mapping[Path, Signature]) -> None:
        """Look at these files from now on. Signatures are from before they were read, so that no change is missed."""
        self._taken = dict(taken)

    def look(self) -> list[Path]:
        """Return the files that have changed, if all of these are as they were at the look before; they are told once.

        A file that is gone has not changed: it may come back with the next look, as where an editor replaces it.
        """
        found: dict[Path, Signature] = {}
        for file, taken in self._taken.items():
            now = self.sign(file)
            if now is not None and now != taken:
                found[file] = now
        before, self._awaited = self._awaited, found
        if found != before:
            return []
        self._taken.update(found)
        self._awaited = {}
        return list(found)
