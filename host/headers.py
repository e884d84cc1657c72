"""Header maps: the Python face of the C core's `sw_headers`, shared by the HTTP rooms, native filters and plugins.

A map is ordered, keeps repeated fields, and holds names in lower case (the C core remembers their spelling for the
wire); pseudo-headers (`:method`, `:status`, …) come first as ordinary entries. It must not know HTTP's rules: those
are in `host.http`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from host import hot
from host._core import ffi, lib


class HeaderMap:
    """An ordered multi-map of field names to values, all bytes.

    `HeaderMap(pairs)` owns its memory; `HeaderMap.view(pointer, owner)` looks at a map inside another native object
    and keeps `owner` alive.
    """

    __slots__ = ("_handle", "_length", "_owner", "pointer")

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.pointer = ffi.gc(lib.sw_headers_new(), lib.sw_headers_delete)
        self._owner: Any = None
        self._handle: hot.Capsule = None
        self._length = ffi.new("size_t *")
        for name, value in pairs:
            self.add(name, value)

    @classmethod
    def view(cls, pointer: Any, owner: Any) -> HeaderMap:
        """Return a map over the `sw_headers *` that belongs to `owner`."""
        self = cls.__new__(cls)
        self.pointer, self._owner, self._handle = pointer, owner, None
        self._length = ffi.new("size_t *")
        return self

    def get(self, name: bytes, default: bytes | None = None) -> bytes | None:
        """Return the first value of the name, whatever its case."""
        value = hot.header(self._handle or self._new_handle(), name)
        return default if value is None else value

    def _new_handle(self) -> hot.Capsule:
        """Most maps are of streams, and live long; a capsule costs as much as some calls of cffi."""
        self._handle = handle = hot.capsule(self.pointer)
        return handle

    def get_all(self, name: bytes) -> list[bytes]:
        """Return all values of the name in order."""
        values = []
        index = lib.sw_headers_find(self.pointer, name, len(name), 0)
        while index >= 0:
            values.append(self._value(index))
            index = lib.sw_headers_find(self.pointer, name, len(name), index + 1)
        return values

    def add(self, name: bytes, value: bytes) -> None:
        """Append a field. Raises MemoryError when the map would grow over its limit."""
        if lib.sw_headers_add(self.pointer, name, len(name), value, len(value)) < 0:
            raise MemoryError("header map over its limit")

    def set(self, name: bytes, value: bytes) -> None:
        """Leave one field of the name, with this value. Raises MemoryError as `add` does."""
        if lib.sw_headers_set(self.pointer, name, len(name), value, len(value)) < 0:
            raise MemoryError("header map over its limit")

    def remove(self, name: bytes) -> int:
        """Remove all fields of the name and return how many there were."""
        return int(lib.sw_headers_remove(self.pointer, name, len(name)))

    def clear(self) -> None:
        """Remove all fields."""
        lib.sw_headers_clear(self.pointer)

    def items(self) -> list[tuple[bytes, bytes]]:
        """Return all fields in order, repeated ones each."""
        return [(self._name(index), self._value(index)) for index in range(len(self))]

    def __len__(self) -> int:
        return int(lib.sw_headers_count(self.pointer))

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self.items())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, bytes) and lib.sw_headers_find(self.pointer, name, len(name), 0) >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HeaderMap):
            return self.items() == other.items()
        return self.items() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"HeaderMap({self.items()!r})"

    def _name(self, index: int) -> bytes:
        text = lib.sw_headers_name(self.pointer, index, self._length)
        return bytes(ffi.unpack(text, self._length[0]))

    def _value(self, index: int) -> bytes:
        text = lib.sw_headers_value(self.pointer, index, self._length)
        return bytes(ffi.unpack(text, self._length[0]))


def is_valid_field(name: bytes, value: bytes) -> bool:
    """Whether RFC 9110 (section 5) allows a field with this name and this value."""
    return bool(lib.sw_is_valid_field(name, len(name), value, len(value)))
