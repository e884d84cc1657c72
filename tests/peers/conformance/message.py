"""Just enough HTTP/1.1 to see what a gateway put on the wire, on both of its sides: heads, framing, bodies, trailers.

It reads what it is given and judges nothing: a wrong Content-Length is what a test may want to see.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

Fields = list[list[str]]


class Closed(Exception):
    """The peer closed the connection in the middle of a message, or before one."""


@dataclass(slots=True)
class Message:
    """A request or a response as it was on the wire; names of fields in lower case, text as Latin-1."""

    start_line: str
    headers: Fields
    framing: str = "none"
    body: str = ""
    trailers: Fields = field(default_factory=list)

    @property
    def status(self) -> int | None:
        """The status code of a response; None for a request."""
        return int(self.start_line.split()[1]) if self.start_line.startswith("HTTP/") else None

    def get(self, name: str) -> str | None:
        """Return the first value of the header `name`."""
        return next((value for found, value in self.headers if found == name), None)


class Reader:
    """Reads messages from a socket whose timeout bounds each read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def _more(self) -> None:
        try:
            data = self._connection.recv(65536)
        except ConnectionError as error:
            raise Closed from error
        if not data:
            raise Closed
        self._buffer += data

    def _line(self) -> str:
        while b"\r\n" not in self._buffer:
            self._more()
        line, self._buffer = self._buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def _exactly(self, size: int) -> str:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data.decode("latin-1")

    def _fields(self) -> Fields:
        fields = []
        while line := self._line():
            name, _, value = line.partition(":")
            fields.append([name.lower(), value.strip()])
        return fields

    def message(self, *, bodiless: bool = False) -> Message:
        """Return the next message; `bodiless` for the answer to HEAD. Raises Closed, or TimeoutError."""
        message = Message(self._line(), self._fields())
        status = message.status
        if status is not None and 100 <= status < 200:
            return self.message(bodiless=bodiless)  # an interim response: the final one follows
        bodiless = bodiless or status in (204, 304)
        if message.get("transfer-encoding") == "chunked":
            message.framing = "chunked"
            if not bodiless:
                self._chunks(message)
        elif (length := message.get("content-length")) is not None:
            message.framing = f"content-length {length}"
            message.body = "" if bodiless else self._exactly(int(length))
        elif status is not None and not bodiless:
            message.framing = "close"
            self._to_end(message)
        return message

    def _chunks(self, message: Message) -> None:
        while size := int(self._line().partition(";")[0], 16):
            message.body += self._exactly(size)
            self._line()
        message.trailers = self._fields()

    def _to_end(self, message: Message) -> None:
        try:
            while True:
                self._more()
        except Closed:
            message.body, self._buffer = self._buffer.decode("latin-1"), b""
