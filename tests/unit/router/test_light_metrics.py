"""Numbers of the hot path say the same as those of prometheus_client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from roundhouse_router.light_metrics import LightCounters, LightHistograms

BOUNDS = (0.1, 1.0, 2.5)


@given(st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(min_value=0, max_value=100)), max_size=20))
def test_a_histogram_has_the_buckets_of_the_usual_one(values: list[float]) -> None:
    light, usual = CollectorRegistry(), CollectorRegistry()
    series = LightHistograms("x_seconds", "Text", ("route",), BOUNDS, light).of("a")
    other = Histogram("x_seconds", "Text", ["route"], buckets=BOUNDS, registry=usual).labels("a")
    for value in values:
        series.observe(value)
        other.observe(value)
    for bound in (*map(str, BOUNDS), "+Inf"):
        labels = {"route": "a", "le": bound}
        assert light.get_sample_value("x_seconds_bucket", labels) == usual.get_sample_value("x_seconds_bucket", labels)
    assert light.get_sample_value("x_seconds_count", {"route": "a"}) == len(values)
    assert light.get_sample_value("x_seconds_sum", {"route": "a"}) == pytest.approx(sum(values))


def test_series_are_kept_apart_and_found_again() -> None:
    registry = CollectorRegistry()
    histograms = LightHistograms("x", "Text", ("route", "kind"), BOUNDS, registry)
    assert histograms.of("a", "b") is histograms.of("a", "b")
    histograms.of("a", "b").observe(1)
    histograms.of("a", "c").observe(1)
    assert registry.get_sample_value("x_count", {"route": "a", "kind": "b"}) == 1


def test_counters_add_up_under_their_labels() -> None:
    registry = CollectorRegistry()
    counters = LightCounters("x", "Text", ("status",), registry)
    counters.of("200").add()
    counters.of("200").add(2)
    counters.of("500").add()
    assert registry.get_sample_value("x_total", {"status": "200"}) == 3
    assert registry.get_sample_value("x_total", {"status": "500"}) == 1


def test_what_a_label_may_hold_does_not_break_the_text() -> None:
    registry = CollectorRegistry()
    LightCounters("x", "Text", ("model",), registry).of('a"\n\\b').add()
    assert rb'x_total{model="a\"\n\\b"} 1.0' in generate_latest(registry)
