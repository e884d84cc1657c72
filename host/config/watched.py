"""The files that a configuration is read from, and a watch over them: `apisix.yaml` always, all if asked for.

They are known from what the files say, be it that the configuration is refused: who mends one of them is heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from host.config.files import Documents, companion_places, read
from host.config.watch import Watch


class WatchedFiles:
    """Reads the files of `path`, and has `watch` look at them: all, or none but those that hold resources alone."""

    def __init__(self, path: Path, watch: Watch, *, watches_all: bool = False) -> None:
        self._path, self._watch, self._watches_all = path, watch, watches_all

    def read(self) -> Documents:
        """Return what they hold, not validated. Raises ConfigError for one that cannot be read."""
        sign = self._watch.sign
        before = {each: sign(each) for each in (self._path, *companion_places(self._path))}
        watched = self._watch.files
        try:
            documents = read(self._path)
            watched = list(dict.fromkeys(self._watched(documents)))
        finally:
            # The other files are read later, when the documents are made use of.
            self._watch.take({each: before[each] if each in before else sign(each) for each in watched})
        return documents

    def _watched(self, documents: Documents) -> Iterator[Path]:
        if self._watches_all:
            yield self._path
        if documents.resources is not documents.gateway:
            yield from companion_places(self._path)
        if self._watches_all:
            folder = Path(documents.gateway.file).absolute().parent
            for named in _named(documents.gateway.root.value):
                yield folder / named


def _named(root: Any) -> Iterator[str]:
    """Yield the paths of files with routes, and of plugins, whatever else may be wrong with the values."""
    declarative = _at(root, "kong", "declarative_config")
    plugins = _listed(_at(root, "wasm", "plugins"))
    for value in (declarative, *_listed(_at(root, "tyk", "apis")), *(_at(each, "file") for each in plugins)):
        if isinstance(value, str) and value:
            yield value


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
