"""The nodes of a stream route: one is chosen for each connection, and the next when it cannot be reached."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable

from host.upstream.balancer import NodeState
from host.upstream.upstream import Upstream

logger = logging.getLogger("sluiceway.stream")


class StreamUpstream:
    """An upstream for TCP connections. Times are seconds."""

    def __init__(
        self,
        nodes: Upstream,
        *,
        connect_timeout: float = 60.0,
        idle_timeout: float = 600.0,
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
    ) -> None:
        """`tls`: speak TLS to the nodes; `server_name`: the name to ask for, instead of the client's or the node's."""
        self.idle_timeout = idle_timeout
        self._nodes = nodes
        self._connect_timeout = connect_timeout
        self._tls = tls
        self._server_name = server_name

    async def connect(self, new_protocol: Callable[[], asyncio.Protocol], client_name: str) -> NodeState:
        """Connect a protocol to a node and return it. `client_name`: what the client asked for in its own handshake.

        Raises OSError (TimeoutError is one) when no node could be reached in as many tries as there may be.
        """
        tried: list[NodeState] = []
        failure: OSError = ConnectionError("it has no node")
        for _ in range(self._nodes.retries + 1):
            node = self._nodes.choose(tried)
            if node is None:
                break
            tried.append(node)
            try:
                async with asyncio.timeout(self._connect_timeout):
                    await self._connect(new_protocol, node, client_name)
            except (
                ssl.SSLError
            ) as error:  # a client's name may be why: no reason to pass the node over for others
                failure = error
                logger.warning("%s: %s", _address(node), describe(error))
            except (OSError, ValueError) as error:  # ValueError: a name that no resolver takes
                failure = error if isinstance(error, OSError) else OSError(str(error))
                is_news = self._nodes.mark_down(node)
                level = logging.WARNING if is_news else logging.DEBUG
                logger.log(level, "%s cannot be reached: %s", _address(node), describe(failure))
            else:
                return node
        raise failure

    async def _connect(
        self, new_protocol: Callable[[], asyncio.Protocol], node: NodeState, client_name: str
    ) -> None:
        loop = asyncio.get_running_loop()
        host, port = node.node.host, node.node.port
        if self._tls is None:
            await loop.create_connection(new_protocol, host, port)
            return
        name = self._server_name or client_name or host
        await loop.create_connection(new_protocol, host, port, ssl=self._tls, server_hostname=name)


def _address(node: NodeState) -> str:
    host = node.node.host
    return f"[{host}]:{node.node.port}" if ":" in host else f"{host}:{node.node.port}"


def describe(error: OSError) -> str:
    """Return why, in a few words."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}"
    return error.strerror or str(error) or type(error).__name__
