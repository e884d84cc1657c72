"""What methods of the PDK work on: the exchange, what Kong's plugins have done to it, and the gateway around it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, Protocol

from host.headers import HeaderMap
from host.reach import UpstreamChange

_KEY: Final = "\0kong"


class View(Protocol):
    """An exchange as plugins see it: a filter's context, or what is left of it for the log phase."""

    @property
    def request_headers(self) -> HeaderMap:
        """The request's fields."""

    @property
    def response_headers(self) -> HeaderMap:
        """The response's fields."""

    @property
    def shared(self) -> dict[str, Any]:
        """What plugins leave for one another."""

    @property
    def is_local_response(self) -> bool:
        """Whether the gateway or a plugin made the response."""

    def variable(self, name: str) -> bytes | None:
        """A variable of nginx's."""

    def reach(self, change: UpstreamChange) -> bool:
        """Change where the request goes."""


class Held(Protocol):
    """What a plugin may wait for and answer: a held message, or a connection that waits.

    `done`: it has been let go, or has ended, and what it was of may be something else by now.
    """

    end_of_stream: bool
    done: bool

    async def body(self) -> bytes:
        """The whole body."""

    def replace_body(self, data: bytes) -> None:
        """Put another in its place."""

    def respond(
        self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"", details: str = ""
    ) -> None:
        """Answer."""


class Snapshot:
    """A `View` of an exchange that has ended, for the log phase, which nobody waits for."""

    __slots__ = ("_variables", "is_local_response", "request_headers", "response_headers", "shared")

    def __init__(self, view: View, variables: tuple[str, ...]) -> None:
        """`variables`: the names of those to keep; those of fields and arguments are read from the headers."""
        self.request_headers = HeaderMap(view.request_headers.items())
        self.response_headers = HeaderMap(view.response_headers.items())
        self.shared = dict(view.shared)
        self.is_local_response = view.is_local_response
        self._variables = {name: view.variable(name) for name in variables}

    def variable(self, name: str) -> bytes | None:
        """A variable that was kept, or of a field's family."""
        if name in self._variables:
            return self._variables[name]
        if name.startswith("http_"):
            return self.request_headers.get(name[5:].replace("_", "-").encode())
        if name.startswith("sent_http_"):
            return self.response_headers.get(name[10:].replace("_", "-").encode())
        return None

    def reach(self, change: UpstreamChange) -> bool:
        """It has gone where it went."""
        return False


@dataclass(slots=True)
class State:
    """What Kong's plugins have done in one exchange, beside changing its headers.

    `path`, `host`: what the client asked for, once that is not what the service is asked. `prefix`: of the path, taken
    off by the route. `response`: fields for a response that is not there yet. `service_head`: the status and fields of
    the service's response. `session`: what is left of it behind the exchange. `serialize_values`: changes to what is
    logged, as key, value and mode.
    """

    path: bytes | None = None
    host: bytes | None = None
    prefix: str | None = None
    raw_body: bytes | None = None
    response: list[tuple[bytes, bytes]] = field(default_factory=list)
    replaced: set[bytes] = field(default_factory=set)
    has_exited: bool = False
    service_head: tuple[int, tuple[tuple[bytes, bytes], ...]] | None = None
    session: dict[str, Any] | None = None
    groups: list[Any] = field(default_factory=list)
    ctx: dict[str, Any] = field(default_factory=dict)
    serialize_values: list[tuple[str, Any, str]] = field(default_factory=list)

    @staticmethod
    def of(view: View) -> State:
        """Return the state of an exchange, made when it is first asked for."""
        found = view.shared.get(_KEY)
        if found is None:
            found = view.shared[_KEY] = State()
        assert isinstance(found, State)
        return found

    def apply(self, headers: HeaderMap) -> None:
        """Put the fields that waited for a response into it."""
        for name in self.replaced:
            headers.remove(name)
        for name, value in self.response:
            headers.add(name, value)
        self.response, self.replaced = [], set()


def is_reserved(key: str) -> bool:
    """Whether a key of the shared values is the gateway's own."""
    return key.startswith("\0")


Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is the same for all requests of one configuration.

    `consumers`, `usernames`: consumers by id and by user name. `routes`: by id of a route, it and its service, with
    Kong's keys. `shared`: what plugins keep in this worker. `statistics`: of its connections and requests.
    """

    trusted_ips: tuple[Network, ...] = ()
    real_ip_header: str = "X-Real-IP"
    real_ip_recursive: bool = False
    node_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    consumers: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    usernames: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    routes: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)
    statistics: Callable[[], Mapping[str, int]] = dict


@dataclass(frozen=True, slots=True)
class Plugin:
    """Whose handler runs, and in which use of it."""

    name: str
    id: str = ""


class Event(Protocol):
    """What methods take: see `host.external.kong.pdk.event`."""

    phase: str
    plugin: Plugin
    view: View
    message: Held | None
    gateway: Gateway
    is_over: bool

    @property
    def state(self) -> State:
        """The exchange's."""
