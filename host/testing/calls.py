"""Calls of a plugin to other servers, answered by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from abi.types import BufferType, MapType
from host.plugin.callouts import CallFailure, HttpCall

Fields = list[tuple[bytes, bytes]]


class HostedCall:
    """A `proxy_http_call` that waits for its outcome: `respond` or `fail`, or the end of its time on the host's clock.

    Each runs the plugin's proxy_on_http_call_response, and whatever comes of it, before it returns.
    """

    def __init__(self, call: HttpCall, pending: list[HostedCall], after: Callable[[], None]) -> None:
        """`pending`: where it stands until it is over; `after` sees to what its outcome has led to."""
        self._call = call
        self._waiting = pending
        self._after = after
        pending.append(self)
        self.plugin = call.plugin
        self.upstream = call.upstream
        self.headers: Fields = call.headers.items()
        self.body = call.body
        trailers = call.trailers
        self.trailers: Fields = trailers.items() if trailers is not None else []
        self.timeout = call.timeout
        self.token = call.token

    def __repr__(self) -> str:
        target = f"{self._text(b':method')} {self._text(b':path')}"
        return (
            f"<HostedCall {self.token} to {self.upstream!r}: {target}{'' if self.is_pending else ', over'}>"
        )

    def _text(self, name: bytes) -> str:
        return (self.get(name) or b"").decode(errors="replace")

    def get(self, name: bytes) -> bytes | None:
        """Return the first field of the request of that name (lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def is_pending(self) -> bool:
        """Whether the plugin still waits for it: its plugin context may end, or its time."""
        return self._call.is_pending

    def respond(
        self,
        status: int = 200,
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        trailers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Answer it. A body over `max_response_size` of the plugin's callouts makes it fail, as in the gateway.

        Raises LookupError when the call is over.
        """
        call = self._pending()
        if len(body) > call.callouts.max_response_size:
            self.fail(CallFailure.RESPONSE_TOO_LARGE)
            return
        delivery = call.delivery
        into = delivery.map(MapType.HTTP_CALL_RESPONSE_HEADERS)
        into.add(b":status", b"%d" % status)
        for name, value in headers:
            into.add(name, value)
        delivery.append(BufferType.HTTP_CALL_RESPONSE_BODY, body)
        for name, value in trailers:
            delivery.map(MapType.HTTP_CALL_RESPONSE_TRAILERS).add(name, value)
        self._waiting.remove(self)
        call.completed()
        self._after()

    def fail(self, failure: CallFailure = CallFailure.BROKEN_CONNECTION, detail: str = "") -> None:
        """Let it fail; `detail` goes behind the failure's name in what proxy_get_status tells.

        Raises LookupError when the call is over.
        """
        call = self._pending()
        self._waiting.remove(self)
        call.failed(failure, detail)
        self._after()

    def cancel(self) -> None:
        """The plugin's host gives it up: its time, or its plugin context, has ended."""
        self._waiting.remove(self)

    def _pending(self) -> HttpCall:
        if not self._call.is_pending:
            raise LookupError(f"{self!r} waits for no answer")
        return self._call
