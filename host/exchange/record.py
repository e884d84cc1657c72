"""What an access log wants to know of an exchange beside what its header maps tell at its end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from host.headers import HeaderMap
from host.peer import ConnectionInfo

if TYPE_CHECKING:
    from host.exchange.access_log import AccessLog
    from host.stream import HttpStream
    from host.upstream.balancer import NodeState

CLIENT_CLOSED_REQUEST: Final = 499
"""nginx's status of a request whose client left before it was answered."""

CONNECTION_CLOSED_WITHOUT_RESPONSE: Final = 444
"""nginx's status of a request that the gateway gave no answer: a filter has reset the exchange."""


@dataclass(slots=True)
class Attempt:
    """One node that was tried. `seconds` is None while it has not ended, `status` 0 where it gave none."""

    node: NodeState
    address: str
    began: float
    status: int = 0
    seconds: float | None = None


class Record:
    """The requests of a client connection, one at a time: `begin`, what happens, and `close`, which writes the line."""

    __slots__ = (
        "attempts", "began", "content_bytes", "head", "info", "is_open", "log", "method", "number", "path", "route_id",
        "route_name", "service_id", "status",
    )  # fmt: skip

    info: ConnectionInfo

    def __init__(self, log: AccessLog | None) -> None:
        """`log`: None for an exchange whose filters ask for variables, and that nobody logs."""
        self.log = log
        self.is_open = False
        self.attempts: list[Attempt] = []
        self.method = self.path = b""  # as they came: filters may change the map's
        self.route_id = self.route_name = self.service_id = ""
        self.began = 0.0
        self.head = 0  # the judge's flags
        self.number = 0  # of the request on its connection
        self.content_bytes = 0  # of the response, without framing
        self.status = 0

    def begin(self, info: ConnectionInfo, number: int, head: int, headers: HeaderMap) -> None:
        """A request's head has come."""
        self.info, self.number, self.head = info, number, head
        self.method, self.path = headers.get(b":method") or b"", headers.get(b":path") or b""
        self.route_id = self.route_name = self.service_id = ""
        self.content_bytes = self.status = 0
        if self.attempts:
            self.attempts = []
        self.began = time.monotonic()
        self.is_open = True

    def matched(self, route_id: str, name: str, service_id: str) -> None:
        """The request has a route."""
        self.route_id, self.route_name, self.service_id = route_id, name, service_id

    def try_node(self, node: NodeState) -> None:
        """A node is asked, or a connection to it is being made."""
        self.attempts.append(Attempt(node, node.address, time.monotonic()))

    def connected(self, info: ConnectionInfo) -> None:
        """The node's address is known."""
        self.attempts[-1].address = info.source_address

    def answered(self, status: int) -> None:
        """The node's own status."""
        self.attempts[-1].status = status

    def node_ended(self) -> None:
        """The node's response is complete, or there will be none."""
        if self.attempts and self.attempts[-1].seconds is None:
            self.attempts[-1].seconds = time.monotonic() - self.attempts[-1].began

    def close(self, stream: HttpStream, is_answered: bool) -> None:
        """The exchange ends: write its line."""
        self.is_open = False
        self.node_ended()
        if not self.status:
            sent = stream.response_headers.get(b":status") if is_answered else None
            self.status = int(sent) if sent else CLIENT_CLOSED_REQUEST
        if self.log is not None:
            self.log.log(self, stream)
