"""Metrics of several processes as one text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from roundhouse_router.workers.metrics_text import merge


def text(worker: int) -> str:
    registry = CollectorRegistry()
    Counter("requests", "Requests", ["route"], registry=registry).labels(route='a{b},"c"').inc(worker + 1)
    Gauge("busy", "Busy", registry=registry).set(worker)
    Histogram("wait", "Wait", registry=registry, buckets=(0.1, 1)).observe(0.5)
    return generate_latest(registry).decode()


def test_every_sample_says_whose_it_is_and_families_stay_together() -> None:
    merged = merge({str(worker): text(worker) for worker in range(3)}, "worker")
    families = {family.name: family for family in text_string_to_metric_families(merged)}
    assert merged.count("# TYPE requests_total counter") == 1
    values = {sample.labels["worker"]: sample.value for sample in families["requests"].samples}
    assert {worker: values[worker] for worker in "012"} == {"0": 1, "1": 2, "2": 3}
    assert {sample.labels["route"] for sample in families["requests"].samples} == {'a{b},"c"'}
    assert [sample.value for sample in families["busy"].samples] == [0, 1, 2]
    buckets = [sample for sample in families["wait"].samples if sample.name == "wait_bucket"]
    assert len(buckets) == 9
    assert all({"le", "worker"} == set(sample.labels) for sample in buckets)


def test_a_family_that_one_process_lacks_is_there() -> None:
    registry = CollectorRegistry()
    Gauge("only", "Only here", registry=registry)
    merged = merge({"0": text(0), "1": generate_latest(registry).decode()}, "worker")
    assert 'only{worker="1"} 0.0' in merged
    assert 'busy{worker="0"} 0.0' in merged
