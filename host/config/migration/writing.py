"""Values as YAML that Sluiceway reads, with comments above what they are about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import yaml

from host.config.document import Node, escape

_WIDTH: Final = 110
_NUMBER: Final = re.compile(r"[-+.0-9]")
_WORD: Final = re.compile(r"~|null|true|false", re.IGNORECASE)

Comments = Callable[[str, "Node | None"], Iterable[str]]
"""(key of the top level, entry of its list) -> what to say above it."""


class _Dumper(yaml.SafeDumper):
    """Quotes what a reader of YAML 1.2 would take for something else, and writes texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """A value that stands in two places is written twice."""
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = None
    if not value.isprintable():
        style = "|" if all(c.isprintable() or c == "\n" for c in value) else '"'
    elif _NUMBER.match(value) or _WORD.fullmatch(value):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def to_yaml(
    values: Mapping[str, Any], nodes: Mapping[str, Node], head: Iterable[str], comments: Comments
) -> str:
    """Return the values as YAML. `nodes`: those of the values, by key of the top level; `head`: lines at its head."""
    parts = [_comment(line, 0) for line in head]
    for key, value in values.items():
        parts += [_comment(line, 0) for line in comments(key, None)]
        if not isinstance(value, list) or not value:
            parts.append(_dump({key: value}))
            continue
        parts.append(f"{key}:\n")
        for index, item in enumerate(value):
            entry = nodes[key].children.get(index) if key in nodes else None
            parts += [_comment(line, 2) for line in (comments(key, entry) if entry is not None else ())]
            parts += [
                f"  {line}" if line.strip() else line for line in _dump([item]).splitlines(keepends=True)
            ]
    return "".join(parts)


def _dump(value: Any) -> str:
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    )
    return text


def _comment(text: str, indent: int) -> str:
    return f"{' ' * indent}# {escape(text, 500)}\n" if text else f"{' ' * indent}#\n"
