"""What a connection tells of its response, so that `host.upstream` need not know clients, routes and chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from host.headers import HeaderMap
from host.hot import Capsule

if TYPE_CHECKING:
    from host.upstream.balancer import NodeState
    from host.upstream.connection import UpstreamConnection


class ClientExchange(Protocol):
    """What a connection tells the exchange whose request it carries."""

    @property
    def response_trailers(self) -> HeaderMap:
        """The map that the decoder fills before the response's end."""

    def connected(self, connection: UpstreamConnection) -> None:
        """A connection asked for is there and takes a request."""

    def connect_failed(self, node: NodeState, error: Exception) -> None:
        """It could not be made."""

    def interim(self, status: int) -> None:
        """A 1xx response is in the map."""

    def judge_response(self, judge: Capsule, request: int, data: bytes, at: int) -> tuple[int, bool]:
        """Judge data[at:] as the response to a request with these flags of the judge.

        Returns it as core/message.h says, and whether `response_passed` is all that is left to call: a whole response
        passes the filters on the spot.
        """

    def response_passed(self, head: int) -> None:
        """The response that was judged is all there is."""

    def response_head(self, head: int, length: int, data: bytes, end: bool) -> None:
        """The response's head (flags of the judge, Content-Length), what came with it, whether it is all."""

    def response_data(self, data: bytes, end: bool) -> None:
        """More content."""

    def switched(self, data: bytes) -> None:
        """A 101 is in the map and the connection is a tunnel now, with its first bytes."""

    def upstream_lost(self, connection: UpstreamConnection, answered: bool) -> None:
        """The connection closed before the response was complete; whether a byte of it had come."""

    def upstream_failed(self, status: int, reason: str) -> None:
        """The response is malformed (502) or late (504)."""

    def upstream_blocked(self) -> None:
        """The upstream does not read fast enough."""

    def upstream_unblocked(self) -> None:
        """It does again."""

    def tunnel_data_back(self, data: bytes) -> None:
        """Bytes of an upgraded connection."""

    def tunnel_end_back(self) -> None:
        """The upstream sends no more of them."""

    def failed(self) -> None:
        """Our own fault while handling its response; it was logged."""
