"""How long each middleware takes, and how often it runs: Tyk's names over statsd, and metrics of the gateway's own.

Two filters stand around a middleware. What lies between them is its time, waiting included; one that answers has its
end when the answer comes by.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from typing import Final

from host.config import Config, ExternalPlugin, PluginUse
from host.config.tyk_values import TykInstrument
from host.external.kind import Failure, Part, Services
from host.external.tyk.statsd import Statsd
from host.filters.python import FilterContext, PythonFilter

logger = logging.getLogger("sluiceway.external")

_JOB: Final = "MiddlewareCall"


class Instrument:
    """The metrics of one middleware."""

    def __init__(self, name: str, services: Services, statsd: Statsd | None) -> None:
        labels = {"middleware": name}
        self._executed = services.metrics.counter("tyk_middleware_executed_total", labels)
        self._times = services.metrics.sampler("tyk_middleware_exec_time_microseconds", labels)
        self._statsd = statsd
        self._counts = _in_job("executed", f"{name}.executed", name)
        self._timings = _in_job("exec_time", f"{name}.executed.exec_time", f"{name}.exec_time")

    def begin(self) -> None:
        """It runs."""
        self._executed.add()
        if self._statsd is not None:
            for name in self._counts:
                self._statsd.count(name)

    def end(self, nanoseconds: int) -> None:
        """It has run."""
        self._times.add(nanoseconds // 1000)
        if self._statsd is not None:
            for name in self._timings:
                self._statsd.timing(name, nanoseconds)


def _in_job(*names: str) -> tuple[str, ...]:
    """Each name, and once more below the job's, as Tyk's sink sends them."""
    return (*names, *(f"{_JOB}.{name}" for name in names))


class Began(PythonFilter):
    """Stands before a middleware."""

    def __init__(self, scope: str, instrument: Instrument) -> None:
        super().__init__()
        self._key = f"tyk.began:{scope}"
        self._instrument = instrument

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """It begins now."""
        self._instrument.begin()
        context.shared[self._key] = time.monotonic_ns()

    def on_response_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """It has answered, unless it had ended before."""
        self.end(context)

    def on_log(self, context: FilterContext, end_of_stream: bool) -> None:
        """The client has gone meanwhile."""
        self.end(context)

    def end(self, context: FilterContext) -> None:
        """It ends now, if it has not."""
        began: int | None = context.shared.pop(self._key, None)
        if began is not None:
            self._instrument.end(time.monotonic_ns() - began)


class Ended(PythonFilter):
    """Stands behind it."""

    def __init__(self, began: Began) -> None:
        super().__init__()
        self._began = began

    def on_request_headers(self, context: FilterContext, end_of_stream: bool) -> None:
        """It has let the request pass."""
        self._began.end(context)


class LoadedInstruments:
    """Those of one configuration."""

    def __init__(self, services: Services, statsd: Statsd | None) -> None:
        self.failures: Sequence[Failure] = ()
        self._services = services
        self._statsd = statsd
        self._began: dict[str, Began] = {}
        self._instruments: dict[str, Instrument] = {}

    def parts(self, plugin: ExternalPlugin, use: PluginUse) -> Sequence[Part]:
        """Return the filter before a middleware, or the one behind it; routes share them."""
        about = json.loads(use.configuration)
        name, scope = about["middleware"], about["scope"]
        if scope not in self._began:
            if name not in self._instruments:
                self._instruments[name] = Instrument(name, self._services, self._statsd)
            self._began[scope] = Began(scope, self._instruments[name])
        began = self._began[scope]
        return (Part(began if about["event"] == "begin" else Ended(began)),)

    def retire(self) -> None:
        """The socket stays for the next configuration."""


class InstrumentKind:
    """The kind of `TykInstrument`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._sinks: dict[TykInstrument, Statsd] = {}

    async def load(self, config: Config) -> LoadedInstruments:
        """Return those of a configuration. Where statsd cannot be found, a warning says so."""
        plugin = next(each for each in config.plugins if isinstance(each, TykInstrument))
        statsd = self._sinks.get(plugin)
        if statsd is None and plugin.statsd is not None:
            host, port = plugin.statsd
            try:
                statsd = await self._services.run(lambda: Statsd(host, port, plugin.prefix))
                self._sinks[plugin] = statsd
            except OSError as error:
                logger.warning("tyk.statsd_connection_string: %s: %s", host, error)
        return LoadedInstruments(self._services, statsd)

    async def close(self) -> None:
        """Send what is left."""
        for statsd in self._sinks.values():
            statsd.close()
        self._sinks.clear()
