"""Types of functions as WebAssembly sees them, and the row type that tables of host functions share.

Source: WebAssembly core specification 2.0, 5.3 "Types".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ValueType(IntEnum):
    """A WebAssembly value type; the number is its byte in the binary format."""

    I32 = 0x7F
    I64 = 0x7E
    F32 = 0x7D
    F64 = 0x7C
    V128 = 0x7B
    FUNCREF = 0x70
    EXTERNREF = 0x6F

    def __str__(self) -> str:
        return self.name.lower()


_LETTERS = {ValueType.I32: "i", ValueType.I64: "I"}


@dataclass(frozen=True, slots=True)
class FunctionType:
    """Parameter and result types of a function."""

    parameters: tuple[ValueType, ...] = ()
    results: tuple[ValueType, ...] = ()

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.parameters))}) -> ({', '.join(map(str, self.results))})"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named parameter.

    Names are the specification's: ``x_data`` and ``x_size`` are address and length of a range of guest
    memory that the host reads, ``return_x`` is an address that the host writes to.
    """

    name: str
    type: ValueType


def i32(*names: str) -> tuple[Parameter, ...]:
    """Parameters of type i32 with these names."""
    return tuple(Parameter(name, ValueType.I32) for name in names)


def i64(*names: str) -> tuple[Parameter, ...]:
    """Parameters of type i64 with these names."""
    return tuple(Parameter(name, ValueType.I64) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFunction:
    """A function that the host offers to guests, whatever the import module it lives in."""

    name: str
    """Full name, as in the import section."""
    parameters: tuple[Parameter, ...]
    results: tuple[ValueType, ...] = (ValueType.I32,)
    result_optional: bool = False
    """True where guests exist that import the function without a result as well as with it."""

    @property
    def type(self) -> FunctionType:
        """The type to define the function with."""
        return FunctionType(tuple(parameter.type for parameter in self.parameters), self.results)

    @property
    def signature(self) -> str:
        """Parameter types in order, one letter each: ``i`` for i32, ``I`` for i64."""
        return "".join(_LETTERS[parameter.type] for parameter in self.parameters)

    @property
    def result(self) -> str:
        """``i`` when the function returns an i32, empty when it returns nothing."""
        return "".join(_LETTERS[result] for result in self.results)

    def accepts(self, imported: FunctionType) -> bool:
        """Whether a module that imports the function with the type `imported` can be linked to it."""
        if imported.parameters != self.type.parameters:
            return False
        return imported.results == self.results or (self.result_optional and not imported.results)
