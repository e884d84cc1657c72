"""What routing hands to an exchange. It must not know how routes are configured or matched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from host.reach import UpstreamChange
from host.stream import FilterChain
from host.upstream.upstream import Upstream


class Reach(Protocol):
    """Where else exchanges can go."""

    def changed(self, upstream: Upstream, change: UpstreamChange) -> Upstream | None:
        """Return the upstream with this change; None where it leads nowhere."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes and what it passes on its way.

    `trust_content_length` sends a Content-Length on although a filter may change the body: the operator says that none
    does, and bodies stream without a hold or chunked coding. A count that comes out wrong ends the connection.
    `reach`: where filters may send its requests instead; None: nowhere. `name`, `service_id`: what variables tell.
    `enable_websocket` lets the client upgrade its connection; else an Upgrade is a field of the hop, and ends here.
    """

    id: str
    chain: FilterChain
    upstream: Upstream
    trust_content_length: bool = False
    enable_websocket: bool = False
    reach: Reach | None = None
    name: str = ""
    service_id: str = ""
    recounts_request: bool = field(init=False)  # a filter may change the content's length: it is told anew
    recounts_response: bool = field(init=False)

    def __post_init__(self) -> None:
        trusts, chain = self.trust_content_length, self.chain
        object.__setattr__(self, "recounts_request", chain.changes_request_body and not trusts)
        object.__setattr__(self, "recounts_response", chain.changes_response_body and not trusts)
