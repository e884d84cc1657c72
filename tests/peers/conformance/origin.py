"""The origin behind a gateway under test: it keeps the requests that reach it and gives the answer it was told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from tests.peers.conformance.message import Closed, Message, Reader

PAUSE = 0.05  # seconds between two pieces, so that they arrive as two


def send_pieces(connection: socket.socket, pieces: Sequence[bytes]) -> None:
    """Write each piece by itself."""
    for number, piece in enumerate(pieces):
        if number:
            time.sleep(PAUSE)
        connection.sendall(piece)


class Origin:
    """Serves on a free port of 127.0.0.1 within a `with` statement. One exchange at a time is meant."""

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.answer: Sequence[bytes] = ()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Origin:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A thread that waits in accept or recv is woken by a shutdown, not by a close.
        for connection in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        reader = Reader(connection)
        with contextlib.suppress(Closed, OSError):
            while True:
                self.requests.append(reader.message())
                send_pieces(connection, self.answer)
