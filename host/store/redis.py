"""The store of many machines: Redis. Reads come from a replica in this process, changes are scripts in the server.

While Redis is down, what was read last is read, and nothing is changed. It never holds up a worker for longer than the
server's `timeout`, and after one such time not at all until the server answers again.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from abi.types import Status
from host.store import scripts
from host.store.interface import ENTRY_COST, LOCAL_QUEUES, Down, Limits, Refused
from host.store.memory import milliseconds
from host.store.redis_link import Link, Server
from host.store.replica import Replica

_PATIENCE = 2.0
"""Seconds that the first use of a vm_id waits for its replica; it is made where no request waits."""
_POLL = 0.05
"""Seconds that the listening thread waits for a message before it looks for other work."""
_BATCH = 200
_SENDER = 16


class RedisStore:
    """See `Store`. It tells other gateways of items itself, and this one by `wake`."""

    is_shared = False

    def __init__(
        self,
        server: Server,
        key_prefix: str = "sluiceway",
        limits: Callable[[str], Limits] = lambda _: Limits(),
        wake: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Connect in the background. `wake` is called with the id of a queue that has got an item elsewhere."""
        self._prefix, self._limits, self._wake = key_prefix, limits, wake
        self._spaces: dict[str, RedisSpace] = {}
        self._queues: dict[int, tuple[str, bytes]] = {}
        self._searched = 0.0
        self._listened: dict[bytes, RedisSpace] = {}
        self._pubsub: Any = None
        self._lock = threading.Lock()
        self._sender = uuid.uuid4().bytes
        self.link = Link(server, self._listen)

    def space(self, vm_id: str) -> RedisSpace:
        """See `Store.space`. The first time it waits for the data, if Redis is there."""
        with self._lock:
            space = self._spaces.get(vm_id)
            if space is None:
                space = self._spaces[vm_id] = RedisSpace(
                    vm_id, self._key(vm_id, b""), self._limits(vm_id), self
                )
        if not space.replica.is_loaded:
            end = time.monotonic() + _PATIENCE
            while not space.replica.is_loaded and time.monotonic() < end:
                if self.link.tried.is_set() and not self.link.is_up:
                    break
                time.sleep(0.002)
        return space

    def _key(self, vm_id: str, word: bytes) -> bytes:
        return b"%s:{%s}:%s" % (self._prefix.encode(), vm_id.encode(), word)

    # --- queues

    def note_queue(self, vm_id: str, name: bytes) -> int:
        """Return the id of a queue: the same for every gateway, whether Redis is there or not."""
        digest = blake2b(vm_id.encode() + b"\0" + name, digest_size=4).digest()
        queue = LOCAL_QUEUES | (int.from_bytes(digest) & (LOCAL_QUEUES - 1))
        if self._queues.setdefault(queue, (vm_id, name)) != (vm_id, name):
            raise Refused(
                f"queue {name!r} of vm_id {vm_id!r} would get the id of another one: give it another name"
            )
        return queue

    def resolve_queue(self, vm_id: str, name: bytes) -> int:
        """See `Store.resolve_queue`."""
        is_there = self.link.call(scripts.EXISTS, [self._key(vm_id, b"queues")], name)
        return self.note_queue(vm_id, name) if is_there else 0

    def _find(self, queue: int) -> tuple[str, bytes] | None:
        """The vm_id and name of a queue; one that another gateway has registered is looked for, not too often."""
        found = self._queues.get(queue)
        if found is None and time.monotonic() - self._searched > 1:
            self._searched = time.monotonic()
            for vm_id in list(self._spaces):
                for name in self.link.call(scripts.NAMES, [self._key(vm_id, b"queues")]):
                    self.note_queue(vm_id, name)
            found = self._queues.get(queue)
        return found

    def enqueue(self, queue: int, item: bytes) -> Status:
        """See `Store.enqueue`."""
        found = self._find(queue)
        if found is None:
            return Status.NOT_FOUND
        vm_id, name = found
        most = self._limits(vm_id).max_queue_size
        keys = [*self._queue_keys(vm_id, name), self._key(vm_id, b"items")]
        match self.link.call(scripts.ENQUEUE, keys, name, item, most, self._sender):
            case 0:
                return Status.OK
            case 1:
                raise Refused(f"queue {name!r} is full: {len(item) + ENTRY_COST} bytes more are over {most}")
            case _:
                return Status.NOT_FOUND

    def _queue_keys(self, vm_id: str, name: bytes) -> list[bytes]:
        return [self._key(vm_id, b"queues"), self._key(vm_id, b"queue:" + name)]

    def dequeue(self, queue: int) -> bytes | None:
        """See `Store.dequeue`."""
        found = self._find(queue)
        if found is None:
            raise KeyError(queue)
        vm_id, name = found
        space = self.space(vm_id)
        keys = [*self._queue_keys(vm_id, name), self._key(vm_id, b"taken:" + self._sender + name)]
        with space.taking:
            # The ticket stays until its answer has come: the item that a lost answer had is then given again.
            ticket = space.tickets.setdefault(name, 0)
            state, item = self.link.call(scripts.DEQUEUE, keys, name, ticket.to_bytes(8))
            space.tickets[name] = ticket + 1
        if state == 2:
            raise KeyError(queue)
        return bytes(item) if state == 0 else None

    def put_back(self, queue: int, item: bytes) -> None:
        """See `Store.put_back`."""
        found = self._find(queue)
        if found is not None:
            vm_id, name = found
            self.link.call(scripts.PUT_BACK, self._queue_keys(vm_id, name), name, item)

    def length(self, queue: int) -> int:
        """See `Store.length`. Raises Refused when Redis is down."""
        found = self._find(queue)
        return int(self.link.call(scripts.LENGTH, self._queue_keys(*found)[1:])) if found is not None else 0

    # --- life

    def configure(self, limits: Callable[[str], Limits]) -> None:
        """See `Store.configure`."""
        with self._lock:
            self._limits = limits
            for vm_id, space in self._spaces.items():
                space.limits = limits(vm_id)

    def keep_only(self, vm_ids: Iterable[str]) -> None:
        """Let go of what is known here. What is in Redis stays: other gateways may have plugins of the vm_id."""
        kept = frozenset(vm_ids)
        with self._lock:
            self._spaces = {vm_id: space for vm_id, space in self._spaces.items() if vm_id in kept}
            self._queues = {queue: each for queue, each in self._queues.items() if each[0] in kept}

    def close(self) -> None:
        """See `Store.close`."""
        self.link.close()

    # --- on the link's thread

    def _listen(self, pubsub: Any, call: Callable[..., Any]) -> bool:
        """Follow the changes of all spaces. True when replicas have just been loaded."""
        if pubsub is not self._pubsub:  # a new connection: what came before it is not known
            self._pubsub, self._listened = pubsub, {}
        with self._lock:
            spaces = {self._key(vm_id, b""): space for vm_id, space in self._spaces.items()}
        new = [key for key, space in spaces.items() if self._listened.get(key) is not space]
        for key in new:
            pubsub.subscribe(key + b"changes", key + b"items")
            self._load(spaces[key], call)
        for key in self._listened.keys() - spaces.keys():
            pubsub.unsubscribe(key + b"changes", key + b"items")
        self._listened = spaces
        for key in new:
            self._restore(spaces[key])
        if spaces:
            timeout = _POLL
            for _ in range(_BATCH):
                if (message := pubsub.get_message(timeout=timeout)) is None:
                    break
                self._take(message, call)
                timeout = 0.0
        else:
            time.sleep(_POLL)
        return bool(new)

    def _load(self, space: RedisSpace, call: Callable[..., Any]) -> None:
        change, now, flat = call(scripts.SNAPSHOT, space.keys_of_data)
        space.replica.load(change, now, zip(flat[::2], flat[1::2], strict=True))

    def _restore(self, space: RedisSpace) -> None:
        """See to it that the queues registered here are there, and that their plugins look for items."""
        for queue, (vm_id, name) in list(self._queues.items()):
            if vm_id == space.vm_id and name in space.registered:
                with contextlib.suppress(Refused):  # the next connection tries again
                    space.ensure_queue(name)
                self._wake(queue)

    def _take(self, message: dict[str, Any], call: Callable[..., Any]) -> None:
        key, _, word = message["channel"].rpartition(b":")
        space = self._listened.get(key + b":")
        if space is None:
            return
        data: bytes = message["data"]
        if word == b"changes":
            if not space.replica.apply(data):
                self._load(space, call)
        elif data[:_SENDER] != self._sender:
            with contextlib.suppress(Refused):
                self._wake(self.note_queue(space.vm_id, data[_SENDER:]))


