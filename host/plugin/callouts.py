"""proxy_http_call: calls of guests to other servers, from the host call to the callback with the outcome.

It must not know how a request is sent: that is its services' matter, which tell each `HttpCall` how it ended.
"""

from __future__ import annotations

import logging
import weakref
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any

from abi.types import MapType, Status
from host._core import ffi, lib
from host.headers import HeaderMap
from host.plugin.allowance import Allowance, allowance_of
from host.plugin.delivery import Delivery
from host.plugin.guests import Guest, guest_of
from host.plugin.services import CallInFlight, Timer
from host.plugin.settings import CalloutSettings
from host.plugin.targets import Address, Scheme
from host.plugin.tokens import TokenKind, Tokens

if TYPE_CHECKING:
    from host.plugin.context import RootContext

logger = logging.getLogger("sluiceway.plugin")

_BROKEN_CONNECTION = 11
"""What proxy_get_status tells in the callback of a call that failed: proxy-wasm-cpp-host's number, as in Envoy."""

_MOST_KEPT = 64
_deliveries: list[Delivery] = []  # for further calls: making one costs as much as filling it


class CallFailure(Enum):
    """Why there is no response: what guests read as `:dispatch_status`. The texts are ngx_wasm_module's, where it has
    one."""

    TIMEOUT = "timeout"
    CONNECTION_REFUSED = "connection refused"
    BROKEN_CONNECTION = "broken connection"
    RESOLVER_FAILURE = "resolver failure"
    TLS_HANDSHAKE_FAILURE = "tls handshake failure"
    READER_FAILURE = "reader failure"
    RESPONSE_TOO_LARGE = "response too large"
    NO_UPSTREAM = "no upstream"


class HttpCall:
    """One call. Whoever carries it out fills `delivery` and ends it by `completed` or `failed`.

    `address` is None where `upstream` names a configured one; `timeout`: seconds for all of it.
    """

    __slots__ = (
        "_allowance", "_calls", "_root", "_sent", "_timer", "address", "body", "delivery", "headers",
        "is_pending", "timeout", "token", "trailers", "upstream",
    )  # fmt: skip

    def __init__(
        self,
        calls: HttpCalls,
        allowance: Allowance,
        root: RootContext,
        token: int,
        upstream: str,
        address: Address | None,
        headers: HeaderMap,
        body: bytes,
        trailers: HeaderMap | None,
        timeout: float,
    ) -> None:
        self._calls, self._allowance = calls, allowance
        self._root = weakref.ref(root)
        self.token = token
        self.upstream, self.address = upstream, address
        self.headers, self.body, self.trailers = headers, body, trailers
        self.timeout = timeout
        self.delivery = _deliveries.pop() if _deliveries else Delivery()
        self.is_pending = True
        self._timer: Timer | None = None
        self._sent: CallInFlight | None = None

    def belongs_to(self, root: int) -> bool:
        """Whether it is a call of the plugin context with this id, or of one that is gone."""
        context = self._root()
        return context is None or context.id == root

    @property
    def plugin(self) -> str:
        """The name of the plugin that calls."""
        return self._allowance.plugin

    @property
    def callouts(self) -> CalloutSettings:
        """What it may."""
        return self._allowance.callouts

    def start(self) -> None:
        """Send it, now that its VM serves."""
        if self.is_pending and not self.send():
            self._calls.guest.services.soon(lambda: self.failed(CallFailure.NO_UPSTREAM))

    def send(self) -> bool:
        """Send it, and watch its time. False: it is refused at once."""
        services = self._calls.guest.services
        self._sent = services.http_call(self)
        if self._sent is None:
            return False
        self._timer = services.call_later(self.timeout, self._time_out)
        return True

    def completed(self) -> None:
        """The response is in `delivery`, all of it. Must not be called from inside the guest."""
        if not self.end():
            return
        self._deliver(self.delivery)
        if len(_deliveries) < _MOST_KEPT:  # nobody fills it any more
            self.delivery.clear()
            _deliveries.append(self.delivery)

    def failed(self, failure: CallFailure, detail: str = "") -> None:
        """There is no response. Must not be called from inside the guest."""
        if not self.end():
            return
        delivery = Delivery()  # whatever came of a response is not for the guest
        delivery.map(MapType.HTTP_CALL_RESPONSE_HEADERS).add(b":dispatch_status", failure.value.encode())
        delivery.set_status(_BROKEN_CONNECTION, f"{failure.value}: {detail}" if detail else failure.value)
        self._deliver(delivery)

    def _deliver(self, delivery: Delivery) -> None:
        root = self._root()
        if root is not None:
            root.deliver_http_call(delivery, self.token)

    def end(self) -> bool:
        """Forget about it; returns whether it was pending until now."""
        if not self.is_pending:
            return False
        self.is_pending = False
        self._calls.forget(self)
        self._allowance.give_back(len(self.body))
        if self._timer is not None:
            self._timer.cancel()
        self._sent = self._timer = None
        return True

    def cancel(self) -> None:
        """Give it up without a callback."""
        sent = self._sent
        if self.end() and sent is not None:
            sent.cancel()

    def _time_out(self) -> None:
        sent = self._sent
        if sent is not None:
            sent.cancel()
        self.failed(CallFailure.TIMEOUT)


