"""Filters written in Python: a class with the callbacks of the ABI takes part in a chain beside wasm plugins.

They see the same state in the same order as plugins do. They are trusted as the gateway's own code is: there is no
sandbox and no deadline around them, and they must not block.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, ClassVar

from abi.pairs import encode_pairs
from abi.properties import PropertyValue
from abi.types import Action, PeerType
from host._core import ffi, lib
from host.headers import HeaderMap
from host.plugin import streams
from host.plugin.properties import property_value, read_property
from host.reach import UpstreamChange
from host.stream import HttpStream, Stream

log = logging.getLogger("sluiceway.filter")

_REQUEST, _RESPONSE = 0, 1
_SHARED = -1  # beside the contexts of filters, whose keys are their indexes
_WHOLE = (1 << 63) - 1


def get_body(stream: Stream, index: int, side: int) -> bytes:
    """Return the bytes of a side that are in the hands of the filter with that index."""
    length = ffi.new("size_t *")
    text = lib.sw_native_body(stream.native, index, side, length)
    return bytes(ffi.unpack(text, length[0])) if length[0] else b""


def set_body(stream: Stream, index: int, side: int, data: bytes) -> None:
    """Put others in their place. Raises RuntimeError when they are not in its hands."""
    if lib.sw_native_set_body(stream.native, index, side, 0, _WHOLE, data, len(data)):
        raise RuntimeError("a body can be changed in its own callbacks and while the filter holds it")


def shared_of(stream: Stream) -> dict[str, Any]:
    """Return what `Hold.shared` is for an exchange or connection, to be read; nothing where no filter has been."""
    found: dict[str, Any] = (stream.user_state or {}).get(_SHARED, {})
    return found


class Hold:
    """What a filter's hold on an exchange, and that on a connection, have in common."""

    __slots__ = ("_index", "stream")

    def __init__(self, stream: Stream, index: int) -> None:
        self.stream = stream
        self._index = index

    def get_property(self, path: bytes) -> bytes | None:
        """Return the bytes that a plugin would read under this path (NUL between segments): well-known properties, and
        what filters and plugins have set."""
        return read_property(self.stream, path)

    def property_value(self, path: str) -> PropertyValue | None:
        """Return the decoded value under a path with dots: see `host.plugin.properties.property_value`."""
        return property_value(self.stream, path)

    def set_property(self, path: bytes, value: bytes) -> None:
        """Set state of this exchange or connection, which plugins read with proxy_get_property."""
        lib.sw_native_set_state(self.stream.native, path, len(path), value, len(value))

    @property
    def shared(self) -> dict[str, Any]:
        """What the filters in Python of one exchange or connection leave for each other, whatever their kind."""
        contexts = self.stream.user_state
        assert contexts is not None  # this one is in it
        found: dict[str, Any] = contexts.setdefault(_SHARED, {})
        return found

    @staticmethod
    def _wake() -> None:
        # Inside a callback nothing waits: the exchange settles itself behind it.
        streams.settle_woken()


