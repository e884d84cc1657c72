"""One exchange that two plugins have worked on, until both are done and it is known how they differ."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from host.chain import FilterChain
from host.filters.python import FilterContext
from host.shadow.effects import Difference, Effect, Fields, changes, compare
from host.shadow.stream import ShadowStream

Result = Literal["equal", "different", "incomplete", "skipped"]
Told = Callable[["Shadowing", Result, "Subject", list[Difference]], None]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report says of the exchange: its request's name, method and path as the plugins got them."""

    request_id: str
    method: str
    path: str


@dataclass(frozen=True, slots=True, eq=False)
class Shadowing:
    """A plugin and its shadow, as one use of them has them.

    `used`, `other`: the names of the plugin that counts and of the one that does not. `chain`: of the latter. `sample`:
    the share of exchanges, from 0 to 1. `timeout`: seconds that the shadow has after the exchange has ended. `most`:
    exchanges that may wait for their shadows.
    """

    used: str
    other: str
    chain: FilterChain
    tell: Told
    call_later: Callable[[float, Callable[[], None]], Any]
    sample: float = 1.0
    timeout: float = 5.0
    ignored: Collection[bytes] = ()
    most: int = 256
    waiting: set[Comparison] = field(default_factory=set)

    def begin(self, context: FilterContext, end_of_stream: bool) -> Comparison | None:
        """An exchange has come to the plugins; None when this one is not compared."""
        if self.sample < 1.0 and random.random() >= self.sample:
            return None
        fields = context.request_headers.items()
        if len(self.waiting) >= self.most:
            self.tell(self, "skipped", _subject(context, fields), [])
            return None
        return Comparison(self, context, fields, end_of_stream)


class Comparison:
    """The work on one exchange. `used` is the effect of the plugin that counts, filled by the taps around it."""

    def __init__(
        self, shadowing: Shadowing, context: FilterContext, fields: Fields, end_of_stream: bool
    ) -> None:
        self.used = Effect()
        self.has_passed = False  # the request has left the plugin that counts
        self._before: dict[int, Fields] = {}
        self._shadowing = shadowing
        self._subject = _subject(context, fields)
        self._is_over = self._is_told = False
        self.shadow = ShadowStream(self._shadow_done)
        shadowing.waiting.add(self)
        name = f"{self._subject.request_id} (shadow)"
        self.shadow.begin(shadowing.chain, context.stream.client, name, fields, end_of_stream)

    def came(self, kind: int, fields: Fields) -> None:
        """A map before the plugin, or a part of it, has seen it."""
        self._before[kind] = fields

    def left(self, kind: int, fields: Fields) -> None:
        """The map behind it. Several parts of a plugin change fields one after the other."""
        self.used.fields[kind].update(changes(self._before.get(kind, fields), fields))

    def over(self) -> None:
        """The exchange has ended; the shadow has some time yet."""
        self._is_over = True
        if not self._has_ended():
            self._tell("incomplete", [])
        elif self._is_decided():
            self._settle()
        else:
            self._shadowing.call_later(self._shadowing.timeout, self._settle)

    def _has_ended(self) -> bool:
        return self.used.bodies[1].is_whole

    def _is_decided(self) -> bool:
        """Whether the shadow has done all that it can: behind an answer of the other one nothing more comes for it."""
        return self.shadow.is_complete or (self.used.answer is not None and self.shadow.has_let_request_go)

    def _shadow_done(self) -> None:
        if self._is_over:
            self._shadowing.call_later(0.0, self._settle)  # it is in the midst of an event of its own

    def _settle(self) -> None:
        if not self._is_decided():
            self._tell("incomplete", [])
            return
        differences = compare(self.used, self.shadow.effect, self._shadowing.ignored)
        self._tell("different" if differences else "equal", differences)

    def _tell(self, result: Result, differences: list[Difference]) -> None:
        if not self._is_told:
            self._is_told = True
            self._shadowing.waiting.discard(self)
            self.shadow.close()
            self._shadowing.tell(self._shadowing, result, self._subject, differences)


def _subject(context: FilterContext, fields: Fields) -> Subject:
    values = dict(reversed(fields))
    path = values.get(b":path", b"").partition(b"?")[0]  # what is in a query may be a secret
    return Subject(
        context.stream.request_id, values.get(b":method", b"").decode("latin-1"), path.decode("latin-1")
    )
