"""Documents against the schema: models of what is right, and a problem in plain words for each thing that is not.

Each entry of `routes` and the other lists is validated by itself, so that one bad entry keeps nobody from hearing about
the others. It must not know how entries refer to one another: that is `host.config.resolve`.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from host.config.document import Document
from host.config.schema import FORMS, Strict
from host.config.schema.scalars import describe
from host.config.wording import explain
from host.errors import Problem

Place = tuple[str | int, ...]
ModelT = TypeVar("ModelT", bound=Strict)


EITHER: Final[dict[str, tuple[tuple[tuple[str, ...], bool], ...]]] = {
    "routes": ((("uri", "uris"), True), (("host", "hosts"), False), (("upstream", "upstream_id"), False)),
    "services": ((("upstream", "upstream_id"), False),),
    "stream_routes": ((("upstream", "upstream_id"), False),),
    "ssls": ((("snis", "sni"), True),),
}
"""By list: keys of which an entry has at most one, and whether it must have one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid entry of one of the lists, and where it stands."""

    document: Document
    place: Place
    model: Any


@dataclass(slots=True)
class Validated:
    """What is valid of the documents: single values by key, list entries by key."""

    values: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def validate(
    document: Document,
    schema: type[Strict],
    declared: Collection[str],
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> Validated:
    """Validate a document against the schema of its top level.

    `declared`: names of plugins; what is said about others under `plugins` is passed over, their name is what is
    wrong. `elsewhere`: top-level keys that belong into another file, which is named.
    """
    result = Validated(problems=list(document.problems))
    root = document.root.value
    if root is None:
        root = {}
    if not isinstance(root, dict):
        result.problems.append(document.problem((), f"expected a mapping, got {describe(root)}"))
        return result
    check = _Check(document, schema, declared, result.problems)
    fields = schema.by_key()
    for key, value in root.items():
        model_field = fields.get(key)
        if model_field is None and key in elsewhere:
            check.report((key,), f"belongs into {elsewhere[key]}")
            continue
        if model_field is None:
            check.report_unknown_key((key,))
            continue
        item_type = _item_model(model_field.annotation)
        if item_type is None:
            check.value(TypeAdapter[Any](model_field.annotation or Any), value, (key,), result.values)
        elif not isinstance(value, list):
            check.report((key,), f"expected a list, got {describe(value)}")
        else:
            entries = result.entries.setdefault(key, [])
            for index, item in enumerate(value):
                check.entry(item_type, item, (key, index), entries)
    return result


class _Check:
    def __init__(
        self, document: Document, schema: type[Strict], declared: Collection[str], problems: list[Problem]
    ) -> None:
        self.document = document
        self.schema = schema
        self.declared = declared
        self.problems = problems

    def report(self, place: Place, message: str) -> None:
        self.problems.append(self.document.problem(place, message))

    def value(self, adapter: TypeAdapter[Any], value: Any, place: Place, values: dict[str, Any]) -> None:
        try:
            values[str(place[0])] = adapter.validate_python(value)
        except ValidationError as error:
            self.report_all(error, place)

    def entry(self, model: type[BaseModel], item: Any, place: Place, entries: list[Entry]) -> None:
        known = len(self.problems)
        if isinstance(item, dict):
            self._check_either(item, place)
        try:
            entry = Entry(self.document, place, model.model_validate(item))
        except ValidationError as error:
            self.report_all(error, place)
        else:
            if len(self.problems) == known:
                entries.append(entry)

    def _check_either(self, item: dict[str, Any], place: Place) -> None:
        for keys, required in EITHER.get(str(place[0]), ()):
            present = [key for key in keys if item.get(key) is not None]
            if len(present) > 1:
                self.report((*place, present[1]), f"stands beside {present[0]!r}: give one of them")
            elif required and not present:
                self.report(place, f"lacks {keys[0]!r} (or {keys[1]!r})")

    def report_all(self, error: ValidationError, place: Place) -> None:
        """Say in words what pydantic found below the place."""
        for details in error.errors(include_url=False):
            self._report_one(details, place)

    def _report_one(self, details: ErrorDetails, base: Place) -> None:
        kind = details["type"]
        place = self._place(base, details["loc"])
        name = place[3] if len(place) > 3 and place[2] == "plugins" else 0  # Kong's files have a list there
        if isinstance(name, str) and name not in self.declared:
            return
        if kind == "extra_forbidden":
            self.report_unknown_key(place)
        elif kind == "missing":
            self.report(place[:-1], f"lacks {str(place[-1])!r}")
        else:
            self.report(place, explain(details, str(place[-1])))

    def _place(self, base: Place, location: tuple[int | str, ...]) -> Place:
        """Return pydantic's location as a place of the document: the names of forms and of keys taken out."""
        place, node = base, self.document.root
        for key in base:
            node = node.children.get(key, node)
        for key in location:
            if key == "[key]" or (key in FORMS and key not in node.children):
                continue
            place = (*place, key)
            node = node.children.get(key, node)
        return place

    def report_unknown_key(self, place: Place) -> None:
        """Say of a key that it is unknown, and which one may be meant."""
        key = str(place[-1])
        model = _model_at(self.schema, place[:-1])
        for who, known in known_keys(model):
            if key in known:
                self.report(place, f"known to {who}, not served by Sluiceway: {key}")
                return
        keys = [] if model is None else list(model.by_key())
        self.report(place, unknown_key(key, keys))


