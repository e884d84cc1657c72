"""The mapping that workers count in and the supervisor reads."""

from __future__ import annotations

import os
import random

from host._core import lib
from host.metrics.file import MetricsFile
from host.metrics.layout import BUCKETS, SIZE, Key, MetricType, add_up, read
from host.metrics.table import MetricsTable


def define(
    table: MetricsTable, kind: MetricType, name: bytes, owner: bytes = b"plugin", most: int = 100
) -> int:
    """A plugin's metric."""
    return int(lib.sw_metrics_define(table.pointer, kind, owner, len(owner), name, len(name), most))


def values(table: MetricsTable) -> dict[str, tuple[int, ...]]:
    """All metrics by name."""
    return {metric.key.name: metric.values for metric in table.read()}


def test_both_readings_of_the_layout_agree() -> None:
    """The core's numbers and those of host/metrics/layout.py."""
    assert lib.sw_metrics_size() == SIZE
    assert len(BUCKETS) == lib.SW_HISTOGRAM_BOUNDS


def test_the_file_shows_what_the_table_counts() -> None:
    """At once: it is the same memory."""
    file = MetricsFile("test")
    table = MetricsTable(file.descriptor)
    lib.sw_metrics_add(table.pointer, define(table, MetricType.COUNTER, b"c"), 3)
    table.counter("x_total", {"plugin": "a"}).add()
    assert [(metric.key, metric.values) for metric in file.read()] == [
        (Key(MetricType.COUNTER, "c"), (3,)),
        (Key(MetricType.COUNTER, 'sluiceway_x_total{plugin="a"}', is_host=True), (1,)),
    ]


def test_the_next_worker_goes_on_with_counters_and_begins_gauges_anew() -> None:
    """What was counted stays; what was going on in a worker has ended with it."""
    file = MetricsFile("test")
    for count in (1, 2):
        table = MetricsTable(file.descriptor)
        lib.sw_metrics_add(table.pointer, define(table, MetricType.GAUGE, b"g"), 1)
        lib.sw_metrics_add(table.pointer, define(table, MetricType.COUNTER, b"c"), 5)
        assert values(table) == {"g": (1,), "c": (5 * count,)}
        del table


def test_a_host_name_and_a_plugins_name_are_two_metrics() -> None:
    """A guest cannot count for the host."""
    table = MetricsTable()
    own = table.counter("x_total")
    own.add()
    assert define(table, MetricType.COUNTER, b"sluiceway_x_total") != own.index
    assert own.value == 1


def test_each_plugin_has_its_own_share() -> None:
    """One that has used up its share keeps nobody else from defining."""
    table = MetricsTable()
    greedy = [define(table, MetricType.COUNTER, b"%d" % number, b"greedy", 3) for number in range(5)]
    assert greedy[3] == greedy[4] == lib.SW_MOST_METRICS
    assert define(table, MetricType.COUNTER, b"other", b"modest", 3) == 3
    assert define(table, MetricType.COUNTER, b"0", b"greedy", 3) == greedy[0]  # it is there


def test_a_full_table_refuses_and_keeps_what_it_has() -> None:
    """With the longest names in the worst order of types."""
    table = MetricsTable()
    kinds = [MetricType.HISTOGRAM, MetricType.COUNTER]
    for number in range(16384):
        name = b"%d" % number + b"x" * 1015
        assert define(table, kinds[number % 2], name, b"p", 1 << 30) == number
    assert define(table, MetricType.GAUGE, b"one more", b"q") == lib.SW_MOST_METRICS + 1
    assert len(table.read()) == 16384


def test_a_mapping_full_of_anything_is_read_without_harm() -> None:
    """A worker may have been killed at any moment, and may have been taken over before."""
    chance = random.Random(1)
    table = MetricsTable()
    for number in range(20):
        define(table, MetricType(number % 3), b"m%d" % number)
    from host._core import ffi

    good = bytes(ffi.buffer(lib.sw_metrics_bytes(table.pointer), 4096))
    for _ in range(500):
        spoiled = bytearray(good) + bytearray(SIZE - len(good)) if chance.random() < 0.01 else bytearray(good)
        for _ in range(chance.randrange(1, 30)):
            spoiled[chance.randrange(8, 1500)] = chance.randrange(256)
        assert len(read(bytes(spoiled))) <= 20
        file = os.memfd_create("spoiled")
        os.ftruncate(file, SIZE)
        os.pwrite(file, spoiled[:4096], 0)
        again = MetricsTable(file)
        define(again, MetricType.COUNTER, b"new")
        assert "new" in values(again) or len(values(again)) == 0
        os.close(file)


def test_workers_add_up() -> None:
    """Counters, gauges, and histograms bucket by bucket; one may lack what another has."""
    tables = [MetricsTable(), MetricsTable()]
    for number, table in enumerate(tables):
        lib.sw_metrics_add(table.pointer, define(table, MetricType.COUNTER, b"c"), 2 + number)
    define(tables[1], MetricType.GAUGE, b"only here")
    assert [(metric.key.name, metric.values) for metric in add_up(table.read() for table in tables)] == [
        ("c", (5,)),
        ("only here", (0,)),
    ]
