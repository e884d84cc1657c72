"""YAML text as plain values whose lines are remembered, read so that no text can hurt the reader.

The text is taken apart as a stream of libyaml events with no recursion, so nesting, aliases and size are bounded while
it is read. Scalars follow the core schema of YAML 1.2 (section 10.3): `on`, `no`, `1:30` and `2026-11-21` are text, and
only `true` and `false` are booleans. It must not know what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import yaml

from host.config.document import Document, Node, escape, format_path
from host.errors import Problem

MAX_VALUES: Final = 4_000_000
"""Values of a document after its aliases are written out; 10,000 routes have about 200,000."""

MAX_DEPTH: Final = 64
"""Levels of nesting. The deepest key of ours is on the seventh; a plugin's conf may go further."""

MAX_PROBLEMS: Final = 100
"""Problems told of one file: a file of another kind would give one a line."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS: Final = 32


def parse(text: str, file: str) -> Document:
    """Return the text's values. Never raises: what is wrong is in `problems`, the values are what could be read."""
    builder = _Builder(file)
    try:
        # The loader's own get_event() walks libyaml's events; composing and constructing would recurse.
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.report(mark.line if mark else 0, _syntax_message(error))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) if isinstance(error.position, int) else 0
        builder.report(line, f"has a character that YAML forbids: U+{_code_point(error.character):04X}")
    except UnicodeEncodeError as error:
        builder.report(
            text.count("\n", 0, error.start), "has a half of a surrogate pair, which is no character"
        )
    except _LimitReached as limit:
        builder.report(limit.line, str(limit))
    return Document(file, builder.root or Node(None, 1), builder.problems)


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _code_point(character: Any) -> int:
    return ord(character) if isinstance(character, str) else int(character)


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    """libyaml's own words, with what to do for the mistakes that are made most."""
    words = " ".join(part for part in (error.context, error.problem) if part)
    if "cannot start any token" in words:
        words += " (is it a tab? YAML indents with spaces; does the text begin with @, ` or %? Then quote it)"
    elif "mapping values are not allowed" in words:
        words += " (is the indentation right, or does a text with ': ' lack its quotes?)"
    elif "undefined alias" in words:
        words += " (a text that begins with '*' needs quotes)"
    return f"is not YAML: {words}"


