"""The first message of a TLS handshake (RFC 8446, 4.1.2), as far as the name of the server that it asks for.

It is read before anything is terminated, to choose a certificate or a route by it. What cannot be one is refused early,
and a client can make us look at `MOST_BYTES` at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 16 * 1024
"""Of a ClientHello with its record headers. Browsers send 2 KiB with keys of post-quantum groups."""

_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME = 22, 1, 0, 0
_RECORD, _MESSAGE = 5, 4  # lengths of the headers
_MOST_RECORD = 16 * 1024


class NotClientHello(ValueError):
    """The bytes are no TLS handshake, or a malformed one."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """`server_name`: lower case, "" where the client names none."""

    server_name: str


def parse(data: bytes) -> ClientHello | None:
    """Return the ClientHello at the start of the bytes, None when more of them are needed.

    Raises NotClientHello, also for one that is longer than `MOST_BYTES`.
    """
    message = _message(data)
    if message is None:
        if len(data) >= MOST_BYTES:
            raise NotClientHello(f"a ClientHello of more than {MOST_BYTES} bytes")
        return None
    try:
        return ClientHello(_server_name(_Reader(message)))
    except _Short:
        raise NotClientHello("a ClientHello that ends too early") from None


def _message(data: bytes) -> bytes | None:
    """The body of the first handshake message, which may lie in several records; None when it is not all there."""
    message, at = b"", 0
    while True:
        header = data[at : at + _RECORD]
        if header and header[0] != _HANDSHAKE:
            raise NotClientHello("no TLS handshake")
        if len(header) > 1 and header[1] != 3:
            raise NotClientHello("no version of TLS")
        if len(header) < _RECORD:
            return None
        length = int.from_bytes(header[3:5], "big")
        if not 0 < length <= _MOST_RECORD:
            raise NotClientHello(f"a record of {length} bytes")
        message += data[at + _RECORD : at + _RECORD + length]
        if message and message[0] != _CLIENT_HELLO:
            raise NotClientHello("a handshake that does not begin with a ClientHello")
        if len(message) >= _MESSAGE:
            size = int.from_bytes(message[1:4], "big")
            if size > MOST_BYTES:
                raise NotClientHello(f"a ClientHello of {size} bytes")
            if len(message) >= _MESSAGE + size:
                return message[_MESSAGE : _MESSAGE + size]
        at += _RECORD + length
        if at > len(data):
            return None


class _Short(Exception):
    pass


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        if len(taken) < length:
            raise _Short
        self._at += length
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Reader:
        return _Reader(self.take(self.number(size)))

    def rest(self) -> bytes:
        return self._data[self._at :]

    @property
    def is_empty(self) -> bool:
        return self._at >= len(self._data)


def _server_name(hello: _Reader) -> str:
    hello.take(2 + 32)  # legacy_version, random
    hello.vector(1)  # legacy_session_id
    hello.vector(2)  # cipher_suites
    hello.vector(1)  # legacy_compression_methods
    if hello.is_empty:  # before RFC 3546 there were no extensions
        return ""
    extensions = hello.vector(2)
    while not extensions.is_empty:
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == _SERVER_NAME:
            return _host_name(content.vector(2))
    return ""


def _host_name(names: _Reader) -> str:
    while not names.is_empty:
        kind, name = names.number(1), names.vector(2)
        if kind == _HOST_NAME:
            return _text(name)
    return ""


def _text(name: _Reader) -> str:
    raw = name.rest()
    if not 0 < len(raw) <= 255 or not all(0x21 <= byte < 0x7F for byte in raw):
        raise NotClientHello("a server name that is none")  # RFC 6066, 3: A-labels in ASCII
    return raw.decode("ascii").lower().removesuffix(".")
