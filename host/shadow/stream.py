"""The exchange of a shadow: it gets copies of what comes, and what leaves it goes nowhere."""

from __future__ import annotations

from collections.abc import Callable

from host.chain import FilterChain
from host.headers import HeaderMap
from host.peer import ConnectionInfo
from host.shadow.effects import Effect, Fields, changes
from host.stream import (
    LOCAL_RESPONSE,
    REQUEST_BODY,
    REQUEST_END,
    REQUEST_HEAD,
    RESET,
    RESPONSE_BODY,
    RESPONSE_END,
    RESPONSE_HEAD,
    HttpStream,
)

_MOST_HELD = 1 << 20  # bytes of a response that waits for the shadow to be done with the request
_PART = 256  # bytes that each part of it takes beside


class ShadowStream(HttpStream):
    """One exchange. `done` is called when it `is_complete`; `effect` is what its plugin did.

    A response may come before the shadow has let the request go: it waits.
    """

    __slots__ = (
        "_before", "_done", "_held", "_held_bytes", "_response_ended", "_response_left", "effect", "has_let_request_go",
        "is_complete",
    )  # fmt: skip

    def __init__(self, done: Callable[[], None]) -> None:
        super().__init__()
        self.effect = Effect()
        self.is_complete = False
        self._done = done
        self._before: dict[int, Fields] = {}
        self.has_let_request_go = self._response_left = self._response_ended = False
        self._held: list[tuple[Fields | None, bytes, bool, Fields | None]] = []
        self._held_bytes = 0

    def begin(
        self, chain: FilterChain, client: ConnectionInfo | None, request_id: str, fields: Fields, end: bool
    ) -> None:
        """The request's head."""
        self.open(chain, client)
        self.request_id = request_id
        self._fill(0, fields)
        self._left(self.on_request_headers(end))

    def request_body_came(self, data: bytes, end: bool) -> None:
        """Content of the request."""
        if self._may():
            if self.chain.wants_request_body:
                self._left(self.on_request_body(data, end))
            else:
                self.effect.bodies[0].add(data, end)

    def request_trailers_came(self, fields: Fields) -> None:
        """The request's trailers."""
        if self._may():
            self._fill(1, fields)
            if self.chain.wants_request_body:
                self._left(self.on_request_trailers())
            else:
                self.effect.bodies[0].add(b"", True)

    def response_came(
        self, fields: Fields | None, data: bytes, end: bool, trailers: Fields | None = None
    ) -> None:
        """A part of the response: its head, content, its trailers."""
        if not self._may():
            return
        if not self.has_let_request_go:
            self._held.append((fields, data, end, trailers))
            self._held_bytes += len(data) + _PART
            if self._held_bytes > _MOST_HELD:
                self.close()
            return
        self._response_ended |= end or trailers is not None
        takes_bodies = self.chain.wants_response_body
        if not takes_bodies:
            self.effect.bodies[1].add(data, self._response_ended)
        if fields is not None:
            self._fill(2, fields)
            self._left(self.on_response_headers(end))
        elif not takes_bodies:
            self._left(0)
        elif trailers is not None:
            self._fill(3, trailers)
            self._left(self.on_response_trailers())
        else:
            self._left(self.on_response_body(data, end))

    def on_ready(self, flags: int) -> None:
        """The plugin goes on by itself."""
        if self._is_open:
            self._left(flags)

    def _may(self) -> bool:
        return self._is_open and not self.is_complete and self.effect.answer is None

    def _fill(self, kind: int, fields: Fields) -> None:
        into = self._map(kind)
        into.clear()
        for name, value in fields:
            into.add(name, value)
        self._before[kind] = fields

    def _map(self, kind: int) -> HeaderMap:
        return (self.request_headers, self.request_trailers, self.response_headers, self.response_trailers)[
            kind
        ]

    def _note(self, kind: int) -> None:
        self.effect.fields[kind] = changes(self._before.get(kind, []), self._map(kind).items())

    def _left(self, flags: int) -> None:
        effect = self.effect
        if flags & RESET:
            effect.details = self.details
            self._finish()
            return
        if flags & LOCAL_RESPONSE:
            effect.details = self.details
            effect.answer = []
        if flags & REQUEST_HEAD and effect.answer is None:
            self._note(0)
            self.has_let_request_go = True
        if flags & REQUEST_BODY:
            effect.bodies[0].add(self.take_request_body(), False)
        if flags & REQUEST_END:
            effect.bodies[0].add(b"", True)
            self._note(1)
        if flags & RESPONSE_HEAD:
            self._response_left = True
            if effect.answer is not None:
                effect.answer = self.response_headers.items()
            self._note(2)
        if flags & RESPONSE_BODY:
            effect.bodies[1].add(self.take_response_body(), False)
        if flags & RESPONSE_END:
            effect.bodies[1].add(b"", True)
            self._note(3)
            self._finish()
        elif self._response_left and self._response_ended and not self.chain.wants_response_body:
            self._finish()
        if self.has_let_request_go and self._held:
            held, self._held = self._held, []
            for each in held:
                self.response_came(*each)

    def _finish(self) -> None:
        if not self.is_complete:
            self.is_complete = True
            self._done()
