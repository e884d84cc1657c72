"""Kong's plugin protocol over Protocol Buffers: servers that go-pdk builds into a plugin.

Frames both ways: four bytes of length, little-endian, and so many bytes. During an event the plugin's calls come as
two frames, name and arguments, and are answered by one; a frame without bytes ends it, and the call's own reply
follows. The server tells of no error but by closing the connection.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any

from abi.protobuf import ProtobufError, decode_message, delimited, signed, varint
from host.external.connection import PeerConnection
from host.external.kong.channel import Answers, Call, Channel
from host.external.kong.errors import BadReply
from host.external.kong.methods import METHODS
from host.external.kong.pdk.errors import PdkError

log = logging.getLogger("sluiceway.kong")

_length = struct.Struct("<I")

_START, _STATUS, _CLOSE, _HANDLE = (varint(number << 3 | 2) for number in (33, 34, 35, 36))
_INSTANCE_STATUS = 33


class ProtobufChannel(Channel):
    """A connection with the frames that have come in part."""

    def __init__(self, connection: PeerConnection, max_message_size: int) -> None:
        super().__init__(connection)
        self._max = max_message_size
        self._buffer = bytearray()
        self._wanted = 4  # bytes, until there is a frame, or the length of one
        self._sequence = 0

    def frames(self, data: bytes) -> list[bytes]:
        """Return the frames that are whole. Raises BadReply for one that is too long."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        frames, at, end = [], 0, len(data)
        self._wanted = 4
        while end - at >= 4:
            (length,) = _length.unpack_from(data, at)
            if length > self._max:
                raise BadReply(f"it announced a frame of {length} bytes; at most {self._max} are taken")
            if end - at - 4 < length:
                self._wanted = 4 + length
                break
            frames.append(data[at + 4 : at + 4 + length])
            at += 4 + length
        if at < end:
            self._buffer += data[at:]
        return frames

    def request(self, tag: bytes, command: bytes) -> bytes:
        """Return the frame of a RpcCall, and note its number."""
        self._sequence += 1
        call = b"\x08" + varint(self._sequence) + delimited(tag, command)
        return _length.pack(len(call)) + call

    def check(self, reply: bytes) -> dict[int, Any]:
        """Return the fields of a RpcReturn. Raises BadReply."""
        try:
            fields = decode_message(reply)
        except ProtobufError as error:
            raise BadReply(f"it sent what is no RpcReturn: {error}") from None
        if fields.get(1) != self._sequence:
            raise BadReply(f"it answered request {fields.get(1)!r:.20}, not {self._sequence}")
        return fields


class PlainCall(Call):
    """A request and its reply."""

    def __init__(self, channel: ProtobufChannel, tag: bytes, command: bytes) -> None:
        super().__init__()
        self._frames = channel
        self._tag, self._command = tag, command

    def opening(self) -> bytes:
        """The request."""
        return self._frames.request(self._tag, self._command)

    def received(self, data: bytes) -> None:
        """The reply."""
        for frame in self._frames.frames(data):
            if self.done.done():
                raise BadReply("it sent more than one reply")
            self.finish(self._frames.check(frame))


