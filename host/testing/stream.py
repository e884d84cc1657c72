"""One exchange under test: events go in by hand, and what leaves for either side is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from abi.properties import PropertyValue
from abi.types import Action
from host._core import lib
from host.headers import HeaderMap
from host.peer import ConnectionInfo
from host.plugin.properties import property_value
from host.stream import (
    LOCAL_RESPONSE,
    REQUEST_BLOCKED,
    REQUEST_BODY,
    REQUEST_END,
    REQUEST_HEAD,
    RESET,
    RESPONSE_BLOCKED,
    RESPONSE_BODY,
    RESPONSE_END,
    RESPONSE_HEAD,
    FilterChain,
    HttpStream,
)
from host.testing.hosted import Hosted, Tells

Fields = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Message:
    """What has left the chain on one side so far. `headers` is None until the head has left.

    `chunks` are the bytes of the content as they left, `trailers` is there when the message has `ended`.
    """

    headers: Fields | None = None
    chunks: list[bytes] = field(default_factory=list)
    trailers: Fields = field(default_factory=list)
    ended: bool = False

    @property
    def body(self) -> bytes:
        """The content so far."""
        return b"".join(self.chunks)

    def get(self, name: bytes) -> bytes | None:
        """Return the first field of that name (lower case)."""
        return next((value for key, value in self.headers or () if key == name), None)

    @property
    def status(self) -> int | None:
        """The status of a response whose head has left."""
        status = self.get(b":status")
        return int(status) if status is not None else None


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """An answer that did not come from the upstream, as it reached the client."""

    status: int
    headers: Fields
    body: bytes
    details: str


class _Stream(Tells, HttpStream):
    __slots__ = ("ready",)


class HostedStream(Hosted[_Stream]):
    """An exchange that runs through a chain.

    The events return Action.CONTINUE when what came, and all before it, has gone through the chain; Action.PAUSE when
    a filter holds it, has answered it, or has reset the exchange. `to_upstream` and `to_client` are what arrived there.
    A response's head goes to the client with the first bytes of its body wherever a filter could change that body, as
    in the gateway, which has to tell its length.
    """

    def __init__(
        self,
        chain: FilterChain,
        after: Callable[[], None],
        *,
        request_id: str = "",
        client: ConnectionInfo | None = None,
        upstream: ConnectionInfo | None = None,
    ) -> None:
        """`after` runs behind every event; `upstream` is known to plugins once the request's head has left."""
        super().__init__(_Stream(), after, request_id)
        self.to_upstream, self.to_client = Message(), Message()
        self.is_local = self.request_blocked = self.response_blocked = False
        self._upstream = upstream
        self._native.open(chain, client)
        self._details = ""

    def __repr__(self) -> str:
        if not self.is_open:
            return "<HostedStream [closed]>"
        sides = (("request", self.request_paused), ("response", self.response_paused))
        paused = [f"{side} paused" for side, is_paused in sides if is_paused]
        marks = ["local response"] * self.is_local + ["reset"] * self.is_reset
        return f"<HostedStream [{', '.join([*paused, *marks]) or 'open'}]>"

    # --- events

    def request_headers(self, headers: Iterable[tuple[bytes, bytes]], end_of_stream: bool = False) -> Action:
        """A request's head: pseudo-header fields first, names of any case."""
        _fill(self._native.request_headers, headers)
        return self._request(self._native.on_request_headers(end_of_stream))

    def request_body(self, data: bytes, end_of_stream: bool = False) -> Action:
        """Bytes of the request's content."""
        return self._request(self._native.on_request_body(data, end_of_stream))

    def request_trailers(self, trailers: Iterable[tuple[bytes, bytes]]) -> Action:
        """The request's trailers, which end it."""
        _fill(self._native.request_trailers, trailers)
        return self._request(self._native.on_request_trailers())

    def response_headers(self, headers: Iterable[tuple[bytes, bytes]], end_of_stream: bool = False) -> Action:
        """A response's head as the upstream sends it: `:status` first. After a local response it is ignored."""
        if not self.is_local:
            _fill(self._native.response_headers, headers)
        return self._response(self._native.on_response_headers(end_of_stream))

    def response_body(self, data: bytes, end_of_stream: bool = False) -> Action:
        """Bytes of the response's content."""
        return self._response(self._native.on_response_body(data, end_of_stream))

    def response_trailers(self, trailers: Iterable[tuple[bytes, bytes]]) -> Action:
        """The response's trailers, which end it."""
        if not self.is_local:
            _fill(self._native.response_trailers, trailers)
        return self._response(self._native.on_response_trailers())

    def gateway_response(self, status: int, body: bytes = b"", details: str = "") -> Action:
        """The gateway's own answer, such as 502 for an upstream that cannot be reached."""
        return self._response(self._native.local_response(status, (), body, details))

    def _before_close(self) -> None:
        self._details = self._native.details

    # --- what can be seen

    @property
    def current_request_headers(self) -> Fields:
        """The request's fields as the filters see them now."""
        return self._native.request_headers.items()

    @property
    def current_request_trailers(self) -> Fields:
        """The request's trailers as the filters see them now."""
        return self._native.request_trailers.items()

    @property
    def current_response_headers(self) -> Fields:
        """The response's fields as the filters see them now, those of a local response too."""
        return self._native.response_headers.items()

    @property
    def current_response_trailers(self) -> Fields:
        """The response's trailers as the filters see them now."""
        return self._native.response_trailers.items()

    @property
    def request_paused(self) -> bool:
        """Whether a filter holds the request."""
        return self._native.is_request_paused

    @property
    def response_paused(self) -> bool:
        """Whether a filter holds the response."""
        return self._native.is_response_paused

    @property
    def local_response(self) -> LocalResponse | None:
        """The answer that did not come from the upstream, once its head has left; None without one."""
        message = self.to_client
        if not self.is_local or message.headers is None or message.status is None:
            return None
        details = self._native.details if self.is_open else self._details
        return LocalResponse(message.status, message.headers, message.body, details)

    def get_property(self, path: str) -> PropertyValue | None:
        """Return a property by its path with dots, decoded (`response.code`: a number); None if there is none.

        What filters have set is bytes. Only while the exchange is open.
        """
        return property_value(self._native, path)

    def set_property(self, path: str, value: bytes) -> None:
        """Set state of the exchange, as a filter before the plugin would have."""
        name = path.replace(".", "\0").encode()
        if lib.sw_native_set_state(self._native.native, name, len(name), value, len(value)):
            raise ValueError("the exchange is over, or its state is full")

    # --- what leaves

    def _request(self, flags: int) -> Action:
        self._take(flags)
        self._after()
        is_over = self.is_local or self.is_reset
        return Action.PAUSE if is_over or self.request_paused else Action.CONTINUE

    def _response(self, flags: int) -> Action:
        self._take(flags)
        self._after()
        return Action.PAUSE if self.is_reset or self.response_paused else Action.CONTINUE

    def _take(self, flags: int) -> None:
        self.is_local |= bool(flags & LOCAL_RESPONSE)
        self.is_reset |= bool(flags & RESET)
        self.request_blocked = bool(flags & REQUEST_BLOCKED)
        self.response_blocked = bool(flags & RESPONSE_BLOCKED)
        native = self._native
        if flags & REQUEST_HEAD:
            self.to_upstream.headers = native.request_headers.items()
            if self._upstream is not None:
                native.set_upstream(self._upstream)
        if flags & REQUEST_BODY:
            self.to_upstream.chunks.append(native.take_request_body())
        if flags & REQUEST_END:
            self.to_upstream.ended, self.to_upstream.trailers = True, native.request_trailers.items()
        if flags & RESPONSE_HEAD:
            self.to_client.headers = native.response_headers.items()
        if flags & RESPONSE_BODY:
            self.to_client.chunks.append(native.take_response_body())
        if flags & RESPONSE_END:
            self.to_client.ended, self.to_client.trailers = True, native.response_trailers.items()


def _fill(into: HeaderMap, fields: Iterable[tuple[bytes, bytes]]) -> None:
    into.clear()
    for name, value in fields:
        into.add(name, value)
