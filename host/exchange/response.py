"""The response's side of an exchange: what a node answers goes to the chain, and what left the chain to the client.

It must not know how a request came.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from host.exchange.record import Record
from host.exchange.upgrade import UpgradeSide
from host.hot import Capsule, capsule, judge_response, pass_response
from host.http.downstream import Downstream
from host.http.flow import CHAIN, PEER
from host.http.message import (
    CHUNKED,
    EXPECT_CONTINUE,
    FRAMING,
    HEAD_METHOD,
    LENGTH,
    NONE,
    STATUS_SHIFT,
    WRITE_AS_IS,
    WRITE_CHUNKED,
    WRITE_LOCAL,
    WRITE_NO_BODY,
    MessageError,
)
from host.stream import LEAVING, LOCAL_RESPONSE, RESET, RESPONSE_END, RESPONSE_HEAD

logger = logging.getLogger("sluiceway.exchange")


def last_content(on_body: Callable[[bytes, bool], int], on_trailers: Callable[[], int], data: bytes) -> int:
    """Give the chain the content that came with a message's trailers, and these; returns what may leave."""
    flags = on_body(data, False) if data else 0
    return flags if flags & (LOCAL_RESPONSE | RESET) else flags | on_trailers()


class ResponseSide(UpgradeSide):
    """Takes responses from the connection and passes them on."""

    __slots__ = (
        "_continued", "_head", "_is_local", "_passed", "_recounts_response", "_response", "_response_end",
        "_response_first", "_response_framing", "_response_kind", "_response_ready", "response_pointer",
    )  # fmt: skip

    _continued: bool  # a 100 (Continue) went to the client
    _head: int  # the judge's flags of the request
    _is_local: bool  # the chain has answered by itself
    _passed: int  # what the filters let leave of a response judged just now; -1: they have not seen it yet
    _response: bytes | None  # the whole response, if that leaves
    _recounts_response: bool
    _response_ready: bool  # the head has left the chain

    def __init__(self, downstream: Downstream, record: Record | None = None) -> None:
        super().__init__(downstream, record)
        self.response_pointer = self.response_headers.pointer
        self._response_kind = self._response_framing = 0
        self._response_end = False
        self._response_first = b""  # content that came before the head could leave

    def interim(self, status: int) -> None:
        """Pass a 1xx on: to HTTP/1.1 clients, and a 100 only to those that wait for it (RFC 9110, 15.2)."""
        if self._downstream.speaks_http_1_0 or self._response_seen:
            return
        if status != 100 or (self._head & EXPECT_CONTINUE and not self._continued):
            self._continued = self._continued or status == 100
            self._downstream.send_interim(self.response_pointer)

    def judge_response(self, judge: Capsule, request: int, data: bytes, at: int) -> tuple[int, bool]:
        """Judge a response head; a whole response passes the filters on the spot."""
        if self.chain.decodes_response:  # its filters see another head than the one that comes
            self._passed = -1
            return judge_response(judge, request, data, at, capsule(self.response_pointer)), False
        head, flags, self._response = pass_response(
            judge, request, data, at, self.handle, self._downstream.head_flags(), self._recounts_response
        )
        self._passed = flags if flags <= LEAVING else self._attend(flags)
        return head, self._response is not None

    def response_passed(self, head: int) -> None:
        """Send the response that was judged just now."""
        self._connection = None
        response, self._response = self._response, None
        if response is None or not self._is_on:  # what others did meanwhile has ended it
            return
        self.answered = True
        if self._record is not None:
            self._record.answered(head >> STATUS_SHIFT)
            self._record.node_ended()
            self._record.content_bytes += len(response) - response.index(b"\r\n\r\n") - 4
        self._is_on = False
        self.close()
        self._downstream.next(response)

    def response_head(self, head: int, length: int, data: bytes, end: bool) -> None:
        """The response's head is in `response_headers`."""
        self._response_seen = True
        kind = self._response_kind = head & FRAMING
        self._response_framing = length if kind in (LENGTH, NONE) else WRITE_CHUNKED
        if end:
            self._connection = None
        if self._record is not None:
            self._record.answered(head >> STATUS_SHIFT)
            if end:
                self._record.node_ended()
        flags, self._passed = self._passed, -1
        if flags < 0:
            flags = self.on_response_headers(end and not data)
            if self.chain.wants_response_body and data and not flags & (LOCAL_RESPONSE | RESET):
                flags |= self._response_body(data, end)
        if self.chain.wants_response_body:
            self._response_first = b""
            self._apply(flags)
        elif flags & ~RESPONSE_END == RESPONSE_HEAD:
            self._response_ready = True
            self._pass_response(data, end)
        else:
            self._response_first, self._response_end = data, end
            if self._connection is not None:
                self._connection.hold(CHAIN)
            self._apply(flags)
        if self._connection is not None and self._downstream.is_blocked:
            self._connection.hold(PEER)

    def response_data(self, data: bytes, end: bool) -> None:
        """More of the response's content."""
        if end:
            self._connection = None
            if self._record is not None:
                self._record.node_ended()
        if self.chain.wants_response_body:
            self._apply(self._response_body(data, end))
        elif self._response_ready:
            self._pass_response(data, end)
        else:
            self._response_first += data
            self._response_end = end

    def _response_body(self, data: bytes, end: bool) -> int:
        """Give content to the chain, and its trailers."""
        if end and self._response_kind == CHUNKED and len(self.response_trailers):
            return last_content(self.on_response_body, self.on_response_trailers, data)
        return self.on_response_body(data, end)

    def upstream_failed(self, status: int, reason: str) -> None:
        """The response is malformed or late."""
        self._connection = None
        if self._tunnel is not None:
            self._end_tunnel()
        else:
            self._answer_instead(status, "504 Gateway Timeout" if status == 504 else "502 Bad Gateway")

    # --- to the client ---

    def _pass_response(self, data: bytes, end: bool, has_trailers: bool = False) -> None:
        """Send what left the chain; the head goes with the first of it."""
        trailers = None
        if self._record is not None and (self._response_ready or self.answered):
            self._record.content_bytes += len(data)
        if has_trailers or (end and self._response_kind == CHUNKED and not self.chain.wants_response_body):
            trailers = self._response_trailers()
        if self.answered:
            self._downstream.send_body(data, end, trailers)
        elif not self._response_ready:
            self._response_first += data
        else:
            framing, flags = self._response_framing, 0
            if self._is_local:
                framing, flags = len(data) if end else WRITE_CHUNKED, WRITE_LOCAL
            elif self._recounts_response:
                if not end and not data:
                    return
                framing = len(data) if end and trailers is None else WRITE_CHUNKED
                if self._head & HEAD_METHOD:
                    framing = WRITE_NO_BODY  # what a GET would give is not known
            elif self._head & HEAD_METHOD:
                framing = WRITE_AS_IS
            try:
                self._downstream.send_head(self.response_pointer, framing, flags, data, end, trailers)
            except MessageError as error:
                logger.error("%s", error.reason)
                self._answer_bare(error.status, f"{error.status} {error.reason}")
                return
            self.answered = True
        if end:
            self._finish()

    def _response_trailers(self) -> Any:
        return self.response_trailers.pointer if len(self.response_trailers) else None
