"""proxy_define_metric, proxy_increment_metric, proxy_record_metric, proxy_get_metric."""

from __future__ import annotations

import struct

import pytest

from abi import Status
from host.testing import ChainHost, Histogram, PluginHost, WasmPlugin
from testdata import relay
from testdata.relay import SCRATCH
from tests.hostcalls.relays import OUT, expect, in_phases, run, start
from tests.plugin.guests import wat

OK, NOT_FOUND, BAD = Status.OK, Status.NOT_FOUND, Status.BAD_ARGUMENT
COUNTER, GAUGE, HISTOGRAM = range(3)
AT = "request_headers"
MINUS = (1 << 64) - 1  # -1 as the guest passes it


def define(kind: int, name: bytes, out: int = OUT) -> tuple[object, ...]:
    """A step that defines a metric."""
    return (AT, "proxy_define_metric", kind, name, out)


def increment(id_: int, delta: int) -> tuple[object, ...]:
    """A step that increments."""
    return (AT, "proxy_increment_metric", id_, delta)


def record(id_: int, value: int) -> tuple[object, ...]:
    """A step that records."""
    return (AT, "proxy_record_metric", id_, value)


def get(id_: int, out: int = OUT + 64) -> tuple[object, ...]:
    """A step that reads."""
    return (AT, "proxy_get_metric", id_, out)


def test_a_counter_adds_what_it_is_given_both_ways() -> None:
    """Envoy's Stats test: increments add, and so does a record; 1 + 1 + 3 = 5."""
    outcome = run(
        define(COUNTER, b"c"), increment(4, 1), increment(4, 1), get(4), record(4, 3), get(4, OUT + 72)
    )
    assert outcome.statuses == [OK] * 6
    assert outcome.number() == 4  # the first id, of type 0
    assert (outcome.number(8, OUT + 64), outcome.number(8, OUT + 72)) == (2, 5)
    assert outcome.host.metrics == {"c": 5}


def test_a_gauge_goes_both_ways_and_is_set() -> None:
    """The sign of an increment decides (Envoy; ngx_wasm_module traps); a record sets."""
    outcome = run(define(GAUGE, b"g"), increment(5, 4), increment(5, -6 & MINUS), get(5), record(5, 7))
    assert outcome.statuses == [OK] * 5
    assert outcome.number(8, OUT + 64) == -2 & MINUS
    assert outcome.host.metrics["g"] == 7


def test_a_gauge_below_zero_is_shown_below_zero() -> None:
    """Envoy shows the number without its sign."""
    outcome = run(define(GAUGE, b"g"), increment(5, MINUS))
    assert outcome.host.metrics["g"] == -1


def test_a_histogram_takes_samples_alone() -> None:
    """It can be neither incremented nor read (Envoy)."""
    outcome = run(
        define(HISTOGRAM, b"h"), record(6, 0), record(6, 25), record(6, 26), increment(6, 1), get(6)
    )
    assert outcome.statuses == [OK, OK, OK, OK, BAD, BAD]
    histogram = outcome.host.metrics["h"]
    assert isinstance(histogram, Histogram)
    assert (histogram.count, histogram.sum) == (3, 51)
    assert {bound: count for bound, count in histogram.buckets.items() if count} == {0.5: 1, 25.0: 1, 50.0: 1}


def test_a_sample_over_all_buckets_is_counted() -> None:
    """Beyond the last bound there is one bucket more."""
    outcome = run(define(HISTOGRAM, b"h"), record(6, 1 << 40))
    histogram = outcome.host.metrics["h"]
    assert isinstance(histogram, Histogram)
    assert histogram.buckets[float("inf")] == 1


@pytest.mark.parametrize("delta", [0, -1, -(1 << 63)])
def test_a_counter_does_not_go_back(delta: int) -> None:
    """Envoy: BAD_ARGUMENT for what is not over 0."""
    outcome = run(define(COUNTER, b"c"), increment(4, delta & MINUS), record(4, -5 & MINUS), get(4))
    assert outcome.statuses == [OK, BAD, BAD, OK]
    assert outcome.number(8, OUT + 64) == 0


@pytest.mark.parametrize("id_", [0, 1, 8, 12, 1 << 31, (1 << 32) - 4])
def test_an_id_that_was_not_defined_is_not_found(id_: int) -> None:
    """Whatever is made of it, and however near it is to one that was."""
    outcome = run(define(COUNTER, b"c"), increment(id_, 1), record(id_, 1), get(id_))
    assert outcome.statuses == [OK, NOT_FOUND, NOT_FOUND, NOT_FOUND]


def test_an_id_of_another_type_is_not_found() -> None:
    """The type is part of the id."""
    outcome = run(define(COUNTER, b"c"), increment(5, 1), record(6, 1), get(7), increment(7, 1), record(7, 1))
    assert outcome.statuses == [OK, NOT_FOUND, NOT_FOUND, BAD, BAD, NOT_FOUND]


@pytest.mark.parametrize("kind", [3, 4, 255, (1 << 32) - 1])
def test_a_type_that_is_none_is_a_bad_argument(kind: int) -> None:
    """There are three."""
    outcome = run(define(kind, b"c"))
    assert outcome.statuses == [BAD]
    assert dict(outcome.host.metrics) == {}


