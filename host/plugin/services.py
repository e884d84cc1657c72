"""What plugins need of their surroundings: a clock, a helper off the loop, and somewhere to say things.

The gateway supplies an event loop's, the test kit one that is driven by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from abi.types import LogLevel
from host.metrics.table import MetricsTable
from host.store import Stores

if TYPE_CHECKING:
    from host.plugin.callouts import HttpCall
    from host.plugin.foreign import ForeignFunctions
    from host.plugin.grpc_call import GrpcCall

T = TypeVar("T")


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None:
        """Forget the call; harmless when it was made."""


class CallInFlight(Protocol):
    """A call that was sent."""

    def cancel(self) -> None:
        """Give it up: nobody waits for its outcome any more. Harmless when it has come."""


class GrpcInFlight(Protocol):
    """A gRPC call or stream that was begun."""

    @property
    def unsent(self) -> int:
        """Bytes that wait for the server to take them."""

    def send(self, message: bytes, end: bool) -> bool:
        """Send a message; `end`: the last one. False: it cannot be sent."""

    def half_close(self) -> None:
        """Say that no more messages come."""

    def cancel(self) -> None:
        """End it: nothing is heard of it any more."""


class Services(Protocol):
    """All methods return at once and never raise.

    `stores`: shared data and queues. `metrics`: where guests, and the host itself, count.
    `foreign_functions`: what guests call by name.
    """

    @property
    def stores(self) -> Stores: ...

    @property
    def metrics(self) -> MetricsTable: ...

    @property
    def foreign_functions(self) -> ForeignFunctions: ...

    def now(self) -> float:
        """Seconds on a clock that never goes back; its zero means nothing."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once after that time, on the thread that owns the plugins."""

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back on the thread that owns the plugins, when the guest that may be in a host call has returned."""

    def in_background(self, work: Callable[[], T], done: Callable[[T | BaseException], None]) -> None:
        """Run `work` elsewhere, then `done` with its result or exception on the owning thread."""

    def guest_lines(self, plugin: str, context: int, request: str, lines: list[tuple[int, bytes]]) -> None:
        """Take what a guest logged in one go, as level (`abi.types.LogLevel`) and message.

        `request` names the request, "" outside of one; `context` 0 is the VM itself.
        """

    def event(self, level: LogLevel, message: str, plugin: str) -> None:
        """Take a line of the host's own about a plugin."""

    def has_upstream(self, name: str) -> bool:
        """Whether an upstream of this name or id is configured. From any thread."""

    def http_call(self, call: HttpCall) -> CallInFlight | None:
        """Send the call's request, and tell the call of the outcome, later; None: it is refused at once."""

    def grpc_call(self, call: GrpcCall) -> GrpcInFlight | None:
        """Begin the call or stream, and tell it what is heard of it, later; None: it is refused at once."""
