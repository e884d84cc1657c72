"""What the client side asks of an exchange, so that `host.http` need not know routes, chains and upstreams."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from host.headers import HeaderMap
from host.hot import Target

if TYPE_CHECKING:
    from host.http.downstream import Downstream


class ServerExchange(Protocol):
    """One request at a time of a connection: begun by each head, told of what follows, closed by itself at the end."""

    @property
    def request_headers(self) -> HeaderMap:
        """The map that the judge fills before `begin`."""

    @property
    def request_trailers(self) -> HeaderMap:
        """The map that the decoder fills before the request's end."""

    @property
    def answered(self) -> bool:
        """Whether the response head of the request in flight was sent."""

    def begin(self, head: int, target: Target, length: int, data: bytes, end: bool) -> None:
        """A request's head (flags of the judge, its target, Content-Length), the content that came with it, whether
        that is all.
        """

    def request_data(self, data: bytes, end: bool) -> None:
        """More content; `end` may come with none."""

    def client_lost(self) -> None:
        """The connection is gone: no answer can be sent."""

    def client_refused(self, status: int) -> None:
        """The client gets this answer without the exchange: there is no request, or it cannot be gone on with."""

    def client_failed(self, status: int, reason: str) -> None:
        """The rest of the request cannot be read: answer with this status if nothing was sent yet, else abort."""

    def client_blocked(self) -> None:
        """The client does not read fast enough."""

    def client_unblocked(self) -> None:
        """It does again."""

    def client_idle(self) -> bool:
        """Nothing happened for the stream timeout; True = leave it (an upstream's own timeouts hold), else it ended."""

    def tunnel_data(self, data: bytes) -> None:
        """Bytes of an upgraded connection."""

    def tunnel_end(self) -> None:
        """The client sends no more of them."""


ExchangeFactory = Callable[["Downstream"], ServerExchange]
