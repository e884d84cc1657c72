"""What a plugin has done to an exchange, as differences between what it got and what it left.

It must not know how these came about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

Fields = list[tuple[bytes, bytes]]
Changes = dict[bytes, tuple[bytes, ...]]
"""Names in lower case to the values that a filter left, none for a field that it removed."""

MAPS: Final = ("request", "request trailer", "response", "response trailer")
"""By the ABI's types of header maps."""

_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"set-cookie", b"x-api-key"})
_LONGEST: Final = 200


def changes(before: Fields, after: Fields) -> Changes:
    """Return what has become of the fields whose values are not the same, whatever the case and order of names."""
    old, new = _grouped(before), _grouped(after)
    return {name: new.get(name, ()) for name in {**old, **new} if old.get(name) != new.get(name)}


def _grouped(fields: Fields) -> Changes:
    grouped: Changes = {}
    for name, value in fields:
        name = name.lower()
        grouped[name] = (*grouped.get(name, ()), value)
    return grouped


class Content:
    """A body that goes by, and what is kept of it: its length and digest."""

    __slots__ = ("_hash", "is_whole", "length")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.length = 0
        self.is_whole = False

    def add(self, data: bytes, end: bool) -> None:
        """Bytes of it."""
        self._hash.update(data)
        self.length += len(data)
        self.is_whole |= end

    def __str__(self) -> str:
        return f"{self.length} bytes, sha256 {self._hash.hexdigest()[:16]}" if self.length else "none"


@dataclass(slots=True)
class Effect:
    """What one plugin did: changed fields by map, the bodies that it left, and the answer it gave, if it gave one.

    `details`: why it answered, as log lines have it.
    """

    fields: dict[int, Changes] = field(default_factory=lambda: {kind: {} for kind in range(4)})
    bodies: tuple[Content, Content] = field(default_factory=lambda: (Content(), Content()))
    answer: Fields | None = None
    details: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two plugins did not do alike. `used` is what the one did that counts."""

    what: str
    used: str
    other: str

    def __str__(self) -> str:
        return f"{self.what}: {self.used} / {self.other}"


def compare(used: Effect, other: Effect, ignored: Collection[bytes] = ()) -> list[Difference]:
    """Return how the effects differ, but for fields of these names (lower case)."""
    if (used.answer is None) != (other.answer is None):
        return [Difference("action", _action(used), _action(other))]
    if used.answer is not None and other.answer is not None:
        found = list(_fields("answer", _grouped(used.answer), _grouped(other.answer), ignored))
    else:
        found = [
            difference
            for kind, name in enumerate(MAPS)
            for difference in _fields(name, used.fields[kind], other.fields[kind], ignored)
        ]
        found.extend(_body("request body", used.bodies[0], other.bodies[0]))
    found.extend(_body("answer body" if used.answer else "response body", used.bodies[1], other.bodies[1]))
    return found


def _action(effect: Effect) -> str:
    if effect.answer is None:
        return "goes on"
    status = next((value for name, value in effect.answer if name == b":status"), b"?").decode("latin-1")
    return f"answers {status}" + (f" ({effect.details})" if effect.details else "")


def _body(what: str, used: Content, other: Content) -> Iterator[Difference]:
    if used.is_whole and other.is_whole and str(used) != str(other):
        yield Difference(what, str(used), str(other))


def _fields(what: str, used: Changes, other: Changes, ignored: Collection[bytes]) -> Iterator[Difference]:
    for name in sorted({*used, *other}):
        if name not in ignored and used.get(name) != other.get(name):
            yield Difference(
                f"{what} {name.decode('latin-1')}", _text(name, used.get(name)), _text(name, other.get(name))
            )


def _text(name: bytes, values: Iterable[bytes] | None) -> str:
    if values is None:
        return "as it was"
    values = tuple(values)
    if name in _SECRET:
        return f"{len(values)} values that are not shown" if values else "removed"
    text = ", ".join(value.decode("latin-1") for value in values)
    return (text if len(text) <= _LONGEST else text[:_LONGEST] + "…") if values else "removed"
