"""Which gateway a file is of, and the way from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from host.config.migration.apisix import migrate_apisix
from host.config.migration.kong import migrate_kong
from host.config.migration.result import Migration
from host.config.migration.tyk import migrate_tyk
from host.config.parse import parse
from host.config.sources import Source, source_of
from host.config.text import read_text
from host.errors import ConfigError, Problem

_WAYS: Mapping[str, Callable[[Path], Migration]] = MappingProxyType(
    {"apisix": migrate_apisix, "kong": migrate_kong, "tyk": migrate_tyk}
)


def migrate(path: Path, source: Source | None = None) -> Migration:
    """Return the configuration that the file is in Sluiceway's terms; `source`: whose it is, None to look.

    Raises ConfigError for a file that nothing can be carried over from.
    """
    if source is None:
        text = read_text(path, str(path))
        if isinstance(text, Problem):
            raise ConfigError([text])
        source = source_of(parse(text, str(path)).root.value)
    return _WAYS[source](path)
