"""Metrics as Prometheus reads them."""

from __future__ import annotations

import re

import pytest

from host.metrics.exposition import Exposition, StatsTag
from host.metrics.layout import BUCKETS, Key, Metric, MetricType
from host.metrics.names import host_name

COUNTER, GAUGE, HISTOGRAM = MetricType


def counter(name: str, value: int = 1, kind: MetricType = COUNTER) -> Metric:
    """A metric of a plugin's."""
    return Metric(Key(kind, name), (value,))


def test_a_counter_and_a_gauge_are_a_line_each() -> None:
    """With their types, in the order of names."""
    text = Exposition().text([counter("b", -3, GAUGE), counter("a", 2)])
    assert text == "# TYPE wasmcustom_a counter\nwasmcustom_a 2\n# TYPE wasmcustom_b gauge\nwasmcustom_b -3\n"


def test_nothing_is_no_text() -> None:
    """An empty body is a valid exposition."""
    assert Exposition().text([]) == ""


def test_a_histogram_has_buckets_that_add_up() -> None:
    """Prometheus's buckets hold all samples up to their bound."""
    counts = [0] * (len(BUCKETS) + 1)
    counts[1], counts[-1] = 2, 1
    lines = Exposition().text([Metric(Key(HISTOGRAM, "h"), (*counts, 77))]).splitlines()
    assert lines[:4] == [
        "# TYPE wasmcustom_h histogram",
        'wasmcustom_h_bucket{le="0.5"} 0',
        'wasmcustom_h_bucket{le="1"} 2',
        'wasmcustom_h_bucket{le="5"} 2',
    ]
    assert lines[-3:] == ['wasmcustom_h_bucket{le="+Inf"} 3', "wasmcustom_h_sum 77", "wasmcustom_h_count 3"]
    assert len(lines) == len(BUCKETS) + 4


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("waf_filter.tx.total", "wasmcustom_waf_filter_tx_total"),
        ("9 lives-ü\n", "wasmcustom_9_lives___"),
        ("", "wasmcustom_"),
        ('x{a="b"} 1\nevil 2', "wasmcustom_x_a__b___1_evil_2"),
    ],
)
def test_names_are_of_what_prometheus_allows(name: str, shown: str) -> None:
    """Whatever a guest calls its metric, it is one line and one name."""
    assert Exposition().text([counter(name)]) == f"# TYPE {shown} counter\n{shown} 1\n"


def test_without_a_prefix_names_are_envoys() -> None:
    """Envoy strips the namespace that its own stats have; no name begins with a digit then."""
    assert Exposition("").text([counter("a.b"), counter("1")]) == (
        "# TYPE _1 counter\n_1 1\n# TYPE a_b counter\na_b 1\n"
    )


CORAZA = "waf_filter.tx.interruptions_ruleid=949110_phase=http_request_headers"


def test_tags_are_taken_out_of_names() -> None:
    """Coraza's names with the tags that its documentation gives for Envoy."""
    tags = [
        StatsTag("phase", re.compile("(_phase=([a-z_]+))")),
        StatsTag("rule_id", re.compile("(_ruleid=([0-9]+))")),
        StatsTag("identifier", re.compile("(_identifier=([0-9a-z.:]+))")),
    ]
    text = Exposition(tags=tags).text([counter(CORAZA, 4)])
    assert text.splitlines()[1] == (
        'wasmcustom_waf_filter_tx_interruptions{phase="http_request_headers",rule_id="949110"} 4'
    )


def test_a_tag_with_one_group_takes_it_as_value() -> None:
    """As Envoy says: without a second group the first is both."""
    text = Exposition(tags=[StatsTag("shard", re.compile(r"\.(\d+)"))]).text([counter("queue.7")])
    assert text.splitlines()[1] == 'wasmcustom_queue_{shard="7"} 1'


def test_a_tag_sees_the_namespace() -> None:
    """Envoy's expressions often begin with it."""
    text = Exposition(tags=[StatsTag("p", re.compile(r"^wasmcustom\.((.*?)\.)"))]).text([counter("a.b")])
    assert text.splitlines()[1] == 'wasmcustom_b{p="a"} 1'


def test_istios_labels_are_labels() -> None:
    """Its plugins write them into the name; they need no tags here."""
    name = 'reporter=.=source;.;path=.=/a"b\\;.;_istio_requests_total'
    text = Exposition("").text([counter(name, 5)])
    assert text.splitlines()[1] == r'istio_requests_total{reporter="source",path="/a\"b\\"} 5'


def test_names_that_become_one_series_are_added_up() -> None:
    """A series must not be there twice."""
    assert Exposition().text([counter("a.b", 1), counter("a-b", 2)]).splitlines()[1:] == ["wasmcustom_a_b 3"]


def test_a_family_has_one_type() -> None:
    """The second gets its type's name."""
    text = Exposition().text([counter("x", 1), counter("x", 2, GAUGE)])
    assert text.splitlines() == [
        "# TYPE wasmcustom_x counter",
        "wasmcustom_x 1",
        "# TYPE wasmcustom_x_gauge gauge",
        "wasmcustom_x_gauge 2",
    ]


def test_a_histograms_samples_are_not_mixed_up_with_another_metrics() -> None:
    """A counter may be called what a histogram's sum is."""
    histogram = Metric(Key(HISTOGRAM, "x"), (0,) * (len(BUCKETS) + 2))
    text = Exposition().text([counter("x_sum", 5), histogram])
    assert "# TYPE wasmcustom_x_sum_counter counter\nwasmcustom_x_sum_counter 5" in text


def test_labels_that_become_one_are_one() -> None:
    """A label must not be there twice, and `le` is a histogram's."""
    text = Exposition("").text([counter("a.b=.=1;.;a-b=.=2;.;le=.=3;.;x")])
    assert text.splitlines()[1] == 'x{a_b="2"} 1'


def test_a_plugin_cannot_pass_its_metric_off_as_the_hosts() -> None:
    """Without a prefix its name could be the same."""
    own = Metric(Key(COUNTER, host_name("workers"), is_host=True), (1,))
    text = Exposition("").text([counter("sluiceway_workers", 9), own])
    assert text.splitlines()[1::2] == ["sluiceway_workers 1", "sluiceway_workers_counter 9"]


def test_the_hosts_labels_are_escaped() -> None:
    """A plugin's name is the operator's, and may be anything."""
    own = Metric(Key(COUNTER, host_name("x_total", {"plugin": 'a"\\\n'}), is_host=True), (1,))
    assert Exposition().text([own]).splitlines()[1] == 'sluiceway_x_total{plugin="a\\"\\\\\\n"} 1'
