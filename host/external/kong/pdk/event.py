"""One event: a plugin's handler of one phase, run for one exchange; it answers the plugin's calls of the PDK."""

from __future__ import annotations

import logging
from typing import Any

from host.external.kong.pdk import (  # noqa: F401 - they fill the table
    client,
    ctx,
    log,
    nginx,
    node,
    request,
    response,
    router,
    service,
    service_request,
    service_response,
    vault,
)
from host.external.kong.pdk.errors import PdkError
from host.external.kong.pdk.registry import METHODS
from host.external.kong.pdk.state import Gateway, Held, Plugin, State, View

logger = logging.getLogger("sluiceway.kong")


class PdkEvent:
    """`is_over`: the plugin has given the response itself."""

    __slots__ = ("_state", "gateway", "is_over", "message", "phase", "plugin", "view")

    def __init__(
        self, phase: str, plugin: Plugin, view: View, message: Held | None, gateway: Gateway
    ) -> None:
        """`message`: the request, the response, or None in the log phase."""
        self.phase, self.plugin, self.view, self.message, self.gateway = phase, plugin, view, message, gateway
        self.is_over = False
        self._state: State | None = None

    @property
    def state(self) -> State:
        """What Kong's plugins have done in this exchange."""
        if self._state is None:
            self._state = State.of(self.view)
        return self._state

    def call(self, name: str, arguments: list[Any]) -> Any:
        """Return what a method gives, or an awaitable of it. Raises PdkError, whatever the plugin asks."""
        method = METHODS.get(name)
        if method is None:
            logger.warning(
                "not supported by this host: %.100s", name, extra={"fields": {"plugin": self.plugin.name}}
            )
            raise PdkError(f"not supported by this host: {name:.100}")
        if self.phase not in method.phases:
            phases = ", ".join(sorted(method.phases))
            raise PdkError(f"function cannot be called in {self.phase} phase (only in: {phases})")
        if self.message is not None and self.message.done:
            raise PdkError("the exchange is over")
        missing = method.arity - len(arguments)
        try:
            if missing >= 0:
                return method.function(self, *arguments, *(None,) * missing)
            return method.function(self, *(arguments if method.arity < 0 else arguments[: method.arity]))
        except PdkError:
            raise
        except Exception as error:
            logger.exception("%s failed", name, extra={"fields": {"plugin": self.plugin.name}})
            raise PdkError(f"{name}: {error!r:.200}") from error
