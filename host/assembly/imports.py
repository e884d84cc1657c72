"""Names in Python modules that a configuration gives: `module:name`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.config import Config, ForeignFunction
from host.errors import PluginLoadError, Problem
from host.plugin.foreign import ForeignFunctions


def import_name(name: str, target: str, search_path: tuple[Path, ...]) -> Any:
    """Return what the target names. Raises PluginLoadError under `name`, whatever the module does instead."""
    module_name, _, wanted = target.partition(":")
    added = [str(path) for path in search_path if str(path) not in sys.path]
    sys.path[:0] = added
    try:
        return getattr(importlib.import_module(module_name), wanted)
    except (Exception, SystemExit) as error:
        raise PluginLoadError(name, f"{target} cannot be imported: {error!r}") from error
    finally:
        for path in added:
            sys.path.remove(path)


def load_foreign_functions(config: Config, functions: ForeignFunctions) -> list[Problem]:
    """Have plugins that are tried find the configured functions; returns why some are not there."""
    problems: list[Problem] = []
    loaded: dict[str, Callable[..., Any]] = {}
    for entry in config.foreign_functions:
        try:
            loaded[entry.name] = _function(entry)
        except PluginLoadError as error:
            place = entry.place
            file, line, path = (place.file, place.line, place.path) if place is not None else ("", None, "")
            problems.append(Problem(file, line, path, str(error)))
    functions.tried = loaded
    return problems


def _function(entry: ForeignFunction) -> Callable[..., Any]:
    found = import_name(entry.name, entry.target, entry.search_path)
    if not callable(found):
        raise PluginLoadError(entry.name, f"{entry.target} cannot be called")
    function: Callable[..., Any] = found
    return function
