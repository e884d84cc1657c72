"""The base of the schema's models, and how forms of one value are told apart."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator
from pydantic.fields import FieldInfo

Form = Literal["mapping", "list", "integer", "text"]

_KINDS: dict[Form, type] = {"mapping": dict, "list": list, "integer": int, "text": str}

FORMS = frozenset(_KINDS)
"""Pydantic puts the form of a value into the place of an error inside it; whoever reads the place takes it out."""


class Strict(BaseModel):
    """A mapping of the YAML: no other keys, no conversion between types.

    `known_to_apisix`: keys that APISIX has in this place and Sluiceway does not serve. They are errors that say so: a
    key passed over in silence may be the one that keeps somebody out. `known_to_tyk`, `known_to_kong`: the same of
    those. `others`: what is under keys of the user's choice, for a model that allows them.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    known_to_apisix: ClassVar[frozenset[str]] = frozenset()
    known_to_tyk: ClassVar[frozenset[str]] = frozenset()
    known_to_kong: ClassVar[frozenset[str]] = frozenset()
    others: ClassVar[type[Strict] | None] = None

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """Return the fields by the keys that they have in YAML."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


def words(text: str) -> frozenset[str]:
    """Return the words of a text: a long list of keys, written to be read."""
    return frozenset(text.split())


def by_form(expected: str, *forms: Form) -> Discriminator:
    """Return what chooses among the forms that a value may have; `expected` completes "expected …"."""

    def form_of(value: Any) -> str | None:
        if isinstance(value, bool):
            return None
        return next((form for form in forms if isinstance(value, _KINDS[form])), None)

    return Discriminator(form_of, custom_error_type="bad_form", custom_error_message=f"expected {expected}")
