"""proxy_http_call: calls of guests to other servers, from the host call to the callback with the outcome.

It must not know how a request is sent: that is its services' matter, which tell each `HttpCall` how it ended.
"""

from __future__ import annotations

import logging
import weakref
from enum import Enum
from typing import TYPE_CHECKING

from abi.pairs import decode_pairs
from abi.types import MapType, Status
from host import hot
from host.headers import HeaderMap
from host.plugin.allowance import allowance_of
from host.plugin.delivery import Delivery
from host.plugin.guests import Guest, guest_of
from host.plugin.services import CallInFlight
from host.plugin.settings import CalloutSettings
from host.plugin.targets import Address
from host.plugin.timeouts import Timeouts
from host.plugin.tokens import TokenKind, Tokens

if TYPE_CHECKING:
    from host.plugin.context import RootContext

logger = logging.getLogger("sluiceway.plugin")

_BROKEN_CONNECTION = 11
"""What proxy_get_status tells in the callback of a call that failed: proxy-wasm-cpp-host's number, as in Envoy."""

_MOST_KEPT = 64
_deliveries: list[CallDelivery] = []  # for further calls: making one costs as much as filling it


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


class CallDelivery(Delivery):
    """One for the calls past cffi."""

    __slots__ = ("handle",)

    def __init__(self) -> None:
        super().__init__()
        self.handle = hot.capsule(self.pointer)


class HttpCall:
    """One call. Whoever carries it out fills `delivery` and ends it by `completed` or `failed`.

    `address` is None where `upstream` names a configured one. `head`: of the request, as bytes for HTTP/1.1; `framing`:
    what it says of the content, as the writer of heads takes it; `flags`: the judge's, for the response. `timeout`:
    seconds for all of it.
    """

    __slots__ = (
        "_caller", "_pairs", "_sent", "_trailer_pairs", "address", "body", "delivery", "flags", "framing", "head",
        "is_pending", "timeout", "token", "upstream",
    )  # fmt: skip

    def __init__(
        self,
        caller: Caller,
        upstream: str,
        head: bytes,
        framing: int,
        flags: int,
        body: bytes,
        timeout: float,
        pairs: bytes,
        trailer_pairs: bytes,
    ) -> None:
        self._caller = caller
        self.upstream = upstream
        self.address: Address | None = None
        self.head, self.framing, self.flags, self.body = head, framing, flags, body
        self.timeout = timeout
        self._pairs, self._trailer_pairs = pairs, trailer_pairs
        self.token = 0
        try:
            self.delivery = _deliveries.pop()
        except IndexError:
            self.delivery = CallDelivery()
        self.is_pending = True
        self._sent: CallInFlight | None = None

    @property
    def headers(self) -> HeaderMap:
        """The fields as the guest gave them."""
        return HeaderMap(decode_pairs(self._pairs))

    @property
    def trailers(self) -> HeaderMap | None:
        """Those behind the content, if there are any."""
        return HeaderMap(decode_pairs(self._trailer_pairs)) if self._trailer_pairs else None

    @property
    def plugin(self) -> str:
        """The name of the plugin that calls."""
        return self._caller.allowance.plugin

    @property
    def callouts(self) -> CalloutSettings:
        """What it may."""
        return self._caller.allowance.callouts

    def start(self) -> None:
        """Send it, now that its VM serves."""
        if self.is_pending and not self.send():
            self._caller.calls.services.soon(lambda: self.failed(CallFailure.NO_UPSTREAM))

    def send(self) -> bool:
        """Send it, and watch its time. False: it is refused at once."""
        calls = self._caller.calls
        self._sent = sent = calls.services.http_call(self)
        if sent is None:
            return False
        calls.timeouts.watch(self)
        return True

    def completed(self) -> None:
        """The response is in `delivery`, all of it. Must not be called from inside the guest."""
        if not self.end():
            return
        delivery = self.delivery
        if self._deliver(delivery) and len(_deliveries) < _MOST_KEPT:  # nobody fills it any more
            _deliveries.append(delivery)

    def failed(self, failure: CallFailure, detail: str = "") -> None:
        """There is no response. Must not be called from inside the guest."""
        if not self.end():
            return
        delivery = CallDelivery()  # whatever came of a response is not for the guest
        delivery.map(MapType.HTTP_CALL_RESPONSE_HEADERS).add(b":dispatch_status", failure.value.encode())
        delivery.set_status(_BROKEN_CONNECTION, f"{failure.value}: {detail}" if detail else failure.value)
        self._deliver(delivery)

    def _deliver(self, delivery: CallDelivery) -> bool:
        """Run the callback, if there is still somebody to hear it: the delivery is empty then."""
        root = self._caller.root()
        if root is None:
            return False
        root.deliver_http_call(delivery.handle, self.token)
        return True

    def end(self) -> bool:
        """Forget about it; returns whether it was pending until now."""
        if not self.is_pending:
            return False
        self.is_pending = False
        self._sent = None
        caller = self._caller
        caller.allowance.give_back(len(self.body))
        caller.calls.forget(self)
        return True

    def cancel(self) -> None:
        """Give it up without a callback."""
        sent = self._sent
        if self.end() and sent is not None:
            sent.cancel()

    def time_out(self) -> None:
        """Its time is over."""
        sent = self._sent
        if sent is not None:
            sent.cancel()
        self.failed(CallFailure.TIMEOUT)