class HttpCalls:
    """The calls of one guest that are in flight: a `host.plugin.guests.Subject`."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._tokens = Tokens(TokenKind.HTTP_CALL)
        self._in_flight: dict[int, HttpCall] = {}

    def begin(
        self,
        root: RootContext,
        upstream: str,
        headers: HeaderMap,
        body: bytes,
        trailers: HeaderMap | None,
        timeout: float,
    ) -> int | Status:
        """Begin a call and return its token, or why there is none. `timeout` in seconds, 0: the longest there is."""
        guest = self.guest
        allowance = allowance_of(root.key.settings, guest.services)  # several plugins may share a VM
        address = None
        if not guest.services.has_upstream(upstream):
            scheme: Scheme = "https" if headers.get(b":scheme") == b"https" else "http"
            if (address := allowance.address(upstream, scheme)) is None:
                return Status.BAD_ARGUMENT
        if not allowance.take(len(body)):
            return Status.INTERNAL_FAILURE
        longest = allowance.callouts.timeout
        timeout = timeout if 0 < timeout < longest else longest
        token = self._tokens.next(self._in_flight)
        call = HttpCall(self, allowance, root, token, upstream, address, headers, body, trailers, timeout)
        self._in_flight[token] = call
        if not guest.is_serving:
            guest.when_serving(call.start)
        elif not call.send():
            call.end()
            return Status.INTERNAL_FAILURE
        return token

    def forget(self, call: HttpCall) -> None:
        """A call is no longer in flight."""
        del self._in_flight[call.token]

    def root_ended(self, root: int) -> None:
        """Give up the calls of a plugin context."""
        for call in [call for call in self._in_flight.values() if call.belongs_to(root)]:
            call.cancel()

    def ended(self) -> None:
        """Give up all calls."""
        for call in list(self._in_flight.values()):
            call.cancel()


def _failed(kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
    """Ours, not the guest's: no exception crosses the core."""
    logger.error("proxy_http_call could not be carried out", exc_info=(kind, error, trace))


@ffi.def_extern(name="sw_http_call", error=int(Status.INTERNAL_FAILURE), onerror=_failed)  # type: ignore[untyped-decorator]
def _http_call(
    serial: int,
    root: int,
    upstream: Any,
    upstream_length: int,
    headers: Any,
    body: Any,
    body_length: int,
    trailers: Any,
    timeout: int,
    token: Any,
) -> int:
    """The core's way in: see core/callouts.h."""
    fields, trailing = _own(headers), _own(trailers) if trailers else None
    guest = guest_of(serial)
    context = guest.roots.get(root) if guest is not None else None
    if guest is None or context is None:  # it is on its way out: nothing could come back to it
        return Status.INTERNAL_FAILURE
    try:
        name = bytes(ffi.unpack(upstream, upstream_length)).decode()
    except UnicodeDecodeError:
        return Status.BAD_ARGUMENT
    content = bytes(ffi.unpack(body, body_length)) if body_length else b""
    begun = guest.subject(HttpCalls).begin(context, name, fields, content, trailing, timeout / 1000)
    if isinstance(begun, Status):
        return begun
    token[0] = begun
    return Status.OK


def _own(headers: Any) -> HeaderMap:
    return HeaderMap.view(ffi.gc(headers, lib.sw_headers_delete), None)
