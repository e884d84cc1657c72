"""A gRPC call or stream of a guest, and the callbacks that come of it.

It must not know how a call is carried out: that is its services' matter, which tell each `GrpcCall` what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abi.grpc_status import GrpcStatus
from abi.types import BufferType, MapType
from host.headers import HeaderMap
from host.plugin.allowance import Allowance
from host.plugin.delivery import Delivery
from host.plugin.services import GrpcInFlight
from host.plugin.settings import CalloutSettings
from host.plugin.targets import Address

if TYPE_CHECKING:
    from host.plugin.grpc import GrpcCalls


@dataclass(frozen=True, slots=True)
class GrpcRequest:
    """What a guest asks for. `address` is None where `upstream` names a configured one. `timeout`: seconds for all of a
    call; None for a stream, which may last. `authority`: "" for the node's own.
    """

    upstream: str
    address: Address | None
    service: str
    method: str
    metadata: HeaderMap
    authority: str = ""
    timeout: float | None = None


class GrpcCall:
    """A call or a stream. Whoever carries it out tells it what it hears (as a receiver of `host.upstream.grpc`), never
    from inside the guest.
    """

    def __init__(
        self, calls: GrpcCalls, allowance: Allowance, root: int, token: int, request: GrpcRequest
    ) -> None:
        self._calls, self.allowance = calls, allowance
        self.root, self.token, self.request = root, token, request
        self.is_pending = True
        self.is_half_closed = False
        self._sent: GrpcInFlight | None = None
        self._early: list[bytes] = []  # messages of a VM that does not serve yet

    @property
    def plugin(self) -> str:
        """The name of the plugin that calls."""
        return self.allowance.plugin

    @property
    def callouts(self) -> CalloutSettings:
        """What it may."""
        return self.allowance.callouts

    @property
    def unsent(self) -> int:
        """Bytes that wait for the server to take them."""
        return sum(map(len, self._early)) if self._sent is None else self._sent.unsent

    # --- out

    def start(self) -> bool:
        """Begin it, now that its VM serves. False: it is refused at once."""
        if not self.is_pending:
            return True
        sent = self._sent = self._calls.guest.services.grpc_call(self)
        if sent is None:
            return False
        early, self._early = self._early, []
        for message in early:
            sent.send(message, False)
        if self.is_half_closed:
            sent.half_close()
        return True

    def start_later(self) -> None:
        """Begin it; that it is refused the guest hears in a callback, as its host call has returned."""
        if not self.start():
            reason = f"no server can be asked for {self.request.upstream}"
            self._calls.guest.services.soon(lambda: self.closed(GrpcStatus.UNAVAILABLE, reason))

    def send(self, message: bytes | None, end: bool) -> bool:
        """Queue a message (None: only say that there are no more). False: it cannot be sent."""
        if self.is_half_closed:
            return message is None
        if self._sent is None:
            if message is not None:
                self._early.append(message)
        elif message is None:
            self._sent.half_close()
        elif not self._sent.send(message, end):
            return False
        self.is_half_closed = end
        return True

    def cancel(self) -> None:
        """End it without a callback."""
        sent = self._sent
        if self._end() and sent is not None:
            sent.cancel()

    def _end(self) -> bool:
        if not self.is_pending:
            return False
        self.is_pending = False
        self._sent = None
        self._calls.forget(self)
        self.allowance.give_back(0)
        return True

    # --- in: a stream

    def initial_metadata(self, fields: HeaderMap) -> None:
        """The response has begun."""
        self._deliver_map(
            "proxy_on_grpc_receive_initial_metadata", MapType.GRPC_CALL_INITIAL_METADATA, fields
        )

    def message(self, data: bytes) -> None:
        """A message has come."""
        self._deliver_message(data)

    def trailing_metadata(self, fields: HeaderMap) -> None:
        """The response ends."""
        self._deliver_map(
            "proxy_on_grpc_receive_trailing_metadata", MapType.GRPC_CALL_TRAILING_METADATA, fields
        )

    def closed(self, status: int, message: str) -> None:
        """It has ended: the last callback."""
        if self._end():
            self._deliver_close(status, message)

    # --- callbacks

    def _deliver_map(self, callback: str, kind: MapType, fields: HeaderMap) -> None:
        delivery = Delivery()
        into = delivery.map(kind)
        for name, value in fields:
            into.add(name, value)
        self._deliver(callback, delivery, len(into))

    def _deliver_message(self, data: bytes) -> None:
        delivery = Delivery()
        delivery.append(BufferType.GRPC_CALL_MESSAGE, data)
        self._deliver("proxy_on_grpc_receive", delivery, len(data))

    def _deliver_close(self, status: int, message: str) -> None:
        delivery = Delivery()
        delivery.set_status(status, message)
        self._deliver("proxy_on_grpc_close", delivery, status)

    def _deliver(self, callback: str, delivery: Delivery, argument: int) -> None:
        root = self._calls.guest.roots.get(self.root)
        if root is not None:
            root.deliver(callback, delivery, self.token, argument)


class GrpcUnaryCall(GrpcCall):
    """A call: one message each way. Its guest gets one callback, as in Envoy: the message, or else how it failed."""

    _message: bytes | None = None

    def initial_metadata(self, fields: HeaderMap) -> None:
        """Not for the guest."""

    trailing_metadata = initial_metadata

    def message(self, data: bytes) -> None:
        """Keep it until the status has come."""
        if self._message is None:
            self._message = data
            return
        sent = self._sent
        self.closed(GrpcStatus.INTERNAL, "more than one message for a call")
        if sent is not None:
            sent.cancel()

    def closed(self, status: int, message: str) -> None:
        """It has ended."""
        if not self._end():
            return
        if status != GrpcStatus.OK:
            self._deliver_close(status, message)
        elif self._message is None:
            self._deliver_close(GrpcStatus.INTERNAL, "no message for a call")
        else:
            self._deliver_message(self._message)
