"""Where shared data and queues of plugins are kept, as plain frozen values (see `host.config.model`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SharedLimits:
    """What the plugins of one vm_id may keep, as `host.store.Limits` has it."""

    max_size: int = 16 * _MIB
    ttl: float = 0.0
    max_queues: int = 64
    max_queue_size: int = 4 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    """A Redis server. `timeout`: seconds that one host call may take there."""

    host: str = "127.0.0.1"
    port: int = 6379
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    ssl: bool = False
    ssl_verify: bool = True
    timeout: float = 0.005
    key_prefix: str = "sluiceway"


@dataclass(frozen=True, slots=True)
class VmIdStore:
    """What is said of one vm_id."""

    vm_id: str
    store: Literal["local", "redis"] = "local"
    limits: SharedLimits = SharedLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All of it. `path`: the folder of the LMDB database; None for one that the supervisor makes and removes."""

    local: Literal["auto", "memory", "lmdb"] = "auto"
    limits: SharedLimits = SharedLimits()
    path: Path | None = None
    map_size: int = 64 * _MIB
    redis: Redis | None = None
    vm_ids: tuple[VmIdStore, ...] = ()

    @property
    def places(self) -> object:
        """Where everything is kept, apart from limits; to be compared."""
        remote = frozenset(each.vm_id for each in self.vm_ids if each.store == "redis")
        return self.local, self.path, self.map_size, self.redis, remote