class RedisSpace:
    """See `Space`."""

    def __init__(self, vm_id: str, prefix: bytes, limits: Limits, store: RedisStore) -> None:
        self.vm_id, self.limits = vm_id, limits
        self.replica = Replica()
        self.registered: set[bytes] = set()
        self.tickets: dict[bytes, int] = {}
        self.taking = threading.Lock()
        self.keys_of_data = [prefix + word for word in (b"data", b"order", b"expiry", b"meta", b"changes")]
        self._names = prefix + b"queues"
        self._store, self._link = store, store.link

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """See `Space.get`. While Redis is down: what was there last; Refused for a key that was not."""
        found = self.replica.get(key)
        if found is None and not (self.replica.is_loaded and self._link.is_up):
            raise Down(f"Redis is down: {self._link.reason}")
        return found

    def set(self, key: bytes, value: bytes, cas: int = 0) -> Status:
        """See `Space.set`."""
        most = self.limits.max_size
        if len(key) + len(value) + ENTRY_COST > most:
            raise Refused(f"an entry of {len(key) + len(value)} bytes is over max_size, {most}")
        ttl = milliseconds(self.limits.ttl)
        answer = self._link.call(scripts.SET, self.keys_of_data, key, value, cas, ttl, most)
        state, change, record, gone = answer
        self.replica.learn(key, change, record + value if state == 0 else record)
        for number, oldest in enumerate(gone, 1):
            self.replica.learn(oldest, change + number, b"")
        return Status.OK if state == 0 else Status.CAS_MISMATCH

    def delete(self, key: bytes, cas: int = 0) -> Status:
        """See `Space.delete`."""
        state, change, record = self._link.call(scripts.DELETE, self.keys_of_data, key, cas)
        self.replica.learn(key, change, record)
        return Status.OK if state == 0 else Status.CAS_MISMATCH

    def expire(self, key: bytes, seconds: float) -> Status:
        """See `Space.expire`."""
        state, change, record = self._link.call(scripts.EXPIRE, self.keys_of_data, key, milliseconds(seconds))
        self.replica.learn(key, change, record)
        return Status.OK if state == 0 else Status.NOT_FOUND

    def keys(self) -> list[bytes]:
        """See `Space.keys`."""
        return self.replica.keys()

    def register_queue(self, name: bytes) -> int:
        """See `Space.register_queue`. While Redis is down, it is registered there as soon as it is up."""
        queue = self._store.note_queue(self.vm_id, name)
        if name not in self.registered and len(self.registered) >= self.limits.max_queues:
            raise Refused(f"vm_id {self.vm_id!r} has max_queues, {self.limits.max_queues}, already")
        with contextlib.suppress(Down):
            self.ensure_queue(name)
        self.registered.add(name)
        return queue

    def ensure_queue(self, name: bytes) -> None:
        """Register a queue in Redis. Raises Refused when there are too many, or Redis is down."""
        if self._link.call(scripts.REGISTER, [self._names], name, self.limits.max_queues):
            raise Refused(f"vm_id {self.vm_id!r} has max_queues, {self.limits.max_queues}, already")
