"""The dialers of sockets: TCP, TCP with TLS on it, and unix sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable

from host.upstream.connection import UpstreamConnection


class TcpDialer:
    """Makes TCP connections on the running loop. A task is spent on a new connection only, never on a request."""

    def __init__(self) -> None:
        self._tasks: dict[UpstreamConnection, asyncio.Task[None]] = {}

    def dial(self, connection: UpstreamConnection, host: str, port: int) -> None:
        """Connect by IPv4 or IPv6, or tell the connection why it failed. Names are looked up off the loop."""
        task = asyncio.get_running_loop().create_task(self._dial(connection, host, port))
        self._tasks[connection] = task

    def cancel(self, connection: UpstreamConnection) -> None:
        """Forget about it."""
        task = self._tasks.pop(connection, None)
        if task is not None:
            task.cancel()

    async def _dial(self, connection: UpstreamConnection, host: str, port: int) -> None:
        try:
            await self._open(connection, host, port)
        except (OSError, ValueError) as error:  # ValueError: a name that no resolver takes
            if self._tasks.pop(connection, None) is not None:
                connection.connect_failed(error)
        else:
            self._tasks.pop(connection, None)

    def _open(self, connection: UpstreamConnection, host: str, port: int) -> Awaitable[object]:
        return asyncio.get_running_loop().create_connection(lambda: connection, host, port)


class UnixDialer(TcpDialer):
    """Connects to unix sockets: a node's host is the path."""

    def _open(self, connection: UpstreamConnection, host: str, port: int) -> Awaitable[object]:
        return asyncio.get_running_loop().create_unix_connection(lambda: connection, host)


class TlsError(OSError):
    """The TCP connection is there, the TLS handshake failed; the text says why."""


class TlsDialer(TcpDialer):
    """Makes TLS connections. The server must have a certificate for `server_name`, or, if that is empty, for its host.

    `verify` False takes any certificate. `trusted_certificate`: a PEM file of the authorities; empty: the system's.
    """

    def __init__(self, *, verify: bool = True, trusted_certificate: str = "", server_name: str = "") -> None:
        super().__init__()
        self._verify = verify
        self._trusted = trusted_certificate
        self._server_name = server_name
        self._context: asyncio.Future[ssl.SSLContext] | None = None

    async def _open(self, connection: UpstreamConnection, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        if self._context is None:  # reading all authorities of a system takes some ten milliseconds
            self._context = loop.run_in_executor(None, self._new_context)
        try:
            context = await asyncio.shield(self._context)
        except OSError as error:
            self._context = None  # the file may be there next time
            raise TlsError(f"{self._trusted}: {error.strerror or error}") from error
        try:
            name = self._server_name or host
            await loop.create_connection(lambda: connection, host, port, ssl=context, server_hostname=name)
        except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as error:
            raise TlsError(_reason(error)) from error

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._trusted or None)
        context.set_alpn_protocols(["http/1.1"])
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return "the server ended the connection in the TLS handshake"
