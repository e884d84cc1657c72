"""The upstreams of a configuration: made when first used, shared by routes and by calls of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host.config import Config
from host.config import Upstream as UpstreamConfig
from host.upstream.balancer import Node
from host.upstream.dial import TlsDialer
from host.upstream.upstream import Upstream

if TYPE_CHECKING:
    from host.assembly import Surroundings


class Upstreams:
    """By their configuration; equal ones are one, with one pool."""

    def __init__(self, config: Config, around: Surroundings, earlier: Upstreams | None) -> None:
        """`earlier`: those to go on with, pools and all, where they are configured alike."""
        self._around = around
        self._earlier = earlier.made if earlier is not None else {}
        self._named = {each.name: each for each in reversed(config.upstreams) if each.name}
        self._named.update({each.id.removeprefix("upstreams/"): each for each in config.upstreams})
        self.made: dict[UpstreamConfig, Upstream] = {}

    def __contains__(self, name: object) -> bool:
        """Whether one has this id or name."""
        return name in self._named

    def named(self, name: str) -> Upstream | None:
        """Return the one with this id, else the first with this name; None without one."""
        config = self._named.get(name)
        return None if config is None else self.of(config)

    def of(self, config: UpstreamConfig) -> Upstream:
        """Return the upstream of this configuration."""
        if config not in self.made:
            self.made[config] = self._earlier.get(config) or self._new(config)
        return self.made[config]

    def forget_earlier(self) -> None:
        """The configuration before this one is retired: go on with no more of it."""
        self._earlier = {}

    def _new(self, config: UpstreamConfig) -> Upstream:
        dialer = self._around.dialer
        if config.scheme == "https":
            dialer = TlsDialer(
                verify=config.tls.verify,
                trusted_certificate=str(config.tls.trusted_certificate or ""),
                server_name=config.upstream_host if config.pass_host == "rewrite" else "",
            )
        return Upstream(
            config.id,
            [Node(node.host, node.port, node.weight) for node in config.nodes],
            self._around.deadlines,
            dialer,
            scheme="https" if config.scheme == "https" else "http",
            connect_timeout=config.timeout.connect,
            send_timeout=config.timeout.send,
            read_timeout=config.timeout.read,
            keepalive_idle=config.keepalive_pool.idle_timeout,
            keepalive_pool_size=config.keepalive_pool.size,
            keepalive_requests=config.keepalive_pool.requests,
            retries=config.retries,
            pass_host=config.pass_host,
            upstream_host=config.upstream_host,
        )