class FilterContext(Hold):
    """One filter's hold on one exchange. `data` is the filter's own."""

    __slots__ = ("data",)

    stream: HttpStream

    def __init__(self, stream: HttpStream, index: int) -> None:
        super().__init__(stream, index)
        self.data: Any = None

    @property
    def request_headers(self) -> HeaderMap:
        """The request's fields, pseudo-headers first; changes count until the head has left."""
        return self.stream.request_headers

    @property
    def request_trailers(self) -> HeaderMap:
        """The request's trailers."""
        return self.stream.request_trailers

    @property
    def response_headers(self) -> HeaderMap:
        """The response's fields, `:status` first."""
        return self.stream.response_headers

    @property
    def response_trailers(self) -> HeaderMap:
        """The response's trailers."""
        return self.stream.response_trailers

    @property
    def request_body(self) -> bytes:
        """The bytes in the filter's hands: the chunk that passes, or all that it holds while paused.

        It can be set in on_request_body, while the filter holds the request, and in on_request_headers when the request
        has no body. Raises RuntimeError at other times.
        """
        return get_body(self.stream, self._index, _REQUEST)

    @request_body.setter
    def request_body(self, data: bytes) -> None:
        set_body(self.stream, self._index, _REQUEST, data)

    @property
    def response_body(self) -> bytes:
        """As `request_body`."""
        return get_body(self.stream, self._index, _RESPONSE)

    @response_body.setter
    def response_body(self, data: bytes) -> None:
        set_body(self.stream, self._index, _RESPONSE, data)

    def respond(
        self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"", details: str = ""
    ) -> None:
        """Answer instead of the upstream, once the callback has returned. The first answer wins.

        Raises ValueError for a status outside 200 to 999 and for a field that RFC 9110 does not allow.
        """
        if not 200 <= status <= 999:
            raise ValueError(f"no status of a response: {status}")
        fields = list(headers)
        for name, value in fields:
            if not lib.sw_is_valid_field(name, len(name), value, len(value)):
                raise ValueError(f"no field of a response: {name!r}: {value!r}")
        pairs, text = encode_pairs(fields), details.encode()
        lib.sw_native_local_response(
            self.stream.native, status, pairs, len(pairs), body, len(body), text, len(text)
        )
        self._wake()

    def resume_request(self) -> None:
        """Go on with a paused request; harmless when it is not paused."""
        lib.sw_native_resume(self.stream.native, self._index, _REQUEST)
        self._wake()

    def resume_response(self) -> None:
        """Go on with a paused response; harmless when it is not paused."""
        lib.sw_native_resume(self.stream.native, self._index, _RESPONSE)
        self._wake()

    @property
    def is_local_response(self) -> bool:
        """Whether the response that passes was made here, by a filter or by the gateway, and not by an upstream."""
        return bool(lib.sw_stream_is_local(self.stream.native))

    def variable(self, name: str) -> bytes | None:
        """Return the value of a variable as access logs have them (`remote_addr`, `arg_id`, …).

        None where there is no such variable, where it has no value, and for filters whose class does not say
        `reads_variables`.
        """
        return self.stream.variable(name)

    def reach(self, change: UpstreamChange) -> bool:
        """Change where the request goes, before its head has left. Returns False when there is no such upstream, or
        the request is on its way."""
        return self.stream.reach(change)

    def watch_request_body(self) -> bool:
        """Have on_request_body and on_request_trailers called although this filter holds the request's head.

        What it holds is then bounded by what filters may hold, beyond which the answer is 413, where it would have
        been slowed down. Returns whether the whole body is in `request_body` already. Raises RuntimeError when the
        filter does not hold the head, or takes no bodies.
        """
        return self._watch(_REQUEST)

    def watch_response_body(self) -> bool:
        """As `watch_request_body`; beyond the bound the answer is 502."""
        return self._watch(_RESPONSE)

    def _watch(self, side: int) -> bool:
        is_whole = lib.sw_native_watch_body(self.stream.native, self._index, side)
        if is_whole < 0:
            raise RuntimeError("a body can be watched by a filter that takes bodies and holds the head")
        self._wake()
        return bool(is_whole)

    def reset(self) -> None:
        """Abort the exchange."""
        lib.sw_native_reset(self.stream.native)
        self._wake()


