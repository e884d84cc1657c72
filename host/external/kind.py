"""What a kind of external plugin is to the rest of the gateway.

A kind lives as long as its worker, and keeps connections and what it knows of peers over reloads; for each
configuration it is loaded anew, and what comes of that lives as long as the configuration is used. It must not know
how chains are made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from host.chain import PhaseClass
from host.config import Config, ExternalPlugin, PluginUse
from host.filters.connection import ConnectionFilter
from host.filters.python import PythonFilter
from host.metrics.table import MetricsTable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin, or one use of it, that does not work, and why."""

    what: ExternalPlugin | PluginUse
    message: str


@dataclass(frozen=True, slots=True)
class Part:
    """A filter that a use of a plugin puts into chains. A plugin may have parts in several classes.

    One for HTTP goes into the chains of routes, one for connections into those of stream routes.
    `priority`: None for that of the use or the plugin. `response_first`: see `host.chain.Placed`.
    """

    filter: PythonFilter | ConnectionFilter
    phase: PhaseClass = PhaseClass.ACCESS
    priority: int | None = None
    response_first: bool = False


class Loaded(Protocol):
    """A kind's plugins as one configuration has them."""

    @property
    def failures(self) -> Sequence[Failure]:
        """What does not work of the configuration."""

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return the filters of a use; routes share them where they share the use. Not for one that has failed."""

    def retire(self) -> None:
        """The configuration is not used for new exchanges any more; those in flight still are on its filters."""


class Services(Protocol):
    """What a kind finds in its worker."""

    @property
    def metrics(self) -> MetricsTable:
        """Where to count."""

    @property
    def statistics(self) -> Callable[[], Mapping[str, int]]:
        """Tells of connections and requests, under the names of nginx's variables."""

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        """Do work that would hold up the loop on a helper thread."""


class Kind(Protocol):
    """A kind of external plugin, in one worker."""

    async def load(self, config: Config) -> Loaded:
        """Make the plugins of a configuration ready. What fails is told, not raised."""

    async def close(self) -> None:
        """The worker ends."""
