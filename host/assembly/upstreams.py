"""The upstreams of a configuration: made when first used, shared by routes and by calls of plugins."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from host.config import Config
from host.config import Node as NodeConfig
from host.config import Upstream as UpstreamConfig
from host.reach import UpstreamChange
from host.upstream.balancer import Node
from host.upstream.dial import TlsDialer
from host.upstream.upstream import Upstream

if TYPE_CHECKING:
    from host.assembly import Surroundings


_MOST_CHANGED: Final = 256
"""Upstreams as filters want them that are kept. Their names come from plugins, and so perhaps from clients."""


class Upstreams:
    """By their configuration; equal ones are one, with one pool."""

    def __init__(self, config: Config, around: Surroundings, earlier: Upstreams | None) -> None:
        """`earlier`: those to go on with, pools and all, where they are configured alike."""
        self._around = around
        self._earlier = earlier.made if earlier is not None else {}
        self._named = {each.name: each for each in reversed(config.upstreams) if each.name}
        self._named.update({each.id.removeprefix("upstreams/"): each for each in config.upstreams})
        self.made: dict[UpstreamConfig, Upstream] = {}
        self._configs: dict[Upstream, UpstreamConfig] = {}
        self._changed: OrderedDict[tuple[Upstream, UpstreamChange], Upstream] = OrderedDict()

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
            self.made[config] = made = self._earlier.get(config) or self._new(config)
            self._configs[made] = config
        return self.made[config]

    def changed(self, upstream: Upstream, change: UpstreamChange) -> Upstream | None:
        """Return an upstream as a filter wants it for one exchange; None where none has the name.

        Equal ones are one, with one pool, as long as they are among the last that were asked for.
        """
        key = (upstream, change)
        if (found := self._changed.get(key)) is not None:
            self._changed.move_to_end(key)
            return found
        config = self._configs.get(upstream)
        if change.upstream is not None:
            config = self._named.get(change.upstream)
        if config is None:
            return None
        made = self._changed[key] = self._new(_with(config, change))
        self._configs[made] = _with(config, change)
        if len(self._changed) > _MOST_CHANGED:
            self._close(self._changed.popitem(last=False)[1])
        return made

    def close_changed(self) -> None:
        """Keep no idle connections of what filters asked for."""
        while self._changed:
            self._close(self._changed.popitem()[1])

    def _close(self, upstream: Upstream) -> None:
        del self._configs[upstream]
        upstream.close()

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


def _with(config: UpstreamConfig, change: UpstreamChange) -> UpstreamConfig:
    nodes, timeout = config.nodes, config.timeout
    if change.host is not None or change.port is not None:
        first = nodes[0] if nodes else NodeConfig("", 443 if change.scheme == "https" else 80)
        host = first.host if change.host is None else change.host
        nodes = (NodeConfig(host, first.port if change.port is None else change.port),)
    return dataclasses.replace(
        config,
        nodes=nodes,
        scheme=config.scheme if change.scheme is None else change.scheme,
        retries=config.retries if change.retries is None else change.retries,
        timeout=dataclasses.replace(
            timeout,
            connect=timeout.connect if change.connect_timeout is None else change.connect_timeout,
            send=timeout.send if change.send_timeout is None else change.send_timeout,
            read=timeout.read if change.read_timeout is None else change.read_timeout,
        ),
    )
