"""A cursor over the WebAssembly binary format: integers, names, vectors and types.

Every read is checked against the end of the section it is in, and no declared count is believed before that
many bytes are there: the cost of reading a file is bounded by its length.

Source: WebAssembly core specification 2.0, 5.1 to 5.4, with the limits of the threads, memory64 and
custom-page-sizes proposals, which compilers can emit today.
"""

from __future__ import annotations

from dataclasses import dataclass

from abi.signature import FunctionType, ValueType

_VALUE_TYPES = {int(type): type for type in ValueType}
_FUNCTION_FORM = 0x60
_SHARED, _INDEX64, _PAGE_SIZE = 0x02, 0x04, 0x08


class WasmFileError(ValueError):
    """A file that is not a readable WebAssembly module; says in which section and at which offset."""

    def __init__(self, message: str, section: str, offset: int) -> None:
        super().__init__(f"{section} section, offset 0x{offset:x}: {message}")
        self.section = section
        """Name of the section, or ``header``."""
        self.offset = offset
        """Offset from the start of the file, in bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Size of a memory in pages, or of a table in elements."""

    minimum: int
    maximum: int | None = None
    """None when the module sets no upper limit."""
    shared: bool = False
    index64: bool = False
    page_size: int = 65536
    """Bytes of a page; without meaning for tables."""


class Cursor:
    """Reads `data` from `offset` up to `end`, on behalf of the section named `section`."""

    def __init__(self, data: bytes, offset: int, end: int, section: str) -> None:
        self.data = data
        self.offset = offset
        self.end = end
        self.section = section

    def error(self, message: str, offset: int | None = None) -> WasmFileError:
        """An error at `offset`, or at the place the cursor is at."""
        return WasmFileError(message, self.section, self.offset if offset is None else offset)

    @property
    def remaining(self) -> int:
        """Bytes up to the end."""
        return self.end - self.offset

    def byte(self) -> int:
        """One byte."""
        if self.offset >= self.end:
            raise self.error("ends too early")
        value = self.data[self.offset]
        self.offset += 1
        return value

    def skip(self, length: int) -> None:
        """Pass over `length` bytes."""
        if length > self.remaining:
            raise self.error(f"{length} bytes declared, {self.remaining} there")
        self.offset += length

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        start = self.offset
        self.skip(length)
        return self.data[start : self.offset]

    def unsigned(self, bits: int = 32) -> int:
        """An unsigned LEB128 integer of at most `bits` bits."""
        start = self.offset
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= bits:
                raise self.error(f"integer takes more bytes than {bits} bits need", start)
        if value >> bits:
            raise self.error(f"integer does not fit {bits} bits", start)
        return value

    def count(self) -> int:
        """The count that opens a vector; refused when fewer bytes than elements follow."""
        start = self.offset
        value = self.unsigned()
        if value > self.remaining:
            raise self.error(f"{value} elements declared, {self.remaining} bytes there", start)
        return value

    def name(self) -> str:
        """A name: length and UTF-8 text."""
        start = self.offset
        try:
            return self.take(self.unsigned()).decode()
        except UnicodeDecodeError:
            raise self.error("name is not UTF-8", start) from None

    def value_type(self) -> ValueType:
        """A value type."""
        byte = self.byte()
        if byte not in _VALUE_TYPES:
            raise self.error(f"unknown value type 0x{byte:02x}", self.offset - 1)
        return _VALUE_TYPES[byte]

    def value_types(self) -> tuple[ValueType, ...]:
        """A vector of value types."""
        return tuple(self.value_type() for _ in range(self.count()))

    def function_type(self) -> FunctionType:
        """A function type; the types of the garbage collection proposal are refused."""
        form = self.byte()
        if form != _FUNCTION_FORM:
            raise self.error(f"type form 0x{form:02x} is no function type", self.offset - 1)
        return FunctionType(self.value_types(), self.value_types())

    def limits(self) -> Limits:
        """The limits of a memory or table."""
        start = self.offset
        flags = self.byte()
        if flags & ~0x0F:
            raise self.error(f"unknown limits 0x{flags:02x}", start)
        bits = 64 if flags & _INDEX64 else 32
        minimum = self.unsigned(bits)
        maximum = self.unsigned(bits) if flags & 0x01 else None
        exponent = self.unsigned() if flags & _PAGE_SIZE else 16
        if exponent > 16:
            raise self.error(f"page size of 2^{exponent} bytes", start)
        if maximum is not None and maximum < minimum:
            raise self.error(f"maximum {maximum} is below the minimum {minimum}", start)
        return Limits(minimum, maximum, bool(flags & _SHARED), bool(flags & _INDEX64), 1 << exponent)
