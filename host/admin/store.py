"""What the Admin API was told, as values and as a file.

A change makes another `Told` beside the one that holds; which of the two counts is decided later, by those who serve.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from host.config.overlay import KINDS, Layer
from host.config.text import MAX_FILE_SIZE, read_text
from host.errors import ConfigError, Problem

_FORMAT: Final = 1


class StoreError(Exception):
    """What cannot be kept, and why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A resource, or with None that there is none any more although a file has it. Revisions are counted as in etcd."""

    value: dict[str, Any] | None
    created: int
    modified: int


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """All of it: by kind and id. `revision` is that of the last change."""

    revision: int = 0
    entries: Mapping[str, Mapping[str, Entry]] = dataclasses.field(default_factory=dict)

    def get(self, kind: str, own_id: str) -> Entry | None:
        """Return what was told of one resource, None for nothing."""
        return self.entries.get(kind, {}).get(own_id)

    def with_entry(self, kind: str, own_id: str, value: dict[str, Any] | None, *, keep: bool = True) -> Told:
        """Return what holds when this was told too. `keep` False: forget what was told before, and remember nothing."""
        revision = self.revision + 1
        before = self.get(kind, own_id)
        told = dict(self.entries.get(kind, {}))
        if keep:
            created = before.created if before is not None and before.value is not None else revision
            told[own_id] = Entry(value, created, revision)
        else:
            told.pop(own_id, None)
        return Told(revision, {**self.entries, kind: told})

    def layers(self) -> dict[str, dict[str, Layer]]:
        """Return it as layers over files; each place names key and revision, so that a new try has a new place."""
        return {
            kind: {
                own_id: Layer(entry.value, f"{key_of(kind, own_id)}@{entry.modified}")
                for own_id, entry in told.items()
            }
            for kind, told in self.entries.items()
        }


def key_of(kind: str, own_id: str | None = None) -> str:
    """Return the key of a resource, or of its kind, under the prefix that APISIX has in etcd."""
    return f"/apisix/{kind}" if own_id is None else f"/apisix/{kind}/{own_id}"


class StoreFile:
    """A file that `Told` outlives a restart in. It is replaced as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(path.name + ".new")

    def load(self) -> Told:
        """Return what was written last, nothing where there is no file yet. Raises ConfigError for another's file."""
        if not self._path.exists():
            return Told()
        text = read_text(self._path, str(self._path))
        if isinstance(text, Problem):
            raise ConfigError([text])
        try:
            return _told(json.loads(text))
        except (ValueError, RecursionError) as error:
            message = f"is not a store of the Admin API: {error}; move it away, or give another deployment.admin.store"
            raise ConfigError([Problem(str(self._path), None, "", message)]) from error

    def draft(self, told: Told) -> None:
        """Write it beside the file, to the disk. Raises StoreError."""
        text = json.dumps(_plain(told), ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) > MAX_FILE_SIZE:
            raise StoreError(f"all resources together have more than {MAX_FILE_SIZE} bytes")
        try:
            # Plugins' configurations hold secrets: nobody else reads them.
            number = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(number, "wb") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(number)
        except OSError as error:
            raise StoreError(f"{self._draft} cannot be written: {error.strerror}") from error

    def publish(self) -> None:
        """Put the draft into the file's place. Raises StoreError."""
        try:
            os.replace(self._draft, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be replaced: {error.strerror}") from error


def _plain(told: Told) -> dict[str, Any]:
    listed = {
        kind: {own_id: dataclasses.asdict(entry) for own_id, entry in entries.items()}
        for kind, entries in told.entries.items()
    }
    return {"format": _FORMAT, "revision": told.revision, "resources": listed}


def _told(data: Any) -> Told:
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise ValueError(f"it has no 'format': {_FORMAT}")
    try:
        entries = {
            kind: {own_id: Entry(**entry) for own_id, entry in data["resources"][kind].items()}
            for kind in data["resources"]
        }
        told = Told(data["revision"], entries)
        numbers = [
            told.revision,
            *(n for k in entries.values() for e in k.values() for n in (e.created, e.modified)),
        ]
        values = [e.value for k in entries.values() for e in k.values()]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"its form is another: {error!r}") from error
    if not set(entries) <= set(KINDS) or not all(isinstance(number, int) for number in numbers):
        raise ValueError("it has kinds or revisions that are none")
    if not all(isinstance(value, dict | None) for value in values):
        raise ValueError("it has resources that are no mappings")
    return told
