"""The metrics of one process: states are told once a second, and where nobody else shows metrics they are served."""

from __future__ import annotations

import re

from host.config import Prometheus
from host.log import Log
from host.metrics.exposition import Exposition, StatsTag
from host.metrics.server import MetricsServer
from host.plugin.metrics import Publisher
from host.services import LoopServices
from host.wasm.logs import dropped_lines

_PERIOD = 1.0  # seconds


class Reporting:
    """Begins at once. To be closed."""

    def __init__(
        self, services: LoopServices, log: Log | None, prometheus: Prometheus | None, is_served: bool
    ) -> None:
        """Raises ListenError when metrics are to be served and the address cannot be listened on."""
        self._services, self._log = services, log
        self._publisher = Publisher(services.metrics)
        self._dropped = services.metrics.counter("log_lines_dropped_total")
        self._told_dropped = 0
        self._exposition = exposition_of(prometheus or Prometheus())
        self._server: MetricsServer | None = None
        if is_served and prometheus is not None:
            listen = prometheus.listen
            self._server = MetricsServer(listen.host, listen.port, prometheus.export_uri, self._read)
            self._server.start()
        self._timer = services.call_later(_PERIOD, self._tell_again)

    @property
    def address(self) -> tuple[str, int] | None:
        """Where metrics are served."""
        return self._server.address if self._server is not None else None

    def text(self) -> str:
        """Return all metrics as they are now."""
        self._tell()
        return self._read()

    def _read(self) -> str:
        return self._exposition.text(self._services.metrics.read())

    def _tell(self) -> None:
        self._publisher.publish()
        dropped = dropped_lines() + (self._log.dropped if self._log is not None else 0)
        self._dropped.add(dropped - self._told_dropped)
        self._told_dropped = dropped

    def _tell_again(self) -> None:
        self._tell()
        self._timer = self._services.call_later(_PERIOD, self._tell_again)

    def close(self) -> None:
        """Stop."""
        self._timer.cancel()
        self._tell()
        if self._server is not None:
            self._server.close()


def exposition_of(prometheus: Prometheus) -> Exposition:
    """Return what makes the text under the configured names."""
    tags = [StatsTag(tag.tag_name, re.compile(tag.regex)) for tag in prometheus.stats_tags]
    return Exposition(prometheus.metric_prefix, tags)
