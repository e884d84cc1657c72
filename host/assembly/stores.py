"""The stores of shared data and queues that a configuration asks for."""

from __future__ import annotations

import dataclasses

from host.config import Config, WasmPlugin
from host.config.stores import SharedLimits
from host.config.stores import Stores as StoresConfig
from host.store import Limits, MemoryStore, Store, Stores


def make_stores(config: StoresConfig) -> Stores:
    """Return them. `auto` is LMDB where there is a folder for it: the supervisor of several workers gives one."""
    stores = Stores()
    limit(stores, config)
    if config.path is not None and config.local != "memory":
        from host.store.lmdb import LmdbStore

        local: Store = LmdbStore(config.path, config.map_size, stores.limits_of)
    else:
        local = MemoryStore(stores.limits_of)
    if config.redis is None:
        stores.use(local)
    else:
        from host.store.redis import RedisStore
        from host.store.redis_link import Server

        server = Server(
            **{name.name: getattr(config.redis, name.name) for name in dataclasses.fields(Server)}
        )
        remote = RedisStore(server, config.redis.key_prefix, stores.limits_of, stores.wake)
        stores.use(local, remote, [each.vm_id for each in config.vm_ids if each.store == "redis"])
    return stores


def limit(stores: Stores, config: StoresConfig) -> None:
    """Hold the stores to the limits of this configuration from now on."""
    stores.configure(_limits(config.limits), {each.vm_id: _limits(each.limits) for each in config.vm_ids})


def vm_ids(config: Config) -> set[str]:
    """Return the vm_ids of all plugins that are configured."""
    return {plugin.vm_id for plugin in config.plugins if isinstance(plugin, WasmPlugin)}


def _limits(limits: SharedLimits) -> Limits:
    return Limits(limits.max_size, limits.ttl, limits.max_queues, limits.max_queue_size)
