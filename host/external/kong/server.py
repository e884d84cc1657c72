"""One plugin server: connections to it, instances in it, and what to do when it does not do its work."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from typing import Any, Final, Protocol

from host.config.kong_values import KongServer, KongSettings
from host.errors import PeerUnavailable
from host.external.connection import PeerConnection
from host.external.connections import Connections
from host.external.generation import Generation
from host.external.kong.channel import Answers, Call, Channel
from host.external.kong.dump import PROTOBUF
from host.external.kong.errors import (
    Disconnected,
    Expired,
    InstanceLost,
    PluginServerError,
    Refused,
    Unreachable,
)
from host.external.kong.instances import InstanceKey, Instances
from host.external.kong.pdk.errors import PdkError

log = logging.getLogger("sluiceway.kong")

MESSAGE_ROOM: Final = 1024 * 1024
"""Bytes of a message beyond those of a body."""

_PROBE: Final = "sluiceway_probe"  # a phase that no plugin has
_PROBE_TIMEOUT: Final = 1.0
_TRIES: Final = 3
_PAUSE: Final = 0.1  # seconds
_ASIDE: Final = 4  # connections


class Dialect(Protocol):
    """One of the protocols."""

    def new_channel(self, connection: PeerConnection) -> Channel:
        """Return what speaks it on a connection."""

    def start_instance(self, channel: Channel, plugin: str, configuration: bytes, sequence: int) -> Call:
        """Return the call that makes an instance; its result is for `instance_of`."""

    def instance_of(self, result: Any) -> int:
        """Return the number of the instance that was started. Raises BadReply."""

    def instance_status(self, channel: Channel, instance: int) -> Call:
        """Return the call that asks for an instance."""

    def close_instance(self, channel: Channel, instance: int) -> Call:
        """Return the call that ends an instance."""

    def event(self, channel: Channel, instance: int, phase: str, pdk: Answers) -> Call:
        """Return the call that has a plugin handle an event."""


class _NoAnswers:
    """Of the PDK, for a probe."""

    is_over = False

    def call(self, method: str, arguments: list[Any]) -> Any:
        """Refuse."""
        raise PdkError("not in this phase")


class PluginServer:
    """A server, managed by the gateway or by somebody else."""

    def __init__(self, config: KongServer, settings: KongSettings, protocol: str) -> None:
        self.config = config
        self.protocol = protocol
        self.instances = Instances()
        self.wedged = 0
        """Events in a row that it did not end in time."""
        self._settings = settings
        self._dialect = _dialect(protocol, settings.max_body_size + MESSAGE_ROOM)
        patience = settings.start_timeout if config.is_managed else 0.0
        self._connections = Connections(
            config.socket,
            most=settings.connections,
            patience=patience,
            on_generation=self.instances.forget_others,
        )
        # For what an event may wait for while it has its own: with one pool, they could wait for each other.
        self._aside = Connections(config.socket, most=_ASIDE, patience=patience)
        self._probing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def handle(self, key: InstanceKey, phase: str, pdk: Answers) -> None:
        """Have a plugin handle an event. Raises PluginServerError.

        An instance that the server has lost is started again, once. An event that it has not begun is tried again, and
        by the same run of the server, once more a little later: a process that is killed takes connections for some
        moments yet. Another run is not asked twice: what it died of may be this event.
        """
        ended: Generation | None = None
        for tries in range(1, _TRIES + 1):
            try:
                await self._handle(key, phase, pdk, fresh=tries > 1)
            except InstanceLost:
                if tries > 1:
                    raise
            except Disconnected as error:
                if error.has_begun or tries == _TRIES or (tries > 1 and error.generation != ended):
                    raise
                ended = error.generation
                if tries > 1:
                    await asyncio.sleep(_PAUSE)
            else:
                self.wedged = 0
                return

    async def _handle(self, key: InstanceKey, phase: str, pdk: Answers, *, fresh: bool) -> None:
        connection = await self._acquire(fresh=fresh)
        call: Call | None = None
        number: int | None = None
        try:
            channel = self._channel(connection)
            number = self.instances.known(connection.generation, key)
            if number is None:
                number = await self._start(channel, key)
            call = self._dialect.event(channel, number, phase, pdk)
            await channel.run(call, self._settings.event_timeout)
        except Expired as error:
            self._did_not_end(connection, number, error)
            self._connections.discard(connection)
            raise
        except BaseException as error:
            if isinstance(error, Disconnected):
                error.generation = connection.generation
            if number is not None and isinstance(error, InstanceLost | Disconnected):
                self.instances.forget(connection.generation, key, number)
            self._give_back(connection, keeps=isinstance(error, Refused | InstanceLost))
            raise
        self._give_back(connection, keeps=not call.is_last)

    async def _acquire(self, *, fresh: bool = False, aside: bool = False) -> PeerConnection:
        pool = self._aside if aside else self._connections
        try:
            if not pool.is_busy:
                return await pool.acquire(fresh=fresh)
            async with asyncio.timeout(self._settings.event_timeout):
                return await pool.acquire(fresh=fresh)
        except PeerUnavailable as error:
            raise Unreachable(f"cannot be reached: {error}") from error
        except TimeoutError:
            taken = self._settings.connections
            raise Unreachable(f"all {taken} connections are busy") from None

    def _give_back(self, connection: PeerConnection, *, keeps: bool) -> None:
        if keeps:
            self._connections.release(connection)
        else:
            self._connections.discard(connection)

    def _channel(self, connection: PeerConnection) -> Channel:
        found = connection.receiver
        return found if isinstance(found, Channel) else self._dialect.new_channel(connection)

    # --- instances

    async def _start(self, channel: Channel, key: InstanceKey) -> int:
        async def start() -> int:
            sequence = await self._free_sequence() if self.protocol == PROTOBUF else 0
            call = self._dialect.start_instance(channel, key.plugin, key.configuration, sequence)
            result = await channel.run(call, self._settings.event_timeout)
            return self._dialect.instance_of(result)

        return await self.instances.number(channel.connection.generation, key, start)

    async def _free_sequence(self) -> int:
        """Return a number that no instance in the server has, whoever has started it: go-pdk would replace that one.

        The server closes the connection that asks for an instance which it does not have.
        """
        for _ in range(8):
            sequence = secrets.randbelow(2**31 - 1) + 1
            connection = await self._acquire(fresh=True, aside=True)
            try:
                channel = self._channel(connection)
                call = self._dialect.instance_status(channel, sequence)
                await channel.run(call, self._settings.event_timeout)
            except Disconnected:
                return sequence
            finally:
                self._aside.discard(connection)
        raise PluginServerError(f"plugin server {self.config.name} has every instance that it is asked for")

    def let_go(self, key: InstanceKey) -> None:
        """A configuration's use of a plugin is over; its instance is ended where nobody else uses it."""
        for generation, number in self.instances.let_go(key):
            task = asyncio.get_running_loop().create_task(self._close_instance(generation, number))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close_instance(self, generation: Generation, number: int) -> None:
        try:
            connection = await self._acquire(fresh=True, aside=True)
        except PluginServerError:
            return
        try:
            if connection.generation == generation:
                channel = self._channel(connection)
                call = self._dialect.close_instance(channel, number)
                await channel.run(call, self._settings.event_timeout)
        except PluginServerError as error:
            log.info("an instance in plugin server %s was gone already: %s", self.config.name, error)
        finally:
            self._aside.discard(connection)

    # --- servers that hang

    def _did_not_end(self, connection: PeerConnection, number: int | None, error: Expired) -> None:
        self.wedged += 1
        if self.wedged >= self._settings.max_wedged:
            self._end(connection.generation, f"{self.wedged} events in a row did not end in time")
        elif not error.has_begun and number is not None and self._probing is None:
            # A handler in kong-pdk that fails before it calls back leaves a lock behind, and every later event hangs.
            self._probing = asyncio.get_running_loop().create_task(self._probe(connection.generation, number))

    async def _probe(self, generation: Generation, number: int) -> None:
        """See whether events get any answer at all; the wrong phase is one."""
        try:
            connection = await self._acquire(fresh=True, aside=True)
            try:
                channel = self._channel(connection)
                probe = self._dialect.event(channel, number, _PROBE, _NoAnswers())
                await channel.run(probe, _PROBE_TIMEOUT)
            except Expired:
                if connection.generation == generation:
                    self._end(generation, "it answers no event any more")
            except PluginServerError:
                pass  # an answer
            finally:
                self._aside.discard(connection)
        except PluginServerError:
            pass  # nobody is there
        finally:
            self._probing = None

    def _end(self, generation: Generation, reason: str) -> None:
        """Have a managed server started anew: whoever keeps it sees that it has ended."""
        self.wedged = 0
        if not self.config.is_managed or generation.pid <= 1 or generation.pid == os.getpid():
            log.error("plugin server %s hangs: %s; it is not ours to restart", self.config.name, reason)
            return
        log.error("plugin server %s (pid %d) is ended: %s", self.config.name, generation.pid, reason)
        try:
            os.kill(generation.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError as error:
            log.error("plugin server %s cannot be ended: %s", self.config.name, error.strerror)

    async def close(self) -> None:
        """Close all connections; events in flight fail."""
        tasks = [*self._closing, *([self._probing] if self._probing is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._connections.close()
        self._aside.close()


def _dialect(protocol: str, max_message_size: int) -> Dialect:
    if protocol == PROTOBUF:
        from host.external.kong.protobuf import Protobuf

        return Protobuf(max_message_size)
    from host.external.kong.messagepack import MessagePack  # needs the extra `kong`

    return MessagePack(max_message_size)
