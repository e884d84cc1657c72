"""Filter chains: which filters a route has, in which order, as one native object that all its exchanges share.

The passes themselves (who is called when, pausing, resuming) are in core/passes.c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from abi.limits import BODY_BUFFER_MAX_BYTES
from abi.pairs import encode_pairs
from host import hot
from host._core import ffi, lib
from host.metrics.table import RequestCounters
from host.plugin.lenders import Borrower, lenders


class PhaseClass(IntEnum):
    """The coarse order of filters on the way to the upstream; priorities order within a class."""

    REWRITE = 0
    AUTHN = 1
    AUTHZ = 2
    ACCESS = 3
    POST = 4
    BEFORE_PROXY = 5


class Filter(Protocol):
    """A kind of filter: a wasm plugin with a configuration, or a filter in Python."""

    @property
    def native(self) -> Any:
        """The `sw_filter *`; it lives as long as this object."""

    @property
    def borrower(self) -> Borrower | None:
        """Where streams get a VM for this filter from, if each gets one of its own."""

    @property
    def decodes_bodies(self) -> bool:
        """Whether it wants to see bodies without their content codings; its whole chain then does."""

    @property
    def reads_variables(self) -> bool:
        """Whether it asks the exchange for variables."""

    def attend(self) -> None:
        """See to what its guest has left behind: log lines, ticks, a failed VM."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A filter with what orders it. Filters of `global_rules` come before a route's own.

    `response_first`: the filter, which takes no part in requests, sees a response before all others. `name`: of the
    plugin; filters of the gateway's own have none.
    """

    filter: Filter
    priority: int = 0
    phase: PhaseClass = PhaseClass.ACCESS
    is_global: bool = False
    response_first: bool = False
    name: str = ""


def ordered(filters: Sequence[Placed], *, reverse_response: bool = False) -> list[Placed]:
    """Return the filters in the order in which requests pass them: class, descending priority, declaration.

    `reverse_response`: the chain will be one in which responses pass in the opposite order.
    """
    ranked = sorted(filters, key=lambda placed: (not placed.is_global, placed.phase, -placed.priority))
    first = [placed for placed in ranked if placed.response_first]
    others = [placed for placed in ranked if not placed.response_first]
    return [*others, *reversed(first)] if reverse_response else [*first, *others]


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bytes that one pausing filter may hold of a body; beyond that the answer is 413 or 502."""

    request: int = BODY_BUFFER_MAX_BYTES
    response: int = BODY_BUFFER_MAX_BYTES


class FilterChain:
    """An ordered chain. Requests pass it in order, responses too (APISIX, Kong) or reversed (Envoy)."""

    __slots__ = (
        "__weakref__",
        "changes_request_body",
        "changes_response_body",
        "decodes",
        "decodes_request",
        "decodes_response",
        "filters",
        "handle",
        "lenders",
        "native",
        "order",
        "reads_variables",
        "wants_request_body",
        "wants_response_body",
    )

    def __init__(
        self,
        filters: Sequence[Filter] = (),
        *,
        reverse_response: bool = False,
        hold_response_head: bool = True,
        limits: BodyLimits | None = None,
        properties: Mapping[bytes, bytes] | None = None,
    ) -> None:
        """`properties`: path (NUL between segments) to encoded value, what plugins can read of the route.

        `hold_response_head`: keep a response head back until body bytes leave, where a filter can change the body, so
        that its length can be told.
        """
        limits = limits if limits is not None else BodyLimits()
        pairs = encode_pairs(list((properties or {}).items()))
        self.filters = tuple(filters)
        self.order: tuple[Placed, ...] = ()  # what brought them in their order, where they were ordered
        self.lenders = lenders([filter_.borrower for filter_ in self.filters])
        native = lib.sw_chain_new(
            [filter_.native for filter_ in self.filters],
            len(self.filters),
            reverse_response,
            hold_response_head,
            limits.request,
            limits.response,
            pairs,
            len(pairs),
        )
        if native == ffi.NULL:
            raise MemoryError("no memory for a filter chain")
        self.native = ffi.gc(native, lib.sw_chain_delete)
        self.handle = hot.capsule(self.native)
        bits = lib.sw_chain_body_bits(native)
        self.wants_request_body, self.wants_response_body = bool(bits & 1), bool(bits & 2)
        self.reads_variables = any(filter_.reads_variables for filter_ in self.filters)
        self.decodes = any(filter_.decodes_bodies for filter_ in self.filters) and bool(bits & 3)
        self.decodes_request = self.decodes and self.wants_request_body
        self.decodes_response = self.decodes and self.wants_response_body
        self.changes_request_body = bool(bits & 4) or self.decodes_request
        self.changes_response_body = bool(bits & 8) or self.decodes_response

    def count_in(self, requests: RequestCounters) -> None:
        """Count the exchanges that pass the chain from now on. To be called once."""
        lib.sw_chain_count_in(self.native, requests.table.pointer, requests.indexes, requests.durations)

    def attend(self) -> None:
        """Let every filter see to what its guest has left behind."""
        for filter_ in self.filters:
            filter_.attend()


EMPTY = FilterChain()
"""The chain of a route without plugins."""
