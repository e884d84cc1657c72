"""Answers of the gateway's own, and how every exchange ends.

It must not know what a request or a response passes on its way; the classes that extend it do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from host.exchange.record import Record
from host.http.downstream import Downstream
from host.http.local import JSON_FIELDS, error_body
from host.http.message import WRITE_LOCAL
from host.stream import HttpStream
from host.upstream.connection import UpstreamConnection


class LocalAnswers(HttpStream, ABC):
    """An exchange as far as it can answer by itself."""

    __slots__ = (
        "_connecting",
        "_connection",
        "_downstream",
        "_is_on",
        "_record",
        "_response_seen",
        "answered",
    )

    def __init__(self, downstream: Downstream, record: Record | None = None) -> None:
        """`record`: of the access log, None where there is none."""
        super().__init__()
        self._downstream = downstream
        self._record = record
        self._connection: UpstreamConnection | None = None
        self._connecting: UpstreamConnection | None = None
        self._is_on = False
        # Of the request in flight: whether an upstream's response came, and whether a head was sent to the client.
        self._response_seen = self.answered = False

    @abstractmethod
    def _apply(self, flags: int) -> None:
        """Send what the chain lets pass; the exchange's to say how."""

    def failed(self) -> None:
        """Our own fault, logged already."""
        self._downstream.fail()

    def _answer_instead(self, status: int, message: str) -> None:
        """Answer because the upstream, or the rest of the request, did not come; too late for that: abort."""
        self._release_upstream()
        if self.answered:
            self._downstream.abort()
        elif self._response_seen or not self._is_open:
            self._answer_bare(status if not self._response_seen else 502, message)
        else:
            self._response_seen = True
            self._apply(self.local_response(status, JSON_FIELDS, error_body(message), message))

    def _answer_bare(self, status: int, message: str) -> None:
        """Answer past the filters: there are none yet, or they have had their response."""
        self._release_upstream()
        headers, body = self.response_headers, error_body(message)
        headers.clear()
        for name, value in ((b":status", b"%d" % status), *JSON_FIELDS):
            headers.add(name, value)
        self._downstream.send_head(headers.pointer, len(body), WRITE_LOCAL, body, True)
        self.answered = True
        if self._record is not None:
            self._record.content_bytes += len(body)
        self._finish()

    def hide_query(self) -> None:
        """Keep the target's query out of the access log: it may hold a secret."""
        if self._record is not None:
            self._record.path = self._record.path.partition(b"?")[0]

    def close(self) -> None:
        """End the exchange: its line in the access log, then its filters' last callbacks."""
        record = self._record
        if record is not None and record.is_open:
            record.close(self, self.answered)
        super().close()

    def _finish(self) -> None:
        self._is_on = False
        if self._connection is not None or self._connecting is not None:
            self._release_upstream()
        self.close()
        self._downstream.next()

    def _release_upstream(self) -> None:
        """Give up the connection in use or being made: the rest of its response would never be asked for."""
        connection, self._connection = self._connection, None
        connecting, self._connecting = self._connecting, None
        if connection is not None:
            connection.detach()
        if connecting is not None:
            connecting.detach()
