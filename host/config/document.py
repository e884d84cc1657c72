"""A file that was read: its values, each with its line, and the problems that were found.

It must not know YAML nor what the keys mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from host.errors import Problem


@dataclass(slots=True)
class Node:
    """A value and where it stands. `children`: by key of a mapping or index of a list; `key_lines`: of a mapping.

    `size` counts the values in it with all aliases written out, `height` its levels. `origin`: the file and the path of
    one that was written elsewhere than in the document that holds it now. `line` 0: it stands in no line.
    """

    value: Any
    line: int
    children: dict[Any, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    size: int = 1
    height: int = 1
    origin: tuple[str, str] | None = None


@dataclass(slots=True)
class Document:
    """A file that was read: its values, the lines of all of them, and what was wrong already.

    `base`: where the root stands in the file, of a document that is a part of one.
    """

    file: str
    root: Node
    problems: list[Problem]
    base: tuple[str | int, ...] = ()

    def problem(self, path: tuple[str | int, ...], message: str) -> Problem:
        """Return the message with the line of the value at the path, or of what lies nearest above it."""
        node, line = self.root, self.root.line
        file, prefix = self.root.origin or (self.file, format_path(self.base))
        start = 0
        for depth, key in enumerate(path, 1):
            line = node.key_lines.get(key, line) if isinstance(key, str) else line
            child = node.children.get(key)
            if child is None:
                break
            node = child
            # A value that follows its key on the same line or below: the key's line is what an editor should show.
            line = line if isinstance(key, str) else node.line
            if node.origin is not None:
                (file, prefix), start = node.origin, depth
        return Problem(file, line or None, format_path(path[start:], prefix), message, (*self.base, *path))


def format_path(path: tuple[str | int, ...], prefix: str = "") -> str:
    """Return the path as users write it, below a prefix: `routes[0].upstream.nodes."127.0.0.1:80"`."""
    text = prefix
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            plain = re.fullmatch(r"[\w-]+", key)
            text += ("." if text else "") + (key if plain else '"' + escape(key, 100) + '"')
    return text


def escape(text: str, limit: int) -> str:
    """Return the text on one line: what is not printable is escaped, what is over `limit` characters is cut."""
    shown = text if len(text) <= limit else text[:limit] + "…"
    return shown if shown.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
