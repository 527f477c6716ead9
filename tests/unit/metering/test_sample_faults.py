"""Which samples are taken in, and to which second they belong."""

import pytest

from roundhouse_common.contracts.node import NodeSample
from roundhouse_metering.domain.samples import SeriesKey, compute_rows, device_rows, fault, time_of
from tests.support.metering import device, node_sample, replica_sample

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (node_sample(NOW, node_id="nod_b"), "it says that it is of nod_b"),
        (node_sample(NOW, cpu_user=-1.0), "negative"),
        (node_sample(NOW, memory_used_bytes=2**60), "absurd"),
        (node_sample(float("nan")), "absurd"),
        (node_sample(NOW, replicas=(replica_sample(""),)), "empty"),
        (node_sample(NOW, devices=(device("x" * 300),)), "too long"),
        (node_sample(NOW, devices=tuple(device(f"GPU-{number}") for number in range(257))), "257 devices"),
    ],
)
def test_a_sample_that_cannot_be_is_refused_with_a_reason(sample: NodeSample, why: str) -> None:
    assert why in (fault(sample, "nod_a") or "")


def test_an_ordinary_sample_is_taken() -> None:
    assert (
        fault(node_sample(NOW, devices=(device(),), replicas=(replica_sample(devices=(device(),)),)), "nod_a") is None
    )


@pytest.mark.parametrize(("at", "second"), [(NOW - 5.5, NOW - 6), (NOW + 30, NOW + 30), (NOW - 3600, NOW), (9e15, NOW)])
def test_a_node_whose_clock_is_wrong_counts_by_the_time_of_receipt(at: float, second: float) -> None:
    assert time_of(node_sample(at), NOW) == second


def test_a_node_a_replica_and_their_devices_are_curves_of_their_own() -> None:
    sample = node_sample(NOW, devices=(device(),), replicas=(replica_sample(devices=(device(),)),))
    assert [row.key for row in compute_rows(sample, 1)] == [SeriesKey("nod_a"), SeriesKey("nod_a", "rep_a")]
    assert [row.key for row in device_rows(sample, 1)] == [
        SeriesKey("nod_a", "", "GPU-a"),
        SeriesKey("nod_a", "rep_a", "GPU-a"),
    ]


def test_what_a_device_does_not_tell_is_unknown_and_not_zero() -> None:
    silent = device(utilization=-1.0, memory_used_bytes=-1, temperature_c=-1.0, power_w=-1.0)
    (row,) = device_rows(node_sample(NOW, devices=(silent,)), 1)
    assert (row.utilization, row.memory_used_bytes, row.temperature_c, row.power_w) == (None, None, None, None)