class Caller:
    """A plugin context that makes calls. Several plugins may share a VM: each has its own allowance."""

    __slots__ = ("allowance", "calls", "root")

    def __init__(self, calls: HttpCalls, root: RootContext) -> None:
        self.calls = calls
        self.root = weakref.ref(root)
        self.allowance = allowance_of(root.key.settings, calls.services)

    def begin(self, call: HttpCall, is_https: bool) -> int:
        """Begin the call and return its token, or why there is none: a Status with its sign changed.

        `is_https`: for an address that does not say. The call's timeout is 0 for the longest that there is.
        """
        calls, allowance = self.calls, self.allowance
        if not calls.services.has_upstream(call.upstream):
            call.address = address = allowance.address(call.upstream, "https" if is_https else "http")
            if address is None:
                return -Status.BAD_ARGUMENT
        if not allowance.take(len(call.body)):
            return -Status.INTERNAL_FAILURE
        longest = allowance.callouts.timeout
        if not 0 < call.timeout < longest:
            call.timeout = longest
        return calls.begin(call)


class HttpCalls:
    """The calls of one guest that are in flight: a `host.plugin.guests.Subject`."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.services = guest.services
        self.timeouts = Timeouts(guest.services)
        self._tokens = Tokens(TokenKind.HTTP_CALL)
        self._in_flight: dict[int, HttpCall] = {}
        self._callers: dict[int, Caller] = {}

    def caller(self, root: RootContext) -> Caller:
        """Return the plugin context as one that calls."""
        found = self._callers[root.id] = _callers[_key(self.guest, root.id)] = Caller(self, root)
        return found

    def begin(self, call: HttpCall) -> int:
        """Send it, at once or when its VM serves, and return its token, or a Status with its sign changed."""
        call.token = token = self._tokens.next(self._in_flight)
        self._in_flight[token] = call
        if not self.guest.is_serving:
            self.guest.when_serving(call.start)
        elif not call.send():
            call.end()
            return -Status.INTERNAL_FAILURE
        return token

    def forget(self, call: HttpCall) -> None:
        """A call is no longer in flight."""
        del self._in_flight[call.token]
        self.timeouts.forget(call)

    def root_ended(self, root: int) -> None:
        """Give up the calls of a plugin context."""
        caller = self._callers.pop(root, None)
        _callers.pop(_key(self.guest, root), None)
        for call in [call for call in self._in_flight.values() if call._caller is caller]:
            call.cancel()

    def ended(self) -> None:
        """Give up all calls."""
        for call in list(self._in_flight.values()):
            call.cancel()
        self.timeouts.close()
        for root in self._callers:
            del _callers[_key(self.guest, root)]
        self._callers.clear()


_callers: dict[int, Caller] = {}
"""By the number that the core knows a plugin context by, over all VMs: see `host.hot.serve_http_calls`."""


def _key(guest: Guest, root: int) -> int:
    return guest.serial << 32 | root


def _new_caller(key: int) -> Caller | None:
    guest = guest_of(key >> 32)
    root = guest.roots.get(key & 0xFFFFFFFF) if guest is not None else None
    return guest.subject(HttpCalls).caller(root) if guest is not None and root is not None else None


def _begin(
    key: int,
    upstream: str,
    head: bytes,
    framing: int,
    flags: int,
    body: bytes,
    milliseconds: int,
    pairs: bytes,
    trailers: bytes,
    is_https: bool,
) -> int:
    try:
        caller = _callers.get(key) or _new_caller(key)
        if caller is None:  # it is on its way out: nothing could come back to it
            return -Status.INTERNAL_FAILURE
        call = HttpCall(caller, upstream, head, framing, flags, body, milliseconds / 1000, pairs, trailers)
        return caller.begin(call, is_https)
    except Exception:
        logger.exception("proxy_http_call could not be carried out")  # ours, not the guest's
        return -Status.INTERNAL_FAILURE


hot.serve_http_calls(_begin)
