"""The server behind the TCP listeners of a gateway, and one connection through them, step by step."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from types import TracebackType
from typing import Any

from tests.peers.conformance.origin import PAUSE
from tests.peers.conformance.tcp_cases import END, RESET, TcpCase

PATIENCE = 0.5  # seconds for the gateway to connect
QUIET = 0.3  # seconds without a byte, after which nothing more is expected
_NO_LINGER = struct.pack("ii", 1, 0)


class TcpOrigin:
    """Listens on a free port of 127.0.0.1 within a `with` statement."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> TcpOrigin:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def accept(self, patience: float) -> socket.socket | None:
        """Return the next connection; None if there is none within `patience` seconds."""
        self._listener.settimeout(patience)
        try:
            connection, _ = self._listener.accept()
        except (TimeoutError, BlockingIOError):
            return None
        return connection


def connect_and_run(case: TcpCase, port: int, origin: TcpOrigin) -> dict[str, Any]:
    """Do what the case says and return what each end received, and how its connection stood then."""
    while (stale := origin.accept(0)) is not None:
        stale.close()
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    # Waits for both ends first, so that none is ahead; a host that connects late or never costs the patience.
    ends: dict[str, socket.socket | None] = {"client": client, "origin": origin.accept(PATIENCE)}
    time.sleep(PAUSE)
    for who, what in case.steps:
        if ends[who] is None:
            ends[who] = origin.accept(PATIENCE)
        if (end := ends[who]) is not None:
            _step(end, what)
        time.sleep(PAUSE)
    if ends["origin"] is None:
        ends["origin"] = origin.accept(0)
    seen = {"upstream": _rest(ends["origin"]), "client": _rest(ends["client"])}
    for end in ends.values():
        if end is not None:
            end.close()
            time.sleep(PAUSE)
    return seen


def _step(end: socket.socket, what: bytes | str) -> None:
    with contextlib.suppress(OSError):  # the gateway may have closed it
        if isinstance(what, bytes):
            end.sendall(what)
        elif what == END:
            end.shutdown(socket.SHUT_WR)
        elif what == RESET:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            end.close()


def _rest(end: socket.socket | None) -> dict[str, str] | None:
    """Read all that has come; `state` is open, ended, or reset (which a gateway may do with an end too late)."""
    if end is None:
        return None
    if end.fileno() == -1:
        return {"state": "was reset by itself"}
    end.settimeout(QUIET)
    data, state = b"", "open"
    try:
        while piece := end.recv(65536):
            data += piece
        state = "ended"
    except TimeoutError:
        pass
    except ConnectionError:
        state = "reset"
    return {"data": data.decode("latin-1"), "state": state}
