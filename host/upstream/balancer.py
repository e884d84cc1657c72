"""Which node takes the next request: smooth weighted round robin, past the nodes that just failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host.upstream.connection import UpstreamConnection


@dataclass(frozen=True, slots=True)
class Node:
    """One address of an upstream. `weight` is its share of the requests; 0 takes none."""

    host: str
    port: int
    weight: int = 1


class NodeState:
    """A node with what is known of it: its idle connections, and until when it is passed over."""

    __slots__ = ("address", "authority", "current", "down_until", "host", "idle", "node", "scheme")

    def __init__(self, node: Node, default_port: int) -> None:
        self.node = node
        host = f"[{node.host}]" if ":" in node.host else node.host
        self.address = f"{node.host}:{node.port}"
        self.authority = (host if node.port == default_port else f"{host}:{node.port}").encode()
        self.host = b""  # what Host it gets; empty = the client's
        self.scheme = "http"  # as which it is spoken to
        self.current = 0
        self.down_until = 0.0
        self.idle: deque[UpstreamConnection] = deque()  # the last one used is the first one taken


class RoundRobin:
    """nginx's smooth weighted round robin: each choice adds every weight and takes their sum from the chosen."""

    __slots__ = ("_usable", "nodes")

    def __init__(self, nodes: Sequence[Node], default_port: int = 80) -> None:
        self.nodes = [NodeState(node, default_port) for node in nodes]
        self._usable = [state for state in self.nodes if state.node.weight > 0]

    def choose(self, clock: Callable[[], float], tried: Sequence[Any] = ()) -> NodeState | None:
        """Return the next node, not one of `tried`; a node that is down only if no other is left."""
        usable = self._usable
        if len(usable) == 1:
            return usable[0] if usable[0] not in tried else None
        now = clock()
        candidates = [state for state in usable if state.down_until <= now and state not in tried]
        if not candidates:
            candidates = [state for state in usable if state not in tried]
            if not candidates:
                return None
        chosen, total = candidates[0], 0
        for state in candidates:
            state.current += state.node.weight
            total += state.node.weight
            if state.current > chosen.current:
                chosen = state
        chosen.current -= total
        return chosen
