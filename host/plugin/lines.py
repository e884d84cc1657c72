"""Where a guest's log lines go: to its plugin's services, those that explain the end of a VM too."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from host._core import lib
from host.plugin import guests
from host.plugin.streams import request_of
from host.wasm.logs import take_lines


def deliver() -> None:
    """Hand all waiting lines to their plugins' services, those of one context in a row together."""
    gone = guests.gone()
    if not (gone or lib.sw_logs_pending()):
        return
    for (vm, context, root, stream), rows in groupby(take_lines(), key=_origin):
        guest = guests.guest_of(vm)
        if guest is not None:
            lines = [(row.level, row.message) for row in rows]
            name = guest.settings_of(root).name
            guest.services.guest_lines(name, context, request_of(stream), lines)
    if gone:
        guests.forget(gone)


_origin = attrgetter("vm", "context", "root", "stream")
