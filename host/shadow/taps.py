"""The filters around a plugin, or around each of its parts: they note what goes in and what comes out.

They leave everything as it is. Which of two sees a message first depends on the direction; both know it by the order in
which they are called.
"""

from __future__ import annotations

from typing import ClassVar

from host.filters.python import FilterContext, PythonFilter
from host.shadow.comparison import Comparison, Shadowing

_REQUEST, _REQUEST_TRAILERS, _RESPONSE, _RESPONSE_TRAILERS = range(4)


class Tap(PythonFilter):
    """One side of a part. `index`: of the tap among those of its plugin, in the order of requests, `last` the last."""

    changes_bodies: ClassVar[bool] = False

    def __init__(self, shadowing: Shadowing, index: int, last: int) -> None:
        super().__init__()
        self._shadowing = shadowing
        self._index = index
        self._last = last

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """The request comes to the plugin, or leaves it."""
        if not self._index:
            begun = self._shadowing.begin(context, end_of_stream)
            if begun is not None:
                context.shared[self._key] = _State(begun, self._last + 1)
        state = self._state(context)
        if state is None:
            return
        self._fields(state, _REQUEST, context)
        if self._index == self._last:
            state.comparison.has_passed = True
            if end_of_stream:
                state.comparison.used.bodies[0].add(b"", True)

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> None:
        """Content of the request."""
        state = self._state(context)
        if state is None:
            return
        if not self._index:
            state.comparison.shadow.request_body_came(context.request_body, end_of_stream)
        if self._index == self._last:
            state.comparison.used.bodies[0].add(context.request_body, end_of_stream)

    def on_request_trailers(self, context: FilterContext, end_of_stream: bool) -> None:
        """The request's trailers."""
        state = self._state(context)
        if state is None:
            return
        self._fields(state, _REQUEST_TRAILERS, context)
        if not self._index:
            state.comparison.shadow.request_trailers_came(context.request_trailers.items())
        if self._index == self._last:
            state.comparison.used.bodies[0].add(b"", True)

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """The response comes to the plugin, or leaves it. One that the plugin itself has made is its answer."""
        state = self._state(context)
        if state is None:
            return
        comparison = state.comparison
        is_first, is_last = self._fields(state, _RESPONSE, context)
        if not comparison.has_passed:
            comparison.used.answer = context.response_headers.items()
            comparison.used.details = context.stream.details
        elif is_first:
            comparison.shadow.response_came(context.response_headers.items(), b"", end_of_stream)
        if is_last and end_of_stream:
            comparison.used.bodies[1].add(b"", True)

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> None:
        """Content of the response."""
        state = self._state(context)
        if state is None:
            return
        if state.first_of_response is self and state.comparison.has_passed:
            state.comparison.shadow.response_came(None, context.response_body, end_of_stream)
        if state.last_of_response is self:
            state.comparison.used.bodies[1].add(context.response_body, end_of_stream)

    def on_response_trailers(self, context: FilterContext, end_of_stream: bool) -> None:
        """The response's trailers."""
        state = self._state(context)
        if state is None:
            return
        is_first, is_last = self._fields(state, _RESPONSE_TRAILERS, context)
        if is_first and state.comparison.has_passed:
            state.comparison.shadow.response_came(None, b"", True, context.response_trailers.items())
        if is_last:
            state.comparison.used.bodies[1].add(b"", True)

    def on_log(self, context: FilterContext, end_of_stream: bool) -> None:
        """The exchange has ended."""
        state = self._state(context)
        if state is not None and not self._index:
            state.comparison.over()

    @property
    def _key(self) -> str:
        return f"shadow {id(self._shadowing)}"

    def _state(self, context: FilterContext) -> _State | None:
        found: _State | None = context.shared.get(self._key)
        return found

    def _fields(self, state: _State, kind: int, context: FilterContext) -> tuple[bool, bool]:
        """Note a map in front of a part, or behind it; returns whether this is the first tap that it comes to, or the
        last one."""
        count = state.seen[kind]
        state.seen[kind] += 1
        maps = (
            context.request_headers,
            context.request_trailers,
            context.response_headers,
            context.response_trailers,
        )
        fields = maps[kind].items()
        if count % 2 == 0:
            state.comparison.came(kind, fields)
        else:
            state.comparison.left(kind, fields)
        is_first, is_last = count == 0, count == state.taps - 1
        if kind == _RESPONSE and is_first:
            state.first_of_response = self
        if kind == _RESPONSE and is_last:
            state.last_of_response = self
        return is_first, is_last


class _State:
    """What the taps of one exchange share."""

    __slots__ = ("comparison", "first_of_response", "last_of_response", "seen", "taps")

    def __init__(self, comparison: Comparison, taps: int) -> None:
        self.comparison = comparison
        self.taps = taps
        self.seen = [0, 0, 0, 0]
        self.first_of_response: Tap | None = None
        self.last_of_response: Tap | None = None


def taps(shadowing: Shadowing, parts: int) -> list[tuple[Tap, Tap]]:
    """Return the taps in front of each part of a plugin and behind it."""
    last = 2 * parts - 1
    made = [Tap(shadowing, index, last) for index in range(2 * parts)]
    return list(zip(made[::2], made[1::2], strict=True))