class PythonFilter:
    """Base class of filters in Python; override what is needed, the rest costs nothing.

    One object is made for each configuration in use; what belongs to one exchange goes into `context.data`.
    Return `Action.PAUSE` to hold the message, and resume it later; None means `Action.CONTINUE`. With
    `allow_on_headers_stop_iteration` a pause in a callback of headers holds the head alone: the callbacks of the body
    run on, and the first that continues lets the head go with all that was held.
    """

    allow_on_headers_stop_iteration: ClassVar[bool] = False

    decode_bodies: ClassVar[bool] = False
    """Whether bodies come without their content codings (gzip, br, …), and leave so."""

    changes_bodies: ClassVar[bool] = True
    """Whether its callbacks may change bodies: where no filter does, lengths stay and heads do not wait for bodies."""

    reads_variables: ClassVar[bool] = False
    """Whether `context.variable` is used: the exchange then keeps what variables tell of."""

    max_body_size: int = 0
    """Bytes of a body that the filter may hold while it pauses; 0: the chain's limit."""

    def __init__(self, configuration: bytes = b"") -> None:
        """Take the configuration; raise ValueError with a reason to refuse it."""
        self.configuration = configuration

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The request's head has come."""

    def on_request_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Bytes of the request's content are in `context.request_body`."""

    def on_request_trailers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The request's trailers have come."""

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The response's head has come."""

    def on_response_body(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Bytes of the response's content are in `context.response_body`."""

    def on_response_trailers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The response's trailers have come."""

    def on_log(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The exchange has ended; everything can still be read."""

    def on_delete(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The last callback."""


class Unavailable(PythonFilter):
    """Stands in for the filters of a route whose plugins did not come up."""

    def __init__(self, status: int = 503, body: bytes | None = None) -> None:
        """`body`: JSON; None for the usual one."""
        super().__init__()
        self._status, self._body = status, _UNAVAILABLE if body is None else body

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Answer."""
        context.respond(
            self._status, [(b"Content-Type", b"application/json")], self._body, "plugin_unavailable"
        )


class NotFound(PythonFilter):
    """Ends the chain of requests that no route matches."""

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """Answer 404."""
        context.respond(404, [(b"content-type", b"application/json")], _NOT_FOUND, "route_not_found")


_UNAVAILABLE = b'{"error_msg":"503 A plugin of this route is not available"}\n'
_NOT_FOUND = b'{"error_msg":"404 Route Not Found"}\n'

_EVENTS = (
    "on_request_headers",
    "on_request_body",
    "on_request_trailers",
    "on_response_headers",
    "on_response_body",
    "on_response_trailers",
    "on_log",
    "on_delete",
)  # in the order of core/stream.h


class PythonFilterAdapter:
    """A `PythonFilter` in a chain."""

    __slots__ = ("callbacks", "filter", "native")

    context_type = FilterContext
    borrower = None

    def __init__(self, filter_: PythonFilter, *, access_logger: bool = False) -> None:
        """`access_logger`: the filter sees on_log and on_delete alone."""
        self.filter = filter_
        self.callbacks = tuple(getattr(filter_, name) for name in _EVENTS)
        overridden = [getattr(type(filter_), name) is not getattr(PythonFilter, name) for name in _EVENTS]
        events = sum(1 << bit for bit, is_own in enumerate(overridden) if is_own)
        self.native = ffi.gc(lib.sw_filter_new_native(events), lib.sw_filter_delete)
        if access_logger:
            lib.sw_filter_only_log(self.native)
        if not filter_.changes_bodies:
            lib.sw_filter_only_reads(self.native)
        lib.sw_filter_stop_head_alone(self.native, filter_.allow_on_headers_stop_iteration)
        lib.sw_filter_limit_bodies(self.native, filter_.max_body_size, filter_.max_body_size)

    @property
    def reads_variables(self) -> bool:
        """As the filter's class says."""
        return self.filter.reads_variables

    @property
    def decodes_bodies(self) -> bool:
        """As the filter's class says."""
        return self.filter.decode_bodies

    def attend(self) -> None:
        """Nothing is left behind: Python filters log for themselves."""


_FIRST_CLOSE = 11  # events from here on tell of a closed connection, and bring along who closed it


def _failed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    log.error("a filter in Python failed", exc_info=(kind, error, trace))


@ffi.def_extern(name="sw_call_native_filter", error=-1, onerror=_failed)  # type: ignore[untyped-decorator]
def _call(number: int, index: int, event: int, what: int, end_of_stream: int) -> int:
    """The core's one way in: the event of an exchange or connection to one filter. -1 fails it."""
    stream = streams.stream_of(number)
    assert isinstance(stream, Stream)
    filter_: Any = stream.chain.filters[index]
    contexts = stream.user_state
    if contexts is None:
        contexts = stream.user_state = {}
    context = contexts.get(index)
    if context is None:
        context = contexts[index] = filter_.context_type(stream, index)
    argument = bool(end_of_stream) if event < _FIRST_CLOSE else PeerType(what)
    return filter_.callbacks[event](context, argument) or 0
