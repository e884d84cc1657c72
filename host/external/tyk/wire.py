"""Messages of Protocol Buffers by a table of their fields: a message is a mapping of names to values and back.

What is missing has its type's zero; what a table does not name is passed over, as protobuf wants it. A table is
compiled into a function for each field once, as messages pass with every request.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from abi.protobuf import ProtobufError, Value, delimited, iterate_fields, signed, varint

_VARINT, _FIXED64, _LENGTH = 0, 1, 2
_DOUBLE: Final = struct.Struct("<d")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type with one value. `zero` is not written; `encode` gives what follows the tag."""

    zero: Any
    wire_type: int
    encode: Callable[[Any], bytes]
    decode: Callable[[Value], Any]


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ProtobufError("a number where bytes are expected")
    return value


def _text(value: Value) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _double(value: Value) -> float:
    if not isinstance(value, bytes) or len(value) != 8:
        raise ProtobufError("no double where one is expected")
    return float(_DOUBLE.unpack(value)[0])


TEXT: Final = Scalar("", _LENGTH, lambda value: delimited(b"", value.encode("utf-8", "replace")), _text)
BYTES: Final = Scalar(b"", _LENGTH, lambda value: delimited(b"", value), _bytes)
INTEGER: Final = Scalar(0, _VARINT, lambda value: varint(int(value)), signed)
BOOLEAN: Final = Scalar(False, _VARINT, lambda value: varint(bool(value)), lambda value: bool(signed(value)))
DOUBLE: Final = Scalar(0.0, _FIXED64, _DOUBLE.pack, _double)


class Repeated:
    """A list of texts, of doubles or of messages."""

    def __init__(self, of: Scalar | Message) -> None:
        self.of = of


class Map:
    """A mapping of texts to texts or messages."""

    def __init__(self, of: Scalar | Message = TEXT) -> None:
        self.of = of


Kind = Scalar | Repeated | Map


class Message:
    """Fields by number: the name that a value has in the mapping, and its type."""

    wire_type: Final = _LENGTH

    def __init__(self, fields: Mapping[int, tuple[str, Kind | Message]]) -> None:
        self._writers = [(name, _writer(number, kind)) for number, (name, kind) in fields.items()]
        self._readers = {number: (name, _reader(kind)) for number, (name, kind) in fields.items()}
        self._zeros = {
            name: kind.zero for name, kind in fields.values() if isinstance(kind, Scalar)
        }  # messages that are not there are missing
        self._lists = [name for name, kind in fields.values() if isinstance(kind, Repeated)]
        self._maps = [name for name, kind in fields.values() if isinstance(kind, Map)]

    def write(self, values: Mapping[str, Any]) -> bytes:
        """Return the bytes of a message.

        Raises TypeError, AttributeError, ValueError or struct.error for a value that is not of its field's type.
        """
        get = values.get
        return b"".join([write(value) for name, write in self._writers if (value := get(name))])

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return them as a field of another message has them."""
        return delimited(b"", self.write(values))

    def read(self, data: bytes) -> dict[str, Any]:
        """Return a message's values. Raises ProtobufError."""
        values = dict(self._zeros)
        for name in self._lists:
            values[name] = []
        for name in self._maps:
            values[name] = {}
        readers = self._readers
        for number, value in iterate_fields(data):
            if (found := readers.get(number)) is not None:
                found[1](values, found[0], value)
        return values

    def decode(self, value: Value) -> dict[str, Any]:
        """Return the values of one that is a field of another."""
        return self.read(_bytes(value))


def _tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def _writer(number: int, kind: Kind | Message) -> Callable[[Any], bytes]:
    """What writes the field with a value that is not its zero."""
    if isinstance(kind, Scalar | Message):
        tag, encode = _tag(number, kind.wire_type), kind.encode
        return lambda value: tag + encode(value)
    of = kind.of
    tag, encode = _tag(number, of.wire_type), of.encode
    if isinstance(kind, Repeated):
        return lambda values: b"".join([tag + encode(value) for value in values])
    outer, key_tag, value_tag = _tag(number, _LENGTH), _tag(1, _LENGTH), _tag(2, of.wire_type)
    encode_key = TEXT.encode
    return lambda values: b"".join(
        [
            delimited(outer, key_tag + encode_key(key) + value_tag + encode(value))
            for key, value in values.items()
        ]
    )


def _reader(kind: Kind | Message) -> Callable[[dict[str, Any], str, Value], None]:
    """What takes the field into the values of its message."""
    if isinstance(kind, Scalar | Message):
        decode = kind.decode

        def take(values: dict[str, Any], name: str, value: Value) -> None:
            values[name] = decode(value)

        return take
    of = kind.of
    if isinstance(kind, Repeated):

        def append(values: dict[str, Any], name: str, value: Value) -> None:
            values[name].extend(map(of.decode, _unpacked(of, value)))

        return append
    zero = of.zero if isinstance(of, Scalar) else {}

    def put(values: dict[str, Any], name: str, value: Value) -> None:
        key, item = "", zero
        for number, each in iterate_fields(_bytes(value)):
            if number == 1:
                key = _text(each)
            elif number == 2:
                item = of.decode(each)
        values[name][key] = item

    return put


def _unpacked(of: Scalar | Message, value: Value) -> Iterable[Value]:
    """Doubles may come several in one field."""
    if of is not DOUBLE or not isinstance(value, bytes):
        return (value,)
    return (value[at : at + 8] for at in range(0, len(value), 8))
