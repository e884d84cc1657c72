"""The dialers of sockets: TCP, TCP with TLS on it, and unix sockets."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Literal

from host.tls import contexts
from host.upstream.connection import UpstreamConnection

Speaks = Literal["http/1.1", "h2"]
"""What a connection is for, by its ALPN name."""


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
            await self.open(connection, host, port)
        except (OSError, ValueError) as error:  # ValueError: a name that no resolver takes
            if self._tasks.pop(connection, None) is not None:
                connection.connect_failed(error)
        else:
            self._tasks.pop(connection, None)

    async def open(
        self, protocol: asyncio.BaseProtocol, host: str, port: int, speaks: Speaks = "http/1.1"
    ) -> None:
        """Connect the protocol, or raise OSError or ValueError."""
        await asyncio.get_running_loop().create_connection(lambda: protocol, host, port)


class UnixDialer(TcpDialer):
    """Connects to unix sockets: a node's host is the path."""

    async def open(
        self, protocol: asyncio.BaseProtocol, host: str, port: int, speaks: Speaks = "http/1.1"
    ) -> None:
        """Connect the protocol, or raise OSError."""
        await asyncio.get_running_loop().create_unix_connection(lambda: protocol, host)


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
        self._contexts: dict[Speaks, asyncio.Future[ssl.SSLContext]] = {}

    async def open(
        self, protocol: asyncio.BaseProtocol, host: str, port: int, speaks: Speaks = "http/1.1"
    ) -> None:
        """Connect the protocol, or raise OSError (TlsError) or ValueError.

        The server is told by ALPN what is spoken. HTTP/2 it has to confirm (RFC 9113 section 3.2).
        """
        loop = asyncio.get_running_loop()
        context = await self._context(speaks)
        try:
            name = self._server_name or host
            transport, _ = await loop.create_connection(
                lambda: protocol, host, port, ssl=context, server_hostname=name
            )
        except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as error:
            raise TlsError(_reason(error)) from error
        if speaks == "h2" and transport.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            transport.abort()
            raise TlsError("the server does not speak HTTP/2")

    async def _context(self, speaks: Speaks) -> ssl.SSLContext:
        context = self._contexts.get(speaks)
        if context is None:  # reading all authorities of a system takes some ten milliseconds
            executor = asyncio.get_running_loop().run_in_executor
            context = self._contexts[speaks] = executor(None, self._new_context, speaks)
        try:
            return await asyncio.shield(context)
        except contexts.TlsError as error:
            self._contexts.pop(speaks, None)  # the file may be there next time
            raise TlsError(str(error)) from error

    def _new_context(self, speaks: Speaks) -> ssl.SSLContext:
        trusted = Path(self._trusted) if self._trusted else None
        return contexts.client_tls(verify=self._verify, trusted=trusted, alpn=[speaks])


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return "the server ended the connection in the TLS handshake"