class EventCall(PlainCall):
    """An event: the plugin's handler runs, and calls the PDK's methods."""

    def __init__(self, channel: ProtobufChannel, instance: int, phase: str, pdk: Answers) -> None:
        command = (b"\x08" + varint(instance) if instance else b"") + delimited(b"\x12", phase.encode())
        super().__init__(channel, _HANDLE, command)
        self._pdk = pdk
        self._method: str | None = None
        self._has_returned = self._is_waiting = False

    def received(self, data: bytes) -> None:
        """The plugin asks for something, or is done."""
        for frame in self._frames.frames(data):
            if self.done.done() or self._is_waiting:
                raise BadReply("it sent more before it had its answer")
            if self._has_returned:
                self._frames.check(frame)
                self.finish()
            elif self._method is None:
                if frame:
                    self._method = frame.decode("utf-8", "replace")
                else:
                    self._has_returned = True
            else:
                self._ask(frame)

    def closed(self) -> None:
        """After it has answered the client, a plugin closes the connection."""
        if self._pdk.is_over:
            self.finish()
        else:
            super().closed()

    def _ask(self, arguments: bytes) -> None:
        assert self._method is not None
        self.counted()
        decode, _ = METHODS.get(self._method, (None, None))
        if decode is None:
            self._refuse(f"not supported by this host: {self._method:.100}")
            return
        try:
            decoded = decode(arguments)
        except ProtobufError as error:
            raise BadReply(f"it called {self._method} with what cannot be read: {error}") from None
        try:
            value = self._pdk.call(self._method, decoded)
        except PdkError as error:
            self.answer(None, error)
            return
        if asyncio.iscoroutine(value):
            self._is_waiting = True
            self.later(value)
        else:
            self.answer(value, None)

    def answer(self, value: Any, error: Exception | None) -> None:
        """Send a result; the protocol has no errors."""
        assert self._method is not None
        self._is_waiting = False
        if error is not None:
            self._refuse(str(error))
            return
        data = METHODS[self._method][1](value)
        self._method = None
        self.write(_length.pack(len(data)) + data)
        if self._pdk.is_over:
            self.is_last = True
            self.finish()

    def _refuse(self, reason: str) -> None:
        log.error("a plugin's call of %s was refused: %s", self._method, reason)
        # The one result that has room for an error: RawBodyResult.
        told = delimited(b"\x1a", reason.encode()) if self._method == "kong.request.get_raw_body" else b""
        self._method = None
        self.write(_length.pack(len(told)) + told)


class Protobuf:
    """The dialect `ProtoBuf:1`."""

    def __init__(self, max_message_size: int) -> None:
        """`max_message_size`: bytes of one frame of the server."""
        self._max = max_message_size

    def new_channel(self, connection: PeerConnection) -> Channel:
        """Return what speaks the dialect on a connection."""
        return ProtobufChannel(connection, self._max)

    def start_instance(self, channel: Channel, plugin: str, configuration: bytes, sequence: int) -> Call:
        """Return the call that makes an instance; its result is for `instance_of`.

        `sequence`: what go-pdk takes for the instance's number, in the place of one that it had already.
        """
        assert isinstance(channel, ProtobufChannel)
        numbered = b'{"__seq__":%d%b' % (
            sequence,
            b"," + configuration[1:] if len(configuration) > 2 else b"}",
        )
        command = delimited(b"\x0a", plugin.encode()) + delimited(b"\x12", numbered)
        return PlainCall(channel, _START, command)

    def instance_of(self, result: Any) -> int:
        """Return the number of the instance that was started. Raises BadReply."""
        status = result.get(_INSTANCE_STATUS)
        if not isinstance(status, bytes):
            raise BadReply("it answered StartInstance without an instance")
        try:
            return signed(decode_message(status).get(2, 0))
        except ProtobufError as error:
            raise BadReply(f"it answered StartInstance with what cannot be read: {error}") from None

    def instance_status(self, channel: Channel, instance: int) -> Call:
        """Return the call that asks for an instance."""
        assert isinstance(channel, ProtobufChannel)
        return PlainCall(channel, _STATUS, b"\x08" + varint(instance))

    def close_instance(self, channel: Channel, instance: int) -> Call:
        """Return the call that ends an instance."""
        assert isinstance(channel, ProtobufChannel)
        return PlainCall(channel, _CLOSE, b"\x08" + varint(instance))

    def event(self, channel: Channel, instance: int, phase: str, pdk: Answers) -> Call:
        """Return the call that has a plugin handle an event."""
        assert isinstance(channel, ProtobufChannel)
        return EventCall(channel, instance, phase, pdk)