def test_a_name_defined_twice_is_one_metric_with_one_id() -> None:
    """A guest may define at every request: Envoy gives a new id for the same metric each time, without end."""
    outcome = run(
        define(COUNTER, b"c"), define(GAUGE, b"g", OUT + 8), define(COUNTER, b"c", OUT + 4), increment(4, 2)
    )
    assert struct.unpack("<II", outcome.host.read_memory(OUT, 8)) == (4, 4)
    assert outcome.host.metrics["c"] == 2


def test_one_name_may_have_several_types() -> None:
    """They are several metrics (Envoy)."""
    outcome = run(define(COUNTER, b"x"), define(GAUGE, b"x", OUT + 4), increment(4, 2), increment(9, 3))
    assert outcome.statuses == [OK] * 4
    assert [metric.values for metric in outcome.host._services.metrics.read() if not metric.key.is_host] == [
        (2,),
        (3,),
    ]


def test_names_are_shared_by_all_plugins_and_ids_are_not() -> None:
    """Envoy has one namespace; an id that another guest was given means nothing here."""
    first = relay.script(
        define(COUNTER, b"c"), define(COUNTER, b"d", OUT + 4), increment(4, 2), increment(8, 1)
    )
    second = relay.script(define(COUNTER, b"c"), increment(4, 5), increment(8, 1))
    plugins = [WasmPlugin(wat("relay"), script, name=name) for name, script in (("a", first), ("b", second))]
    with ChainHost(plugins) as chain:
        with chain.http_stream() as stream:
            stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
        assert chain.metrics == {"c": 7, "d": 1}
        assert chain.logs(plugin="b")[-1].endswith(f"{Status.NOT_FOUND:08x}")


def test_metrics_work_in_every_phase() -> None:
    """Also in ticks and at the start."""
    assert in_phases("proxy_define_metric", COUNTER, b"c", OUT) == expect(OK)


def test_the_longest_name_is_taken_and_a_longer_one_refused() -> None:
    """1,024 bytes; labels in names make them long."""
    outcome = run(define(COUNTER, b"n" * 1024), define(COUNTER, b"n" * 1025))
    assert outcome.statuses == [OK, BAD]
    assert list(outcome.host.metrics) == ["n" * 1024]


def test_a_name_of_no_bytes_or_of_any_bytes_is_taken() -> None:
    """As in Envoy; how it is shown is the exposition's matter."""
    outcome = run(define(COUNTER, b""), define(COUNTER, b"\0\xff\n", OUT + 4), increment(8, 1))
    assert outcome.statuses == [OK] * 3
    assert outcome.host.metrics["\0\ufffd\n"] == 1


@pytest.mark.parametrize(
    "step",
    [
        (AT, "proxy_define_metric", COUNTER, 0xFFFFFFF0, 4, OUT),
        (AT, "proxy_define_metric", COUNTER, SCRATCH, 0xFFFFFFFF, OUT),
        (AT, "proxy_define_metric", COUNTER, SCRATCH, 4, 0xFFFFFFFD),
        (AT, "proxy_get_metric", 4, 0xFFFFFFF9),
    ],
)
def test_pointers_outside_of_the_memory_are_refused(step: tuple[object, ...]) -> None:
    """INVALID_MEMORY_ACCESS, and nothing is defined."""
    outcome = run(define(COUNTER, b"c"), step)
    assert outcome.statuses == [OK, Status.INVALID_MEMORY_ACCESS]
    assert list(outcome.host.metrics) == ["c"]


def test_metrics_outlive_the_vm_that_counted_them() -> None:
    """A trap costs the VM, not what it had counted."""
    host = start(define(COUNTER, b"c"), increment(4, 1), (AT, relay.TRAP))
    for _ in range(2):
        with host.http_stream() as stream:
            stream.request_headers([(b":method", b"GET"), (b":path", b"/")], end_of_stream=True)
    assert host.failures == 2
    assert host.metrics == {"c": 2}


FLOOD = """(module
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (global $failed (mut i32) (i32.const 0))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (local $i i32)
    (loop $next
      (i32.store (i32.const 0) (local.get $i))
      (global.set $failed (i32.or (global.get $failed)
        (call $define (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 16))))
      (global.set $failed (i32.or (global.get $failed)
        (call $increment (i32.load (i32.const 16)) (i64.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000000))))
    (i32.eqz (global.get $failed))))"""


def test_a_million_names_cost_neither_the_guest_nor_the_host() -> None:
    """Names made of what clients send have no end: the first are kept, the others taken and not shown, with one line."""
    import wasmtime

    with PluginHost(
        bytes(wasmtime.wat2wasm(FLOOD)), name="flood", max_metrics=100, start_deadline=30_000
    ) as host:
        assert len(host.metrics) == 100
        assert set(host.metrics.values()) == {1}
        assert host.logs() == ["proxy_define_metric: more than 100 metrics; further ones are not shown"]


def test_ids_beyond_the_limit_can_be_used() -> None:
    """SDKs of guests panic on any status but OK."""
    outcome = run(
        define(COUNTER, b"a"), define(COUNTER, b"b"), increment(8, 3), record(8, 1), get(8), max_metrics=1
    )
    assert outcome.statuses == [OK] * 5
    assert outcome.host.metrics == {"a": 0}


def test_without_a_module_nothing_is_defined() -> None:
    """What other tests rely on."""
    with PluginHost(wat("relay"), name="relay") as host:
        assert dict(host.metrics) == {}
