"""The metrics of this process, as the C core counts them (core/metrics.h)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host._core import ffi, lib
from host.metrics.layout import SIZE, Metric, MetricType, read
from host.metrics.names import host_name

_MOST_OF_HOST = 16384


class MetricsTable:
    """Counters, gauges and histograms by name. Its methods may be called on any thread."""

    def __init__(self, file: int = -1) -> None:
        """`file`: a descriptor of a file of `mapping_size` bytes, for others to read; -1: the process's own memory.

        What has been counted in the file before goes on, but for gauges. Raises MemoryError.
        """
        native = lib.sw_metrics_new(file)
        if native == ffi.NULL:
            raise MemoryError("no memory for metrics")
        self.pointer: Any = ffi.gc(native, lib.sw_metrics_release)
        self._accounts: dict[str, Account] = {}

    def read(self) -> list[Metric]:
        """Return all metrics as they are now."""
        return read(memoryview(ffi.buffer(lib.sw_metrics_bytes(self.pointer), SIZE)))

    def account(self, plugin: str) -> Account:
        """Return the counters of a plugin's VMs: VMs come by the thousand, and share them."""
        if (found := self._accounts.get(plugin)) is None:
            found = self._accounts[plugin] = Account(self, plugin)
        return found

    def counter(self, name: str, labels: Mapping[str, str] | None = None) -> Counter:
        """Return a counter of the host's own: the same for the same name and labels."""
        return Counter(self, self._define(MetricType.COUNTER, name, labels))

    def histogram(self, name: str, labels: Mapping[str, str] | None = None) -> int:
        """Return the place of a histogram of the host's own, which the core takes samples in."""
        return self._define(MetricType.HISTOGRAM, name, labels)

    def sampler(self, name: str, labels: Mapping[str, str] | None = None) -> Sampler:
        """Return a histogram of the host's own, for samples from Python."""
        return Sampler(self, self.histogram(name, labels))

    def gauge(self, name: str, labels: Mapping[str, str] | None = None) -> Gauge:
        """Return a gauge of the host's own."""
        return Gauge(self, self._define(MetricType.GAUGE, name, labels))

    def _define(self, kind: MetricType, name: str, labels: Mapping[str, str] | None) -> int:
        data = host_name(name, labels).encode()
        return int(lib.sw_metrics_define(self.pointer, kind, b"", 0, data, len(data), _MOST_OF_HOST))


class Account:
    """The host's counters of what the VMs of one plugin do, in the order of core/vm.h."""

    def __init__(self, table: MetricsTable, plugin: str) -> None:
        self.pointer = table.pointer  # and not the table, which keeps this
        labels = {"plugin": plugin}
        self._starts = table.counter("plugin_vm_starts_total", labels).index
        self.indexes = [
            table.counter(f"plugin_{name}_total", labels).index
            for name in ("calls", "hostcalls", "cpu_seconds", "metrics_refused")
        ]

    def count_start(self) -> None:
        """Count one VM more."""
        lib.sw_metrics_add(self.pointer, self._starts, 1)


class RequestCounters:
    """The host's counters of exchanges, by the class of their status, and how long they took."""

    def __init__(self, table: MetricsTable) -> None:
        self.table = table
        self._counters = [
            table.counter("http_requests_total", {"code": code})
            for code in ("none", "1xx", "2xx", "3xx", "4xx", "5xx")
        ]
        self.indexes = [counter.index for counter in self._counters]
        self.durations = table.histogram("http_request_duration_milliseconds")

    @property
    def total(self) -> int:
        """Exchanges that have ended, in this process."""
        return sum(counter.value for counter in self._counters)

    def add(self, status: int) -> None:
        """Count an exchange that no chain has seen."""
        self._counters[status // 100].add()


class Counter:
    """A number that only grows."""

    __slots__ = ("_table", "index")

    def __init__(self, table: MetricsTable, index: int) -> None:
        self._table, self.index = table, index

    def add(self, amount: int = 1) -> None:
        """Count so many, 0 or more."""
        lib.sw_metrics_add(self._table.pointer, self.index, amount)

    @property
    def value(self) -> int:
        """The number now, in this process."""
        return int(lib.sw_metrics_value(self._table.pointer, self.index))


class Sampler:
    """A histogram; its buckets are made for numbers from 1 to some millions."""

    __slots__ = ("_index", "_table")

    def __init__(self, table: MetricsTable, index: int) -> None:
        self._table, self._index = table, index

    def add(self, value: int) -> None:
        """Take a sample, 0 or more."""
        lib.sw_metrics_sample(self._table.pointer, self._index, value)


class Gauge:
    """A number that is as it is now."""

    __slots__ = ("_index", "_table")

    def __init__(self, table: MetricsTable, index: int) -> None:
        self._table, self._index = table, index

    def set(self, value: int) -> None:
        """Say what it is."""
        lib.sw_metrics_set(self._table.pointer, self._index, value & 0xFFFF_FFFF_FFFF_FFFF)
