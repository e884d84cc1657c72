"""A configuration that was carried over, and what was not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from host.config.document import Node
from host.config.migration.pruning import LeftOut
from host.config.migration.writing import to_yaml
from host.errors import Problem


@dataclass(frozen=True, slots=True)
class Migration:
    """`values` by key of the top level, with their `nodes`; `sources`: files that they come from; `left_out`: what is
    not in them; `comments`: by id of an entry's node, what else is to be said of it; `head`: of all."""

    values: dict[str, Any]
    nodes: Mapping[str, Node]
    sources: Sequence[str]
    left_out: Sequence[LeftOut]
    comments: Mapping[int, str] = field(default_factory=dict)
    head: Sequence[str] = ()

    @property
    def problems(self) -> list[Problem]:
        """What could not be carried over, each with its place in the source and the reason, in the source's order."""
        return sorted((each.problem for each in self.left_out), key=lambda each: (each.file, each.line or 0))

    def text(self) -> str:
        """Return the configuration as YAML, with a comment where something was left out."""
        head = [f"Carried over from {' and '.join(self.sources)} by sluiceway migrate."]
        if self.left_out:
            head.append(f"Left out: {len(self.left_out)}, each told where it would stand.")
        head += self.head
        gone = [each for each in self.left_out if each.entry is None and each.key not in self.values]
        head += [f"left out: {each.problem}" for each in gone]
        return to_yaml(self.values, self.nodes, head, self._comments)

    def _comments(self, key: str, entry: Node | None) -> Iterable[str]:
        for each in sorted(self.left_out, key=lambda each: each.problem.line or 0):
            if each.key == key and each.entry is entry:
                yield f"left out: {each.problem}"
        if entry is not None and id(entry) in self.comments:
            yield self.comments[id(entry)]
