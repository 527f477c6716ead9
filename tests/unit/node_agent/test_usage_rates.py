"""What two readings of counters say about the time between them."""

import pytest

from roundhouse_common.contracts.node import DeviceSample, NodeSample, ReplicaSample
from roundhouse_common.runtime import UnixTime
from roundhouse_node_agent.domain.engine_run import EngineRun
from roundhouse_node_agent.domain.usage import Counters, EngineUsage, HostUsage, sample_between
from roundhouse_node_agent.loops.sampling import pause_s
from tests.support.scheduler_stub import an_assignment

GIB = 1024**3


def engine(
    user_s: float, system_s: float = 0.0, *, attempt: int = 1, launch: int = 1, memory: dict[str, int] | None = None
) -> EngineUsage:
    run = EngineRun(
        replica_id="rep_1",
        attempt=attempt,
        launch=launch,
        assignment=an_assignment(device_uuids=("GPU-a", "GPU-b")),
        epoch=1,
        pid=7,
        port=9000,
        base_url="http://127.0.0.1:9000",
        started_at=UnixTime(0.0),
    )
    cpu = Counters(user_s=user_s, system_s=system_s)
    return EngineUsage(run=run, cpu=cpu, memory_bytes=GIB, device_memory_bytes=memory or {})


def reading(
    at: float, *engines: EngineUsage, user_s: float = 0.0, system_s: float = 0.0, devices: tuple[DeviceSample, ...] = ()
) -> HostUsage:
    return HostUsage(
        measured_at=at,
        cpu_cores=4,
        cpu=Counters(user_s=user_s, system_s=system_s),
        memory_used_bytes=6 * GIB,
        memory_total_bytes=16 * GIB,
        devices=devices,
        engines=engines,
    )


def between(before: HostUsage, after: HostUsage) -> NodeSample:
    sample = sample_between(before, after, node_id="nod_a", epoch=3, at=1000.0)
    assert sample is not None
    return sample


def replica(before: HostUsage, after: HostUsage) -> ReplicaSample:
    (found,) = between(before, after).replicas
    return found


@pytest.mark.contract("C01")
def test_cores_are_seconds_of_processor_by_seconds_of_time() -> None:
    sample = between(reading(100.0, user_s=50.0, system_s=5.0), reading(110.0, user_s=65.0, system_s=7.5))
    assert (sample.cpu_user, sample.cpu_system, sample.interval_s) == (1.5, 0.25, 10.0)
    assert (sample.memory_used_bytes, sample.memory_total_bytes) == (6 * GIB, 16 * GIB)


def test_a_host_is_never_busier_than_it_has_cores() -> None:
    sample = between(reading(0.0), reading(10.0, user_s=39.99, system_s=0.1))
    assert sample.cpu_user + sample.cpu_system == 4.0


def test_an_engine_counts_from_the_reading_before() -> None:
    found = replica(reading(0.0, engine(100.0, 10.0)), reading(10.0, engine(105.0, 12.0)))
    assert (found.cpu_user, found.cpu_system, found.memory_bytes) == (0.5, 0.2, GIB)


@pytest.mark.parametrize(("attempt", "launch"), [(2, 1), (1, 2)])
def test_an_engine_that_began_anew_counts_from_its_start(attempt: int, launch: int) -> None:
    found = replica(reading(0.0, engine(100.0)), reading(10.0, engine(4.0, attempt=attempt, launch=launch)))
    assert found.cpu_user == pytest.approx(0.4)


def test_a_new_engine_counts_from_its_start() -> None:
    assert replica(reading(0.0), reading(10.0, engine(2.0))).cpu_user == pytest.approx(0.2)


def test_a_counter_that_goes_back_is_no_burst() -> None:
    found = replica(reading(0.0, engine(1000.0)), reading(10.0, engine(900.0)))
    assert found.cpu_user == 0.0


def test_a_reading_at_the_same_moment_says_nothing() -> None:
    assert sample_between(reading(5.0), reading(5.0, user_s=1.0), node_id="nod_a", epoch=1, at=0.0) is None


def test_a_replica_shows_its_devices_with_its_own_part_of_their_memory() -> None:
    busy = DeviceSample(uuid="GPU-a", utilization=0.9, memory_used_bytes=70 * GIB, memory_total_bytes=80 * GIB)
    after = reading(10.0, engine(1.0, memory={"GPU-a": 30 * GIB}), devices=(busy,))
    first, second = replica(reading(0.0), after).devices
    assert (first.utilization, first.memory_used_bytes, first.memory_total_bytes) == (0.9, 30 * GIB, 80 * GIB)
    assert (second.uuid, second.utilization, second.memory_used_bytes) == ("GPU-b", -1.0, -1)


@pytest.mark.parametrize("interval_s", [1.0, 10.0, 60.0])
@pytest.mark.parametrize("node_id", ["nod_a", "nod_b", "nod_0197aa00000070008000000000000555"])
def test_every_bucket_gets_one_sample(interval_s: float, node_id: str) -> None:
    now, buckets = 1_800_000_003.7, []
    for number in range(1000):
        now += pause_s(now, interval_s, node_id) + 0.004 * (number % 7)
        buckets.append(now // interval_s)
    assert buckets == [buckets[0] + number for number in range(1000)]
