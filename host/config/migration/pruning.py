"""Taking out of documents what is wrong with them, until nothing is; and telling what was taken out, and why.

What is wrong is said by whoever reads such documents anyway: there is no second list of what is served.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from host.config.document import Document, Node, format_path
from host.errors import ConfigError, Problem

Location = tuple[str | int, ...]

_ROUNDS = 100  # each takes something out; what one hides comes up in the next
_FILES = ("file", "trusted_ca", "image_pull_secret", "ssl_trusted_certificate")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was taken out. `problem` has its place in the source, and why; its `location` is that in the
    documents then. `within`: the values that it was in, from the root on; `value`: what it was."""

    problem: Problem
    within: tuple[Node, ...] = ()
    value: Any = None

    @property
    def key(self) -> str:
        """The key of the top level that it stood under."""
        return str(self.problem.location[0])

    @property
    def entry(self) -> Node | None:
        """The entry of the list of that key that it stood in, None where it was one, or stood in none."""
        in_list = len(self.problem.location) > 2 and isinstance(self.problem.location[1], int)
        return self.within[2] if in_list else None

    @property
    def inner(self) -> Location:
        """Where it stood in the entry, or under the key."""
        return self.problem.location[1 if self.entry is None else 2 :]


def prune(
    documents: Sequence[Document],
    find: Callable[[], Iterable[Problem]],
    whole: Callable[[Location], Location] = lambda location: location,
) -> list[LeftOut]:
    """Take out what `find` says is wrong with the documents, until it finds nothing; return what was taken out.

    Files that are named and absent are no reason: they may be on another machine. `whole`: what to take out for the
    sake of what is in it. Raises ConfigError for what no part can be blamed for: a file that is no YAML, for one.
    """
    by_file = {document.file: document for document in documents}
    for document in documents:
        _note(document.root, document.file, "")
    left_out: list[LeftOut] = []
    for _ in range(_ROUNDS):
        problems = [
            dataclasses.replace(problem, location=whole(problem.location))
            for problem in find()
            if not _is_about_a_file(problem)
        ]
        if not problems:
            return left_out
        if unusable := [each for each in problems if not _can_go(by_file.get(each.file), each.location)]:
            raise ConfigError(unusable)
        found = {(each.file, each.location): each for each in reversed(problems)}
        # From the end, so that indexes in front of what is taken out stay right.
        for file, location in sorted(found, key=_by_position, reverse=True):
            if not any((file, location[:end]) in found for end in range(1, len(location))):
                left_out.append(_take_out(by_file[file], location, found[file, location]))
    raise ConfigError(problems)


def _note(node: Node, file: str, place: str) -> None:
    """Have each value remember where it stood, as indexes change; one that aliases share, its first place."""
    file, place = node.origin = node.origin or (file, place)
    for key, child in node.children.items():
        _note(child, file, format_path((key,), place))


def _is_about_a_file(problem: Problem) -> bool:
    return problem.location[-1:] in [(key,) for key in _FILES] and "cannot be read" in problem.message


def _by_position(found: tuple[str, Location]) -> tuple[str, list[tuple[int, int, str]]]:
    file, location = found
    return file, [(0, key, "") if isinstance(key, int) else (1, 0, key) for key in location]


def _can_go(document: Document | None, location: Location) -> bool:
    """Whether there is something at the place that can be taken out."""
    if document is None or not location:
        return False
    parent = _at(document.root, location[:-1])
    return parent is not None and isinstance(parent.value, dict | list) and location[-1] in _keys(parent)


def _keys(node: Node) -> Iterable[str | int]:
    return node.value if isinstance(node.value, dict) else range(len(node.value))


def _at(node: Node | None, location: Location) -> Node | None:
    for key in location:
        node = node.children.get(key) if node is not None else None
    return node


def _take_out(document: Document, location: Location, problem: Problem) -> LeftOut:
    within = [document.root]
    for key in location[:-1]:
        within.append(within[-1].children[key])
    parent, last = within[-1], location[-1]
    value = parent.value[last]
    del parent.value[last]
    if isinstance(parent.value, list):
        nodes = [parent.children[index] for index in sorted(parent.children) if index != last]
        parent.children = dict(enumerate(nodes))
    else:
        parent.children.pop(last, None)
    return LeftOut(problem, tuple(within), value)