class _LimitReached(Exception):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class _Builder:
    """Makes nodes of events. Lines of marks count from 0, those of nodes and problems from 1."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[_Collection] = []
        self._anchors: dict[str, Node | None] = {}
        self._documents = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def take(self, event: Any) -> None:
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def report(self, line: int, message: str) -> None:
        path = tuple(key for collection in self._open[1:] if (key := collection.key_in_parent) is not None)
        self.problems.append(Problem(self.file, line + 1, format_path(path), message))
        if len(self.problems) >= MAX_PROBLEMS and not message.startswith("too many"):
            raise _LimitReached(line, "too many problems: the rest of the file was not read")

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _LimitReached(event.start_mark.line, "a second document begins here: one file holds one")

    def _scalar(self, event: Any) -> None:
        line = event.start_mark.line
        node = Node(self._resolve(event, line), line + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._place(node, line)

    def _start(self, event: Any) -> None:
        line = event.start_mark.line
        if len(self._open) >= MAX_DEPTH:
            raise _LimitReached(line, f"nested deeper than {MAX_DEPTH} levels")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        expected = "tag:yaml.org,2002:" + ("map" if is_mapping else "seq")
        if event.tag not in (None, "!", expected):
            self.report(line, f"tag {escape(event.tag, 60)!r} is not known here: remove it")
        key_in_parent = self._open[-1].next_key() if self._open else None
        self._open.append(_Collection(Node({} if is_mapping else [], line + 1), event.anchor, key_in_parent))
        if event.anchor is not None:
            self._anchors[event.anchor] = None  # until it is closed: an alias to it would be endless

    def _end(self, event: Any) -> None:
        collection = self._open.pop()
        if collection.merges:
            collection.merge(self)
        if collection.anchor is not None:
            self._anchors[collection.anchor] = collection.node
        self._place(collection.node, collection.node.line - 1)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line
        if event.anchor not in self._anchors:
            raise _LimitReached(
                line, f"alias *{escape(event.anchor, 60)} has no anchor (a text with '*' needs quotes)"
            )
        node = self._anchors[event.anchor]
        if node is None:
            raise _LimitReached(line, f"alias *{escape(event.anchor, 60)} stands inside what it names")
        self._place(node, line)

    def _place(self, node: Node, line: int) -> None:
        """Put a finished value where it belongs: the root, a list, or a mapping as key or as value."""
        if not self._open:
            self.root = node
            return
        collection = self._open[-1]
        parent = collection.node
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if parent.size > MAX_VALUES:
            raise _LimitReached(line, f"more than {MAX_VALUES} values with all aliases written out")
        if parent.height + len(self._open) > MAX_DEPTH:
            raise _LimitReached(line, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(parent.value, list):
            parent.children[len(parent.value)] = node
            parent.value.append(node.value)
        elif not collection.has_key:
            self._take_key(collection, node, line)
        else:
            key, collection.has_key = collection.key, False
            if key == "<<":
                collection.merges.append(node)
            elif key is not None:
                parent.children[key] = node
                parent.value[key] = node.value

    def _take_key(self, collection: _Collection, node: Node, line: int) -> None:
        """Note a mapping's key; its value is dropped where the key is None."""
        collection.has_key, collection.key = True, None
        if not isinstance(node.value, str):
            shown = (
                "a list or mapping" if isinstance(node.value, list | dict) else escape(str(node.value), 40)
            )
            self.report(line, f"key {shown} is not text: quote it")
            return
        key = node.value
        if key in collection.node.key_lines:
            first = collection.node.key_lines[key]
            self.report(line, f"key {escape(key, 60)!r} stands here twice, the first time in line {first}")
            return
        if key != "<<":
            collection.node.key_lines[key] = line + 1
        collection.key = key

    def _resolve(self, event: Any, line: int) -> Any:
        """Return the value of a scalar: YAML 1.2 core schema; text that is quoted or in a block stays text."""
        text: str = event.value
        if event.tag not in (None, "!"):
            if event.tag != "tag:yaml.org,2002:str":
                self.report(line, f"tag {escape(event.tag, 60)!r} is not known here: remove it")
            return text
        if not event.implicit[0]:  # quoted, or in a block
            return text
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        if text[0] not in "+-.0123456789":
            return text
        if _INTEGER.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                self.report(line, f"number {escape(text, 40)} has too many digits")
                return 0
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text):
            return self._finite(float(text[:400]), text, line)
        if _NOT_FINITE.fullmatch(text):
            return self._finite(float("inf"), text, line)
        return text

    def _finite(self, number: float, text: str, line: int) -> float:
        if number in (float("inf"), float("-inf")):
            self.report(line, f"number {escape(text, 40)} is not finite")
            return 0.0
        return number


class _Collection:
    """A list or mapping that is still open, with the key that waits for its value and the merges to apply."""

    __slots__ = ("anchor", "has_key", "key", "key_in_parent", "merges", "node")

    def __init__(self, node: Node, anchor: str | None, key_in_parent: str | int | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key_in_parent = key_in_parent
        self.key: str | None = None
        self.has_key = False
        self.merges: list[Node] = []

    def next_key(self) -> str | int | None:
        """The key under which the value that comes next will be placed."""
        return (
            len(self.node.value) if isinstance(self.node.value, list) else self.key if self.has_key else None
        )

    def merge(self, builder: _Builder) -> None:
        """Apply `<<` (the merge key of YAML 1.1, which APISIX's files use): keys already there stay."""
        for merged in self.merges:
            sources = merged.children.values() if isinstance(merged.value, list) else [merged]
            for source in sources:
                if not isinstance(source.value, dict):
                    builder.report(merged.line - 1, "'<<' takes a mapping or a list of mappings")
                    continue
                for key, child in source.children.items():
                    if key not in self.node.children:
                        self.node.children[key] = child
                        self.node.value[key] = child.value
                        self.node.key_lines[key] = source.key_lines[key]
