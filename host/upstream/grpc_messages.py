"""The framing of gRPC messages (Length-Prefixed-Message of grpc/grpc doc/PROTOCOL-HTTP2.md)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from abi.grpc_status import GrpcStatus

_PREFIX: Final = struct.Struct(">BI")  # compressed or not, length of the message


def encode_message(message: bytes) -> bytes:
    """Return the message with its prefix, uncompressed."""
    return _PREFIX.pack(0, len(message)) + message


class BadMessage(Exception):
    """A message that is not taken, with the status that the call ends with."""

    def __init__(self, status: GrpcStatus, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class MessageReader:
    """Cuts content into messages (Length-Prefixed-Message)."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()

    @property
    def is_within_message(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._held)

    def read(self, data: bytes) -> Iterator[bytes]:
        """Go through the messages that are complete now. Raises BadMessage, at the prefix of what is too large."""
        held = self._held
        held += data
        at = 0
        while len(held) - at >= _PREFIX.size:
            compressed, length = _PREFIX.unpack_from(held, at)
            if compressed:
                raise BadMessage(GrpcStatus.INTERNAL, "a compressed message, which was not asked for")
            if length > self._max_bytes:
                text = f"a message of {length} bytes, over the limit of {self._max_bytes}"
                raise BadMessage(GrpcStatus.RESOURCE_EXHAUSTED, text)
            begin = at + _PREFIX.size
            if len(held) - begin < length:
                break
            at = begin + length
            yield bytes(held[begin:at])
        del held[:at]
