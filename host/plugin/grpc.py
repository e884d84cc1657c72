"""proxy_grpc_call, _stream, _send, _close and _cancel: what a guest may ask for, and its calls in flight."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Any

from abi.types import Status
from host._core import ffi, lib
from host.headers import HeaderMap
from host.plugin.allowance import Allowance, allowance_of
from host.plugin.grpc_call import GrpcCall, GrpcRequest, GrpcUnaryCall
from host.plugin.grpc_service import GrpcTarget, parse_grpc_service
from host.plugin.guests import Guest, guest_of
from host.plugin.targets import Address
from host.plugin.tokens import TokenKind, Tokens

if TYPE_CHECKING:
    from host.plugin.context import RootContext

logger = logging.getLogger("sluiceway.plugin")


class GrpcCalls:
    """The calls and streams of one guest that are in flight: a `host.plugin.guests.Subject`."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._tokens = {kind: Tokens(kind) for kind in (TokenKind.GRPC_CALL, TokenKind.GRPC_STREAM)}
        self._in_flight: dict[int, GrpcCall] = {}
        self._unsent = 0  # no less than what waits to be sent

    def open(
        self,
        root: RootContext,
        upstream: bytes,
        service: str,
        method: str,
        metadata: HeaderMap,
        *,
        message: bytes | None,
        timeout: float,
    ) -> int | Status:
        """Begin a stream, or, with a message, a call; returns its token, or why there is none.

        `timeout`: seconds, 0: the longest there is.
        """
        allowance = allowance_of(root.key.settings, self.guest.services)  # several plugins may share a VM
        found = self._target(allowance, upstream)
        if found is None:
            return Status.PARSE_FAILURE
        if not self._has_room(allowance, len(message or b"")) or not allowance.take(0):
            return Status.INTERNAL_FAILURE
        target, address = found
        longest = allowance.callouts.timeout
        limit = None if message is None else min(timeout or longest, longest)
        request = GrpcRequest(target.name, address, service, method, metadata, target.authority, limit)
        is_call = message is not None
        token = self._tokens[TokenKind.GRPC_CALL if is_call else TokenKind.GRPC_STREAM].next(self._in_flight)
        kind = GrpcUnaryCall if is_call else GrpcCall
        call = self._in_flight[token] = kind(self, allowance, root.id, token, request)
        if message is not None:
            call.send(message, True)
        if not self.guest.is_serving:
            self.guest.when_serving(call.start_later)
        elif not call.start():
            call.cancel()
            return Status.INTERNAL_FAILURE
        return token

    def send(self, root: int, token: int, message: bytes, end: bool) -> Status:
        """Send a message on a stream."""
        call = self._of(root, token)
        if call is None:
            return Status.NOT_FOUND
        if not self._has_room(call.allowance, len(message)) or not call.send(message, end):
            return Status.BAD_ARGUMENT
        return Status.OK

    def end(self, root: int, token: int, cancel: bool) -> Status:
        """Half-close a stream, or cancel it or a call."""
        call = self._of(root, token)
        if call is None:
            return Status.NOT_FOUND
        if cancel:
            call.cancel()
        else:
            call.send(None, True)
        return Status.OK

    def _of(self, root: int, token: int) -> GrpcCall | None:
        call = self._in_flight.get(token)
        return call if call is not None and call.root == root else None

    def _has_room(self, allowance: Allowance, size: int) -> bool:
        """Whether as many bytes more may wait to be sent: altogether what the guest's memory may hold."""
        self._unsent += size
        if self._unsent > allowance.most_bytes:
            self._unsent = sum(call.unsent for call in self._in_flight.values()) + size
        return self._unsent <= allowance.most_bytes

    def _target(self, allowance: Allowance, upstream: bytes) -> tuple[GrpcTarget, Address | None] | None:
        """Whom it asks for, if the plugin may ask them: the name of an upstream, an address, or a GrpcService."""
        services = self.guest.services
        try:
            name = upstream.decode()
            if name.isprintable() and services.has_upstream(name):
                return GrpcTarget(name), None
        except UnicodeDecodeError:
            name = ""
        try:
            target = parse_grpc_service(upstream)
            if not target.is_tls and services.has_upstream(target.name):
                return target, None
        except ValueError:
            target = GrpcTarget(name)
        address = allowance.address(target.name, "https" if target.is_tls else "http")
        return None if address is None else (target, address)

    def forget(self, call: GrpcCall) -> None:
        """A call is no longer in flight."""
        del self._in_flight[call.token]

    def root_ended(self, root: int) -> None:
        """Cancel the calls of a plugin context."""
        for call in [call for call in self._in_flight.values() if call.root == root]:
            call.cancel()

    def ended(self) -> None:
        """Cancel all calls."""
        for call in list(self._in_flight.values()):
            call.cancel()


# --- the core's ways in: see core/grpc.h


def _failed(kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
    """Ours, not the guest's: no exception crosses the core."""
    logger.error("a gRPC call could not be carried out", exc_info=(kind, error, trace))


def _bytes(data: Any, length: int) -> bytes:
    return bytes(ffi.unpack(data, length)) if length else b""


@ffi.def_extern(name="sw_grpc_open", error=int(Status.INTERNAL_FAILURE), onerror=_failed)  # type: ignore[untyped-decorator]
def _open(serial: int, root: int, request: Any, token: Any) -> int:
    metadata = HeaderMap.view(ffi.gc(request.metadata, lib.sw_headers_delete), None)
    guest = guest_of(serial)
    context = guest.roots.get(root) if guest is not None else None
    if guest is None or context is None:  # it is on its way out: nothing could come back to it
        return Status.INTERNAL_FAILURE
    begun = guest.subject(GrpcCalls).open(
        context,
        _bytes(request.upstream, request.upstream_length),
        _bytes(request.service, request.service_length).decode(errors="surrogateescape"),
        _bytes(request.method, request.method_length).decode(errors="surrogateescape"),
        metadata,
        message=_bytes(request.message, request.message_length) if request.is_call else None,
        timeout=request.timeout / 1000,
    )
    if isinstance(begun, Status):
        return begun
    token[0] = begun
    return Status.OK


@ffi.def_extern(name="sw_grpc_send", error=int(Status.NOT_FOUND), onerror=_failed)  # type: ignore[untyped-decorator]
def _send(serial: int, root: int, token: int, message: Any, length: int, end: bool) -> int:
    guest = guest_of(serial)
    if guest is None:
        return Status.NOT_FOUND
    return guest.subject(GrpcCalls).send(root, token, _bytes(message, length), end)


@ffi.def_extern(name="sw_grpc_end", error=int(Status.NOT_FOUND), onerror=_failed)  # type: ignore[untyped-decorator]
def _end(serial: int, root: int, token: int, cancel: bool) -> int:
    guest = guest_of(serial)
    if guest is None:
        return Status.NOT_FOUND
    return guest.subject(GrpcCalls).end(root, token, cancel)
