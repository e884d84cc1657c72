"""Fetched code on disk, by its SHA-256, and under which names it was fetched.

Workers share the folder; one of them fetches, the others wait for it and find it there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger("sluiceway.code")


class CodeStore:
    """A folder. When it cannot be written, code is fetched each time, and a warning says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, digest: str) -> bytes | None:
        """Return the content with this SHA-256 (hexadecimal), if it is there and is undamaged."""
        path = self.folder / f"{digest}.wasm"
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != digest:
            log.warning("%s is damaged and is fetched again", path)
            return None
        return content

    def put(self, content: bytes, digest: str) -> None:
        """Keep content under its SHA-256."""
        self._write(f"{digest}.wasm", content)

    def named(self, name: str) -> str | None:
        """Return the SHA-256 of what was last kept under this name."""
        try:
            digest = (self.folder / _reference(name)).read_text().strip()
        except OSError:
            return None
        return digest if len(digest) == 64 else None

    def name(self, name: str, digest: str) -> None:
        """Keep under which name content came."""
        self._write(_reference(name), digest.encode())

    def _write(self, file: str, content: bytes) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as temporary:
                temporary.write(content)
            os.replace(temporary.name, self.folder / file)
        except OSError as error:
            log.warning("fetched code cannot be kept: %s", error)

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Hold off everybody else who wants this name, in this process and in others."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.folder / f"{_reference(name)}.lock").open("w")
        except OSError:
            yield
            return
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _reference(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest() + ".name"
