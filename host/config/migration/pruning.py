"""Taking out of documents what is wrong with them, until nothing is; and telling what was taken out, and why.

What is wrong is said by whoever reads such documents anyway: there is no second list of what is served.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from host.config.document import Document, Node, format_path
from host.errors import ConfigError, Problem

Location = tuple[str | int, ...]

_ROUNDS = 1000  # each takes something out; what one hides comes up in the next
_FILES = ("file", "trusted_ca", "image_pull_secret", "ssl_trusted_certificate")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was taken out. `problem` has its place in the source, and why.

    `inner`: where it stood in the entry of a list, or at the top level without one. `entry`: that entry, if it is
    still there; `key`: of the list, or of the top level.
    """

    problem: Problem
    key: str
    entry: Node | None
    inner: Location


def prune(documents: Sequence[Document], find: Callable[[], Iterable[Problem]]) -> list[LeftOut]:
    """Take out what `find` says is wrong with the documents, until it finds nothing; return what was taken out.

    Files that are named and absent are no reason: they may be on another machine. Raises ConfigError for what no part
    can be blamed for: a file that is no YAML, for one.
    """
    by_file = {document.file: document for document in documents}
    origins: dict[int, str] = {}
    for document in documents:
        _note(document.root, "", origins)
    left_out: list[LeftOut] = []
    for _ in range(_ROUNDS):
        problems = [problem for problem in find() if not _is_about_a_file(problem)]
        if not problems:
            return left_out
        if unusable := [each for each in problems if not _can_go(by_file.get(each.file), each.location)]:
            raise ConfigError(unusable)
        found = {(each.file, each.location): each for each in reversed(problems)}
        # From the end, so that indexes in front of what is taken out stay right.
        for file, location in sorted(found, key=_by_position, reverse=True):
            if not any((file, location[:end]) in found for end in range(1, len(location))):
                left_out.append(_take_out(by_file[file], location, found[file, location], origins))
    raise ConfigError(problems)


def _note(node: Node, place: str, origins: dict[int, str]) -> None:
    """Remember where each value stood; one that aliases share, by its first place."""
    if id(node) not in origins:
        origins[id(node)] = place = node.origin[1] if node.origin is not None else place
        for key, child in node.children.items():
            _note(child, format_path((key,), place), origins)


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


def _take_out(document: Document, location: Location, problem: Problem, origins: dict[int, str]) -> LeftOut:
    parent, last = _at(document.root, location[:-1]), location[-1]
    assert parent is not None
    child = parent.children.get(last)
    place = format_path((last,), origins[id(parent)]) if child is None else origins[id(child)]
    if isinstance(parent.value, list) and isinstance(last, int):
        del parent.value[last]
        nodes = [parent.children[index] for index in sorted(parent.children) if index != last]
        parent.children = dict(enumerate(nodes))
    else:
        del parent.value[last]
        parent.children.pop(last, None)
    key = str(location[0])
    in_list = len(location) > 2 and isinstance(location[1], int)
    return LeftOut(
        dataclasses.replace(problem, path=place),
        key,
        _at(document.root, location[:2]) if in_list else None,
        location[2:] if in_list else location[1:],
    )
