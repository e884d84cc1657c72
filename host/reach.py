"""What a filter may change about where an exchange goes: plain values. Who carries it out is the exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamChange:
    """Another upstream, or another node, scheme or patience of the present one; None: as it is. Times are seconds.

    `upstream`: the id or name of one that is configured. `host`, `port`: a node in the place of all others; each alone
    keeps the other of the first node. `retries`: further tries. The rest applies to what these lead to.
    """

    upstream: str | None = None
    host: str | None = None
    port: int | None = None
    scheme: Literal["http", "https"] | None = None
    retries: int | None = None
    connect_timeout: float | None = None
    send_timeout: float | None = None
    read_timeout: float | None = None
