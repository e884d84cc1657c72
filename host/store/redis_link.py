"""The connections to Redis: one for the scripts of host calls, within a budget of time, and one that listens.

A thread of its own makes them, and makes them again. A host call that gets no answer in time opens the circuit: those
that follow fail at once, until the thread has seen the server answer. It knows nothing of data and queues.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from host.store.interface import Down, Refused
from host.store.scripts import ALL, Script

logger = logging.getLogger("sluiceway.store")

_HANDSHAKE = 2.0
"""Seconds for connecting, TLS and authentication, which no host call waits for."""
_PING = 1.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 2.0
_STABLE = 5.0
"""Seconds after which a connection has been a good one: its loss is no reason for longer pauses."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where Redis is. `timeout`: seconds that a host call may take there."""

    host: str = "127.0.0.1"
    port: int = 6379
    username: str = ""
    password: str = ""
    database: int = 0
    ssl: bool = False
    ssl_verify: bool = True
    timeout: float = 0.005


class Link:
    """`listen` is what happens on the listening connection: see `RedisStore`."""

    def __init__(self, server: Server, listen: Callable[[Any, Callable[..., Any]], bool]) -> None:
        """`listen(pubsub, call)` is called again and again on the link's thread; True: it has just come up.

        `call` runs a script as `call` of this class does, with more time and on the listening side.
        """
        self._server, self._listen = server, listen
        self._commands: Any = None
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self.reason = "not connected yet"
        self.tried = threading.Event()
        self._pause, self._next, self._up_since = _SHORTEST_PAUSE, 0.0, 0.0
        self._is_told = False
        self._thread = threading.Thread(target=self._run, name="redis", daemon=True)
        self._thread.start()

    # --- for host calls

    @property
    def is_up(self) -> bool:
        """Whether the circuit is closed."""
        return self._commands is not None

    def call(self, script: Script, keys: list[bytes], *arguments: bytes | int) -> Any:
        """Run a script and return its answer. Raises Refused when there is none within the budget, or an error."""
        if not self._lock.acquire(timeout=self._server.timeout):
            raise Down("Redis is busy with another call")
        try:
            if self._commands is None:
                raise Down(f"Redis is down: {self.reason}")
            return _run_script(self._commands, script, keys, arguments)
        except redis.ResponseError as error:
            raise Refused(f"Redis answers: {error}") from error
        except (redis.RedisError, OSError) as error:
            self._break(error)
            raise Down(f"Redis is down: {error}") from error
        finally:
            self._lock.release()

    def _break(self, error: Exception) -> None:
        """Open the circuit. The connection may still get the late answer: it is no good any more."""
        self.reason = str(error)
        commands, self._commands = self._commands, None
        if commands is not None:
            commands.disconnect()
            if time.monotonic() - self._up_since > _STABLE:
                self._pause = _SHORTEST_PAUSE

    # --- the thread

    def _run(self) -> None:
        while not self._is_closed.is_set():
            try:
                self._session()
            except (redis.RedisError, OSError) as error:
                with self._lock:
                    self._break(error)
                self._tell(f"Redis at {self._server.host}:{self._server.port} is down: {error}")
            except Exception:
                logger.exception("the connection to Redis failed")
            self.tried.set()
            self._is_closed.wait(self._next_pause())
        with self._lock:
            self._break(redis.ConnectionError("closed"))

    def _next_pause(self) -> float:
        """Seconds until the next try: twice as many as before it, with jitter."""
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return pause * random.uniform(0.5, 1.0)

    def _session(self) -> None:
        """Listen until something fails or everything ends."""
        client: Any = redis.Redis(**self._options(), single_connection_client=True)
        with contextlib.closing(client):
            pubsub = client.pubsub(ignore_subscribe_messages=True)
            try:
                pinged = time.monotonic()
                while not self._is_closed.is_set():
                    self._connect_commands()
                    if self._listen(pubsub, _caller(client)):
                        self.tried.set()
                    if time.monotonic() - pinged > _PING:  # a server that is gone without a word
                        client.ping()
                        pinged = time.monotonic()
            finally:
                pubsub.close()

    def _connect_commands(self) -> None:
        if self._commands is not None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._next_pause()
        kind = redis.SSLConnection if self._server.ssl else redis.Connection
        connection: Any = kind(**self._options())
        try:
            connection.connect()
            for script in ALL:
                connection.send_command("SCRIPT", "LOAD", script.text)
                connection.read_response()
            connection.update_current_socket_timeout(self._server.timeout)
            connection.send_command("PING")  # it answers in time: the circuit closes
            connection.read_response()
        except (redis.RedisError, OSError) as error:
            connection.disconnect()
            self.reason = str(error)
            self._tell(f"no host call reaches Redis at {self._server.host}:{self._server.port}: {error}")
            return
        self._up_since = time.monotonic()
        self._commands, self.reason = connection, ""
        self._tell("")

    def _options(self) -> dict[str, Any]:
        server = self._server
        options: dict[str, Any] = {
            "host": server.host,
            "port": server.port,
            "db": server.database,
            "username": server.username or None,
            "password": server.password or None,
            "socket_timeout": _HANDSHAKE,
            "socket_connect_timeout": _HANDSHAKE,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
        }
        if server.ssl:
            options["ssl_cert_reqs"] = "required" if server.ssl_verify else "none"
            options["ssl_check_hostname"] = server.ssl_verify
        return options

    def _tell(self, problem: str) -> None:
        """One line when it goes down, one when it is up again."""
        if problem and not self._is_told:
            logger.warning("%s", problem)
        elif not problem and self._is_told:
            logger.info("Redis at %s:%d is up again", self._server.host, self._server.port)
        self._is_told = bool(problem)

    def close(self) -> None:
        """End the connections and the thread. Idempotent."""
        self._is_closed.set()
        self._thread.join(_HANDSHAKE)


def _run_script(
    connection: Any, script: Script, keys: list[bytes], arguments: tuple[bytes | int, ...]
) -> Any:
    try:
        connection.send_command("EVALSHA", script.digest, len(keys), *keys, *arguments)
        return connection.read_response(disable_decoding=True)
    except redis.exceptions.NoScriptError:  # somebody has flushed them
        connection.send_command("EVAL", script.text, len(keys), *keys, *arguments)
        return connection.read_response(disable_decoding=True)


def _caller(client: Any) -> Callable[..., Any]:
    def call(script: Script, keys: list[bytes], *arguments: bytes | int) -> Any:
        return client.eval(script.text, len(keys), *keys, *arguments)

    return call
