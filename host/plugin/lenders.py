"""Where the streams of a chain get VMs of their own from, for those filters that want one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from host._core import lib
from host.plugin.lease import Lease
from host.plugin.settings import Isolation, RootKey
from host.plugin.stream_vms import StreamVms

Borrower = tuple[StreamVms, RootKey]


class Lender:
    """Lends a VM to each stream for some filters of one plugin, by their places in the chain."""

    def __init__(self, supply: StreamVms, places: Sequence[tuple[int, RootKey]]) -> None:
        self._supply = supply
        self._places = tuple(places)
        self._roots = tuple(dict.fromkeys(key for _, key in places))

    def lend(self, stream: Any) -> Lease | None:
        """Give a native stream that has just been opened its VM; None: the plugin is down for it."""
        lease = self._supply.lend(self._roots)
        if lease is not None:
            for place, key in self._places:
                lib.sw_stream_lease(stream, place, lease.root(key).pointer)
        return lease

    def take_back(self, lease: Lease) -> None:
        """The stream has been closed."""
        self._supply.take_back(self._roots, lease)


def lenders(borrowers: Sequence[Borrower | None]) -> tuple[Lender, ...]:
    """Return the lenders of a chain with these filters; None: one that borrows nothing."""
    groups: dict[object, tuple[StreamVms, list[tuple[int, RootKey]]]] = {}
    for place, borrower in enumerate(borrowers):
        if borrower is None:
            continue
        supply, key = borrower
        group: object = supply if key.settings.isolation is Isolation.STREAM else place
        groups.setdefault(group, (supply, []))[1].append((place, key))
    return tuple(Lender(supply, places) for supply, places in groups.values())
