"""gRPC calls of one message each way, to one server, for whoever can wait for the answer."""

from __future__ import annotations

import asyncio
from typing import Final

from abi.grpc_status import GrpcStatus
from host.callouts.addresses import dialed
from host.headers import HeaderMap
from host.http.deadlines import Deadlines
from host.http.http2 import Http2Unavailable, load_library
from host.plugin.targets import Address
from host.upstream.grpc import GrpcRequest, GrpcStream

_KEPT: Final = 60.0  # seconds that an idle connection is kept


class GrpcError(Exception):
    """A call that ended with a status that is not OK."""

    def __init__(self, status: int, message: str) -> None:
        try:
            name = GrpcStatus(status).name
        except ValueError:
            name = str(status)
        self.status = status
        super().__init__(f"{name}: {message}" if message else name)


class GrpcServer:
    """A server, with its connection, which is made when it is first needed. On the loop's thread alone."""

    def __init__(self, address: Address, *, authority: str = "", receive_limit: int, send_limit: int) -> None:
        """Limits: bytes of one message. Raises GrpcError where there is no HTTP/2."""
        try:
            load_library()
        except Http2Unavailable as error:
            raise GrpcError(GrpcStatus.UNAVAILABLE, str(error)) from error
        deadlines = Deadlines(asyncio.get_running_loop().time)
        self._upstream = dialed(address, deadlines, keepalive_idle=_KEPT)
        self._authority = authority
        self._receive_limit, self._send_limit = receive_limit, send_limit

    async def call(self, service: str, method: str, message: bytes, within: float) -> bytes:
        """Send a message and return the one that comes back, within that many seconds. Raises GrpcError."""
        if len(message) > self._send_limit:
            text = f"a message of {len(message)} bytes, over the limit of {self._send_limit}"
            raise GrpcError(GrpcStatus.RESOURCE_EXHAUSTED, text)
        answer = _Answer()
        request = GrpcRequest(
            service,
            method,
            timeout=within,
            authority=self._authority,
            max_message_bytes=self._receive_limit,
            max_unsent_bytes=self._send_limit + 64,
        )
        stream = GrpcStream(self._upstream.http2, request, answer)
        try:
            stream.send(message, end=True)
            return await answer.done
        except asyncio.CancelledError:
            stream.cancel()
            raise

    def close(self) -> None:
        """Close the connection behind the calls that are under way."""
        self._upstream.close()


class _Answer:
    """Takes what a call tells."""

    def __init__(self) -> None:
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._message: bytes | None = None
        self._is_more = False

    def initial_metadata(self, fields: HeaderMap) -> None:
        """Nothing of it is needed."""

    def message(self, data: bytes) -> None:
        """The answer."""
        self._is_more = self._message is not None
        self._message = data

    def trailing_metadata(self, fields: HeaderMap) -> None:
        """Nothing of it is needed."""

    def closed(self, status: int, message: str) -> None:
        """The end."""
        if self.done.done():
            return
        if status != GrpcStatus.OK:
            self.done.set_exception(GrpcError(status, message))
        elif self._message is None or self._is_more:
            text = "the answer has no message" if self._message is None else "the answer has several messages"
            self.done.set_exception(GrpcError(GrpcStatus.INTERNAL, text))
        else:
            self.done.set_result(self._message)
