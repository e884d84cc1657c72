"""The TCP listeners of one worker: they accept connections, look at their names, and hand them to sessions."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from host.http.deadlines import Deadlines
from host.tcp.route import Ends, StreamRoute, StreamRouter, plain_address
from host.tcp.session import Session
from host.tls.certificates import Certificates
from host.tls.client_hello import NotClientHello
from host.tls.contexts import ServerTls
from host.tls.peek import peek_client_hello

logger = logging.getLogger("sluiceway.stream")

_AT_ONCE = 64  # connections accepted between two looks at the loop
_ARRIVAL = 1.0  # seconds that a drain leaves to handshakes
_PAUSE = 1.0  # seconds without accepting, when there are no file descriptors left
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_SUCH_NAME = bytes((21, 3, 3, 0, 2, 2, 112))  # alert: fatal, unrecognized_name (RFC 6066, 3)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a connection is judged by when it arrives."""

    router: StreamRouter
    certificates: Certificates


class StreamServer:
    """Serves TCP connections. `rules` gives those of the moment; times are seconds."""

    def __init__(
        self,
        rules: Callable[[], Rules],
        deadlines: Deadlines,
        *,
        max_connections: int = 10_620,
        handshake_timeout: float = 15.0,
    ) -> None:
        """`handshake_timeout`: for a client to say what it wants in its TLS handshake, and once more to finish it."""
        self.sessions: set[Session] = set()
        self._rules = rules
        self._deadlines = deadlines
        self._max_connections = max_connections
        self._handshake_timeout = handshake_timeout
        self._listening: dict[socket.socket, bool] = {}
        self._arriving: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()

    def start(self, sockets: Iterable[tuple[socket.socket, bool]]) -> None:
        """Listen on bound sockets; with each stands whether its TLS is terminated."""
        for bound, terminates in sockets:
            bound.setblocking(False)
            self._listening[bound] = terminates
            asyncio.get_running_loop().add_reader(bound.fileno(), self._accept, bound)

    def match(self, ends: Ends) -> StreamRoute | None:
        """Return the route of a connection."""
        return self._rules().router.match(ends)

    def opened(self, session: Session) -> None:
        """A session begins."""
        self.sessions.add(session)
        self._deadlines.add(session)

    def closed(self, session: Session) -> None:
        """A session is over."""
        self.sessions.discard(session)
        self._deadlines.discard(session)
        if not self.sessions:
            self._empty.set()

    # --- arrivals

    def _accept(self, bound: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = bound.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(bound, error)
                    return
                raise
            if len(self.sessions) + len(self._arriving) >= self._max_connections:
                logger.warning("a connection is closed: there are %d already", self._max_connections)
                connection.close()
                continue
            connection.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._arrive(connection, self._listening[bound]))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    def _pause(self, bound: socket.socket, error: OSError) -> None:
        logger.error("no connection can be accepted: %s", error.strerror)
        loop = asyncio.get_running_loop()
        loop.remove_reader(bound.fileno())

        def resume() -> None:
            if bound in self._listening:
                loop.add_reader(bound.fileno(), self._accept, bound)

        loop.call_later(_PAUSE, resume)

    async def _arrive(self, connection: socket.socket, terminates: bool) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ends = _ends(connection)
            if terminates or self._rules().router.wants_name(ends):
                ends = await self._named(connection, ends, required=terminates)
            tls = self._certificate(connection, ends.server_name) if terminates else None
            await self._begin(connection, ends, tls)
        except (OSError, NotClientHello) as error:
            logger.debug("a connection did not come about: %s", error)
            connection.close()
        except BaseException:
            connection.close()
            raise

    async def _named(self, connection: socket.socket, ends: Ends, *, required: bool) -> Ends:
        """The ends with the name that the client asks for. Raises NotClientHello, OSError when one is `required`."""
        try:
            async with asyncio.timeout(self._handshake_timeout):
                hello = await peek_client_hello(connection)
        except (NotClientHello, TimeoutError):
            if required:
                raise
            return ends  # another protocol, or one whose server speaks first
        if hello is None:
            if required:
                raise NotClientHello("the client has gone before its ClientHello")
            return ends
        return Ends(ends.remote_addr, ends.server_addr, ends.server_port, hello.server_name)

    def _certificate(self, connection: socket.socket, server_name: str) -> ServerTls:
        found = self._rules().certificates.choose(server_name)
        if found is None:
            with contextlib.suppress(OSError):
                connection.send(_NO_SUCH_NAME)
            raise NotClientHello(f"no certificate for {server_name!r}")
        return found

    async def _begin(self, connection: socket.socket, ends: Ends, tls: ServerTls | None) -> None:
        session = Session(self, ends, tls)
        loop = asyncio.get_running_loop()
        if tls is None:
            await loop.connect_accepted_socket(lambda: session.downstream, connection)
        else:
            await loop.connect_accepted_socket(
                lambda: session.downstream,
                connection,
                ssl=tls.context,
                ssl_handshake_timeout=self._handshake_timeout,
                ssl_shutdown_timeout=5.0,
            )

    # --- the end

    def stop(self) -> None:
        """Accept no more."""
        for bound in self._listening:
            asyncio.get_running_loop().remove_reader(bound.fileno())
            bound.close()
        self._listening.clear()

    async def drain(self, within: float) -> bool:
        """Accept no more and let connections end; returns whether all did in so many seconds."""
        self.stop()
        if (
            self._arriving
        ):  # accepted already, and not begun; one that does not say what it wants is no reason to wait
            await asyncio.wait(self._arriving, timeout=min(within, _ARRIVAL))
        self._empty.clear()
        if self.sessions:
            try:
                await asyncio.wait_for(self._empty.wait(), within)
            except TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """Cut off what is left and stop."""
        self.stop()
        for task in tuple(self._arriving):
            task.cancel()
        for session in tuple(self.sessions):
            session.abort()
        await asyncio.sleep(0)


def _ends(connection: socket.socket) -> Ends:
    remote, server = connection.getpeername(), connection.getsockname()
    return Ends(plain_address(remote[0]), plain_address(server[0]), server[1])