def unknown_key(key: str, keys: Iterable[str]) -> str:
    """Return what is said of a key that is none of these."""
    nearest = difflib.get_close_matches(key, keys, n=1, cutoff=0.6)
    if nearest:
        return f"unknown key; did you mean {nearest[0]!r}?"
    return f"unknown key; expected one of: {', '.join(keys)}"


def known_keys(model: type[Strict] | None) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the keys that others have where this model stands and that are not served, by whose they are."""
    if model is None:
        return ()
    return (("APISIX", model.known_to_apisix), ("Tyk", model.known_to_tyk), ("Kong", model.known_to_kong))


def validate_one(
    document: Document, schema: type[ModelT], value: Any, problems: list[Problem]
) -> ModelT | None:
    """Return the model of a document that is one mapping as a whole; what is wrong is added to the problems.

    `value` takes the place of the document's own, whose lines are told.
    """
    try:
        return schema.model_validate(value)
    except ValidationError as error:
        _Check(document, schema, (), problems).report_all(error, ())
        return None


def _item_model(annotation: Any) -> type[Strict] | None:
    """The model of a list's entries, or None for anything else."""
    if typing.get_origin(annotation) is list:
        (item,) = typing.get_args(annotation)
        if isinstance(item, type) and issubclass(item, Strict):
            return item
    return None


def _model_at(schema: type[Strict], place: Place) -> type[Strict] | None:
    """Return the model of the mapping at the place, or None where there is none."""
    current: Any = schema
    for key in place:
        current = _step(current, key)
    models = [
        choice for choice in _choices(current) if isinstance(choice, type) and issubclass(choice, Strict)
    ]
    return models[0] if models else None


def _step(annotation: Any, key: str | int) -> Any:
    for choice in _choices(annotation):
        if isinstance(choice, type) and issubclass(choice, Strict) and isinstance(key, str):
            if (model_field := choice.by_key().get(key)) is not None:
                return model_field.annotation
            if choice.others is not None:
                return choice.others
        arguments = typing.get_args(choice)
        if typing.get_origin(choice) is list and isinstance(key, int):
            return arguments[0]
        if typing.get_origin(choice) is dict and isinstance(key, str):
            return arguments[1]
    return None


def _choices(annotation: Any) -> list[Any]:
    """Return the alternatives of a type, without what is only said about it."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _choices(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [leaf for choice in typing.get_args(annotation) for leaf in _choices(choice)]
    return [annotation]
