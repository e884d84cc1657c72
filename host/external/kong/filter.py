"""The filters of one use of a plugin: each phase is an event in its server, on the exchange that the filter holds."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from abi.types import Action
from host.errors import HostError
from host.external.complaints import Complaints
from host.external.filter import ExternalFilter, RequestFilter, ResponseFilter, reason_of
from host.external.kong.errors import PluginServerError
from host.external.kong.instances import InstanceKey
from host.external.kong.pdk.event import PdkEvent
from host.external.kong.pdk.log import VARIABLES
from host.external.kong.pdk.response import JSON
from host.external.kong.pdk.state import Gateway, Held, Plugin, Snapshot, State, View
from host.external.kong.server import PluginServer
from host.external.message import HeldMessage
from host.external.session import session_of
from host.filters.python import FilterContext
from host.metrics.table import Counter

MAX_LOG_EVENTS: Final = 1000
"""Events of the log phase that are under way at once; further ones are dropped, and told of."""

_ERRORS: Final = {
    500: b'{"message":"An unexpected error occurred"}',
    503: b'{"message":"The plugin server is currently unavailable"}',
}


@dataclass(slots=True)
class Counters:
    """Of one plugin."""

    events: Counter
    failures: Counter


class Background:
    """Events of the log phase, which nobody waits for."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> bool:
        """Have a coroutine run; returns False where there are too many."""
        if len(self._tasks) >= MAX_LOG_EVENTS:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        """End what is left."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Use:
    """A plugin with a configuration, and all that its filters need."""

    plugin: Plugin
    key: InstanceKey
    server: PluginServer
    gateway: Gateway
    counters: Counters
    complaints: Complaints
    background: Background
    max_body_size: int

    async def handle(self, phase: str, view: View, message: Held | None) -> None:
        """Have the plugin handle a phase. Raises PluginServerError."""
        self.counters.events.add()
        await self.server.handle(self.key, phase, PdkEvent(phase, self.plugin, view, message, self.gateway))

    def failed(self, error: Exception) -> None:
        """Count a failure, and tell of it."""
        self.counters.failures.add()
        self.complaints.tell(f"plugin server {self.server.config.name}: {reason_of(error)}")


class KongFilter(ExternalFilter):
    """What the filters of all phases have in common."""

    use: Use

    def set_use(self, use: Use) -> None:
        """Say whose it is."""
        self.use = use
        self.name = use.plugin.name
        self.max_body_size = use.max_body_size

    def failed(self, message: HeldMessage, error: Exception) -> None:
        """Answer as Kong does when a plugin fails; the reason goes into the log."""
        use = self.use
        use.failed(error)
        hint = error.status_hint if isinstance(error, HostError) else None
        status = hint if hint in _ERRORS else 500
        message.respond(status, [(b"Content-Type", JSON)], _ERRORS[status], "kong_plugin_failed")


class RewriteFilter(KongFilter, RequestFilter):
    """The rewrite phase."""

    async def request(self, message: HeldMessage) -> None:
        """Have it handled."""
        await self.use.handle("rewrite", message.context, message)


class AccessFilter(KongFilter, RequestFilter):
    """The access phase."""

    async def request(self, message: HeldMessage) -> None:
        """Have it handled."""
        await self.use.handle("access", message.context, message)


def take_head(context: FilterContext) -> None:
    """Give a response the fields that plugins have set before it came, and keep what the service's was."""
    state = State.of(context)
    headers = context.response_headers
    if state.service_head is None and not context.is_local_response:
        state.service_head = (int(headers.get(b":status") or 0), tuple(headers.items()))
    if state.response or state.replaced:
        state.apply(headers)


class Heads(KongFilter):
    """No response phase, but what other phases leave for responses."""

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """A head has come."""
        take_head(context)
        return None


class Responses(KongFilter, ResponseFilter):
    """The response phase: for what a service answers, as in Kong."""

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """Hold the response, if it is one for plugins."""
        take_head(context)
        return super().on_response_headers(context, end_of_stream)

    async def response(self, message: HeldMessage) -> None:
        """Have it handled."""
        await self.use.handle("response", message.context, message)


class Logs(KongFilter):
    """The log phase: on what is left of the exchange, and nobody waits for it."""

    def on_log(self, context: FilterContext, end_of_stream: bool) -> Action | None:
        """The exchange has ended."""
        state = State.of(context)  # before the copy, so that plugins of one exchange share it
        state.session = session_of(context)
        state.raw_body = None  # which none of them can read any more
        if not self.use.background.start(self._log(Snapshot(context, VARIABLES))):
            self.use.failed(PluginServerError("too slow: events of the log phase are dropped"))
        return None

    async def _log(self, snapshot: Snapshot) -> None:
        try:
            await self.use.handle("log", snapshot, None)
        except PluginServerError as error:
            self.use.failed(error)


_REQUESTS: Final[Mapping[str, type[KongFilter]]] = {"rewrite": RewriteFilter, "access": AccessFilter}


def new_filter(use: Use, phases: frozenset[str]) -> KongFilter:
    """Return a filter of these phases: of rewrite and access, one at most."""
    made = _filter_class(phases)()
    made.set_use(use)
    return made


@functools.cache
def _filter_class(phases: frozenset[str]) -> type[KongFilter]:
    """Only callbacks that a class overrides are called, so each combination has its class."""
    bases = [_REQUESTS[phase] for phase in ("rewrite", "access") if phase in phases]
    bases.append(Responses if "response" in phases else Heads)
    if "log" in phases:
        bases.append(Logs)
    return type("KongFilterOf" + "".join(sorted(map(str.capitalize, phases))), tuple(bases), {})
