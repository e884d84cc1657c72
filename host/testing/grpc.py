"""gRPC calls and streams of a plugin, answered by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from abi.grpc_status import GrpcStatus
from host.headers import HeaderMap
from host.plugin.grpc_call import GrpcCall, GrpcUnaryCall
from host.plugin.services import Timer

Fields = list[tuple[bytes, bytes]]


class HostedGrpcCall:
    """A `proxy_grpc_call` or `proxy_grpc_stream` that the test plays the server of.

    `metadata`: what the plugin gave. `messages`: what it has sent so far; `is_half_closed`: it sends no more. Each
    method runs the plugin's callbacks, and whatever comes of them, before it returns.
    """

    def __init__(
        self,
        call: GrpcCall,
        pending: list[HostedGrpcCall],
        call_later: Callable[[float, Callable[[], None]], Timer],
        after: Callable[[], None],
    ) -> None:
        """`pending`: where it stands until it is over; `after` sees to what the plugin's callbacks have led to."""
        self._call, self._waiting, self._after = call, pending, after
        pending.append(self)
        request = call.request
        self.plugin = call.plugin
        self.upstream = request.upstream
        self.service, self.method = request.service, request.method
        self.metadata: Fields = request.metadata.items()
        self.timeout = request.timeout
        self.token = call.token
        self.is_stream = not isinstance(call, GrpcUnaryCall)
        self.messages: list[bytes] = []
        self.is_half_closed = False
        self._timer: Timer | None = None
        if self.timeout is not None:
            self._timer = call_later(self.timeout, self._time_out)

    def __repr__(self) -> str:
        kind = "stream" if self.is_stream else "call"
        over = "" if self.is_pending else ", over"
        return (
            f"<HostedGrpcCall {kind} {self.token} to {self.upstream!r}: /{self.service}/{self.method}{over}>"
        )

    @property
    def is_pending(self) -> bool:
        """Whether the plugin still waits for it: it may cancel it, its plugin context may end, or its time."""
        return self._call.is_pending

    # --- what the test says as the server

    def send_initial_metadata(self, fields: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Begin the response. Raises LookupError when the call is over."""
        self._pending().initial_metadata(HeaderMap([(b":status", b"200"), *fields]))
        self._after()

    def send(self, message: bytes) -> None:
        """Send a message. One over `max_response_size` of the plugin's callouts ends the call, as in the gateway.

        Raises LookupError when the call is over.
        """
        call = self._pending()
        limit = call.callouts.max_response_size
        if len(message) > limit:
            text = f"a message of {len(message)} bytes, over the limit of {limit}"
            self.close(GrpcStatus.RESOURCE_EXHAUSTED, text)
            return
        call.message(message)
        self._after()

    def close(
        self,
        status: int = GrpcStatus.OK,
        message: str = "",
        trailing_metadata: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """End it with a status. Raises LookupError when the call is over."""
        call = self._pending()
        self._leave()
        call.trailing_metadata(HeaderMap(trailing_metadata))
        call.closed(status, message)  # nothing happens if the plugin has cancelled it meanwhile
        self._after()

    def respond(self, message: bytes) -> None:
        """Answer a call with its one message and OK. Raises LookupError when the call is over."""
        self.send(message)
        if self.is_pending:
            self.close()

    def _leave(self) -> None:
        if self in self._waiting:
            self._waiting.remove(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        if self.is_pending:
            self.close(GrpcStatus.DEADLINE_EXCEEDED, "the call's time is over")

    def _pending(self) -> GrpcCall:
        if not self._call.is_pending:
            raise LookupError(f"{self!r} is over")
        return self._call


class GuestSide:
    """The plugin's end of it, `host.plugin.services.GrpcInFlight`: what it does is written down for the test."""

    unsent = 0  # the test takes every message at once

    def __init__(self, hosted: HostedGrpcCall) -> None:
        self._hosted = hosted

    def send(self, message: bytes, end: bool) -> bool:
        """A message of the plugin."""
        self._hosted.messages.append(message)
        self._hosted.is_half_closed = end
        return True

    def half_close(self) -> None:
        """The plugin sends no more."""
        self._hosted.is_half_closed = True

    def cancel(self) -> None:
        """The plugin, or its host, gives it up."""
        self._hosted._leave()
