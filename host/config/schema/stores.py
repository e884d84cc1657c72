"""The keys of `wasm.stores`: where shared data and queues of plugins are kept, and how much."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from host.config.schema.base import Strict
from host.config.schema.scalars import Duration, DurationWithUnit, Host, Port, PositiveSize

_VmId = Annotated[str, Field(max_length=256)]
_Queues = Annotated[int, Field(ge=0, le=100_000)]


class Lmdb(Strict):
    path: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="Folder of the database, relative to this file's; what is in it outlives the gateway. "
        "Without it: one in `/dev/shm` that ends with the gateway.",
    )
    map_size: PositiveSize = Field(
        default=64 * 1024 * 1024,
        description="Size of the database, for all vm_ids. That much shared memory is taken at the first use.",
    )


class Redis(Strict):
    host: Host = Field(default="127.0.0.1", description="The server.")
    port: Port = Field(default=6379, description="TCP port.")
    username: str = Field(default="", description="User of Redis's ACL; none: the default user.")
    password: str = Field(default="", description="Its password.")
    database: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="Number of the database."
    )
    ssl: bool = Field(default=False, description="Speak TLS.")
    ssl_verify: bool = Field(default=True, description="Check the server's certificate.")
    timeout: DurationWithUnit = Field(
        default=0.005,
        description="For one host call, which holds up the worker meanwhile; then Redis counts as down.",
    )
    key_prefix: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default="sluiceway", description="What all keys begin with. Gateways that share data have the same."
    )


class VmId(Strict):
    vm_id: _VmId = Field(description="The `vm_id` of the plugins that this is about; may be empty.")
    store: Literal["local", "redis"] = Field(
        default="local", description="`redis`: shared with the gateways of other machines."
    )
    max_size: PositiveSize | None = Field(default=None, description="Instead of the general one.")
    ttl: Duration | None = Field(default=None, description="Instead of the general one.")
    max_queues: _Queues | None = Field(default=None, description="Instead of the general one.")
    max_queue_size: PositiveSize | None = Field(default=None, description="Instead of the general one.")


class Stores(Strict):
    local: Literal["auto", "memory", "lmdb"] = Field(
        default="auto",
        description="`memory`: each worker has its own. `lmdb`: the workers share them. `auto`: `memory` for one "
        "worker, `lmdb` for several.",
    )
    max_size: PositiveSize = Field(
        default=16 * 1024 * 1024,
        description="Keys and values of a vm_id, each entry with 96 bytes more; beyond it the entries that were used "
        "longest ago go.",
    )
    ttl: Duration = Field(default=0.0, description="Life of an entry from its last set; 0: no end.")
    max_queues: _Queues = Field(default=64, description="Queues of a vm_id.")
    max_queue_size: PositiveSize = Field(
        default=4 * 1024 * 1024,
        description="Items that wait in one queue, each with 96 bytes more; then it is full.",
    )
    lmdb: Lmdb = Field(default=Lmdb(), description="The database that workers share.")
    redis: Redis | None = Field(default=None, description="The server that machines share.")
    vm_ids: list[VmId] = Field(default=[], description="What is otherwise for single vm_ids.")
