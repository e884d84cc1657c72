"""What has happened to the VMs of a plugin so far, as plain numbers that only grow, and how many there are now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

What = Literal[
    "started", "failed", "restarted", "restart_failures", "recycled", "overruns", "circuit_openings"
]


@dataclass(slots=True)
class Counts:
    """`started`: VMs that came up. `failed`: those that trapped, overran or exited. `restarted`: those that took the
    place of a failed one; `restart_failures`: attempts at one that did not come up. `recycled`: those replaced for
    their memory, requests or age. `overruns`: failures for time or fuel; `circuit_openings`: pauses for too many.
    """

    started: int = 0
    failed: int = 0
    restarted: int = 0
    restart_failures: int = 0
    recycled: int = 0
    overruns: int = 0
    circuit_openings: int = 0
