"""Reading an API definition: a JSON file, each value with its line, checked against the schema.

It must not know what a definition becomes: that is `host.config.tyk.routes`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from host.config.document import Document, Node
from host.config.parse import parse
from host.config.schema.base import Strict
from host.config.schema.scalars import describe
from host.config.tyk.unserved import served
from host.config.validate import validate_one
from host.errors import Problem

ModelT = TypeVar("ModelT", bound=Strict)

MAX_DEFINITION_SIZE = 4 * 1024 * 1024
"""Bytes of a definition, or of a bundle's manifest."""


def parse_json(text: str, file: str) -> Document:
    """Return a JSON text's values with their lines. What is wrong is in `problems`."""
    try:
        value = json.loads(text, object_pairs_hook=_once if "\\ud" in text.lower() else None)
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg} in column {error.colno}"
        return Document(file, Node(None, error.lineno), [Problem(file, error.lineno, "", message)])
    except (RecursionError, ValueError) as error:
        return Document(file, Node(None, 1), [Problem(file, None, "", f"is not read: {error}")])
    # JSON is YAML, but for halves of surrogate pairs, which JSON escapes so: their lines are given up.
    found = parse(text, file)
    if found.problems and "\\ud" in text.lower():
        return parse(json.dumps(value, ensure_ascii=False), file)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping, whose keys JSON lets stand several times. Raises ValueError where one does."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key stands twice in a mapping")
    return made


def read_model(document: Document, schema: type[ModelT]) -> tuple[ModelT | None, list[Problem]]:
    """Return what the document says, None where it cannot be used, and all that is wrong with it."""
    problems = list(document.problems)
    if problems:
        return None, problems
    root = document.root.value
    if not isinstance(root, dict):
        return None, [document.problem((), f"expected a mapping, got {describe(root)}")]
    value = served(root, lambda path, message: problems.append(document.problem(path, message)))
    model = validate_one(document, schema, value, problems)
    return (None if problems else model), problems


def definition_files(path: Path) -> list[Path] | None:
    """Return the files that an entry of `tyk.apis` names: itself, or the `*.json` of a folder; None without one."""
    try:
        if path.is_dir():
            return sorted(path.glob("*.json"))
        return [path] if path.exists() else None
    except OSError:
        return None
