"""Draining, probing, fencing, fitting, reporting: the small decisions of an agent."""

from dataclasses import replace

import msgspec
import pytest

from roundhouse_common.contracts.catalog import Resources
from roundhouse_common.contracts.node import DeviceInfo, DeviceVendor, NodeInventory, ObservedPhase, digest_of
from roundhouse_common.contracts.scheduler import Assignment, GangMembership, Reason
from roundhouse_node_agent.domain.capacity import other_epoch, refusal
from roundhouse_node_agent.domain.drain import DrainVerdict, begin_drain, is_idle, step
from roundhouse_node_agent.domain.engine_run import Diagnosis, EngineSample
from roundhouse_node_agent.domain.fencing import fenced
from roundhouse_node_agent.domain.probing import ProbeState, is_unresponsive, observe
from roundhouse_node_agent.domain.report import loads_of, reports_of
from tests.support.node_values import a_replica, an_exit
from tests.support.scheduler_stub import an_assignment

GIB = 1024**3
IDLE = EngineSample(running=0, waiting=0)
BUSY = EngineSample(running=1, waiting=0)
QUEUED = EngineSample(running=0, waiting=1)


def verdicts(*looks: tuple[float, EngineSample | None]) -> list[DrainVerdict]:
    state = begin_drain(0.0, settle_s=1.0, timeout_s=10.0)
    found = []
    for at, sample in looks:
        state, verdict = step(state, at, is_idle=is_idle(sample, is_connected=None))
        found.append(verdict)
    return found


WAIT, DONE, LATE = DrainVerdict.WAIT, DrainVerdict.IDLE, DrainVerdict.TIMED_OUT


def test_idleness_counts_only_after_routers_had_time_to_learn() -> None:
    assert verdicts((0.2, IDLE), (0.8, IDLE), (1.0, IDLE), (1.2, IDLE)) == [WAIT, WAIT, WAIT, DONE]


def test_an_engine_must_be_idle_twice_in_a_row() -> None:
    assert verdicts((1.0, IDLE), (1.2, BUSY), (1.4, IDLE), (1.6, QUEUED), (1.8, IDLE), (2.0, IDLE))[-2:] == [WAIT, DONE]


def test_an_engine_that_does_not_answer_is_not_taken_for_idle_but_time_runs_out() -> None:
    assert verdicts((1.0, None), (5.0, None), (10.9, None), (11.0, None)) == [WAIT, WAIT, WAIT, LATE]


@pytest.mark.parametrize(
    ("sample", "is_connected", "idle"),
    [(IDLE, True, True), (BUSY, False, False), (None, False, True), (None, True, False), (None, None, False)],
)
def test_an_engine_without_figures_is_idle_when_nobody_is_connected(
    sample: EngineSample | None, is_connected: bool | None, idle: bool
) -> None:
    assert is_idle(sample, is_connected=is_connected) is idle


def test_only_silence_without_work_counts_towards_unresponsive() -> None:
    state = ProbeState()
    for has_answered, is_working in [(False, False), (False, False), (False, True), (False, False)]:
        state = observe(state, has_answered=has_answered, is_working=is_working)
    assert state.failures == 1
    assert not is_unresponsive(state, limit=2)
    assert is_unresponsive(observe(state, has_answered=False, is_working=False), limit=2)
    assert observe(state, has_answered=True, is_working=False).failures == 0


@pytest.mark.parametrize(("fence_after_s", "silent_s", "due"), [(0.0, 1e9, False), (60, 59, False), (60, 60, True)])
def test_a_fence_is_due_after_its_time_and_zero_is_never(fence_after_s: float, silent_s: float, due: bool) -> None:
    replica = replace(a_replica(ObservedPhase.READY), assignment=an_assignment(fence_after_s=fence_after_s))
    assert fenced([replica], silent_s) == (("rep_1",) if due else ())
    assert fenced([replace(replica, ended=an_exit())], silent_s) == ()


@pytest.mark.contract("A07")
def test_a_member_waits_for_the_end_of_an_earlier_epoch_of_its_gang() -> None:
    def member(epoch: int) -> Assignment:
        where = GangMembership(gang_id="gang", epoch=epoch, rank=1, size=2, address="10.0.0.1", port=29500)
        return an_assignment(f"rep_{epoch}", gang=where)

    earlier = replace(a_replica(ObservedPhase.READY), assignment=member(1))

    said = other_epoch(member(2), [earlier])

    assert said is not None
    assert "member 1 of epoch 1" in said
    assert other_epoch(member(2), [replace(earlier, ended=an_exit(), phase=ObservedPhase.STOPPED)]) is None
    assert other_epoch(member(1), [earlier]) is None
    assert other_epoch(an_assignment(), [earlier]) is None


def inventory(total_gib: float, available_gib: float, *devices: DeviceInfo) -> NodeInventory:
    return NodeInventory(
        hostname="host",
        address="127.0.0.1",
        cpu_cores=8,
        memory_total_bytes=int(total_gib * GIB),
        memory_available_bytes=int(available_gib * GIB),
        os="linux",
        arch="x86_64",
        agent_version="0",
        devices=devices,
    )


def a_device(uuid: str = "GPU-1", *, free_gib: int = 80) -> DeviceInfo:
    return DeviceInfo(
        uuid=uuid,
        index=0,
        vendor=DeviceVendor.NVIDIA,
        model="H",
        memory_total_bytes=80 * GIB,
        memory_free_bytes=free_gib * GIB,
    )


def test_free_memory_is_the_lower_of_what_is_unclaimed_and_what_is_measured() -> None:
    need = an_assignment("rep_new", resources=Resources(memory_bytes=4 * GIB))
    other = a_replica(ObservedPhase.READY, replica_id="rep_other")
    holding = replace(other, assignment=an_assignment("rep_other", resources=Resources(memory_bytes=5 * GIB)))
    assert refusal(need, [], inventory(8, 8)) is None
    assert refusal(need, [], inventory(8, 3)) is not None
    assert refusal(need, [holding], inventory(8, 8)) == (
        "it needs 4,096 MiB of host memory: of 8,192 MiB in all, 5,120 MiB are claimed by 1 other replicas"
        " and 8,192 MiB are free now"
    )
    assert refusal(need, [replace(holding, ended=an_exit())], inventory(8, 8)) is None


def test_an_earlier_attempt_of_the_same_replica_claims_nothing() -> None:
    need = an_assignment(resources=Resources(memory_bytes=6 * GIB))
    before = replace(a_replica(ObservedPhase.READY), assignment=need)
    assert refusal(need, [before], inventory(8, 8)) is None


@pytest.mark.parametrize(
    ("uuids", "device", "words"),
    [
        (("GPU-1",), a_device(), None),
        (("GPU-1",), a_device(free_gib=10), "81,920 MiB in all"),
        (("GPU-2",), a_device(), "device GPU-2 is not on this node; it has GPU-1"),
        ((), a_device(), "needs 1 devices and was given 0"),
    ],
)
def test_devices_must_be_there_and_have_room(uuids: tuple[str, ...], device: DeviceInfo, words: str | None) -> None:
    need = an_assignment(device_uuids=uuids, resources=Resources(memory_bytes=20 * GIB, device_count=1))
    refused = refusal(need, [], inventory(8, 8, device))
    assert refused is None if words is None else words in str(refused)


@pytest.mark.parametrize(
    ("is_wanted_alone", "is_held_alone", "words"),
    [
        (True, False, "replica rep_other still holds device GPU-1, which it wants for itself alone"),
        (False, True, "replica rep_other still holds device GPU-1, which that one has for itself alone"),
        (False, False, None),
    ],
)
def test_a_device_that_somebody_wants_for_itself_alone_is_not_shared(
    is_wanted_alone: bool, is_held_alone: bool, words: str | None
) -> None:
    def assignment(replica_id: str, *, is_exclusive: bool) -> Assignment:
        resources = Resources(memory_bytes=GIB, device_count=1, is_exclusive=is_exclusive)
        return an_assignment(replica_id, device_uuids=("GPU-1",), resources=resources)

    other = a_replica(ObservedPhase.READY, replica_id="rep_other")
    holder = replace(other, assignment=assignment("rep_other", is_exclusive=is_held_alone))
    need = assignment("rep_new", is_exclusive=is_wanted_alone)
    assert refusal(need, [holder], inventory(8, 8, a_device())) == words
    assert refusal(need, [replace(holder, ended=an_exit())], inventory(8, 8, a_device())) is None


def test_a_report_gives_an_address_and_a_pid_only_of_an_engine_that_runs() -> None:
    ended = an_exit(code=None, signal=9, diagnosis=Diagnosis(kind="killed", summary="x", lines=("last words",)))
    failed = replace(a_replica(ObservedPhase.FAILED, replica_id="rep_b"), ended=ended, reason=Reason.ENGINE_EXITED)
    running, over = reports_of([failed, a_replica(ObservedPhase.READY, replica_id="rep_a")])
    assert (running.base_url, running.pid, running.served_model) == ("http://127.0.0.1:9001", 4242, "smol")
    assert (over.base_url, over.pid, over.exit_code, over.log_tail) == ("", 0, -9, ("last words",))


def test_the_digest_tells_any_change_and_no_order() -> None:
    first, second = reports_of([a_replica(ObservedPhase.READY), a_replica(ObservedPhase.READY, replica_id="rep_2")])
    assert digest_of([first, second]) == digest_of([second, first])
    assert digest_of([first]) != digest_of([msgspec.structs.replace(first, detail="other")])


def test_loads_are_those_of_engines_that_may_hold_requests() -> None:
    replicas = [
        a_replica(ObservedPhase.READY),
        a_replica(ObservedPhase.DRAINING, replica_id="rep_2"),
        a_replica(ObservedPhase.STARTING, replica_id="rep_3"),
    ]
    samples = {"rep_1": BUSY, "rep_2": QUEUED, "rep_3": IDLE}
    assert [(load.replica_id, load.running, load.waiting) for load in loads_of(replicas, samples)] == [
        ("rep_1", 1, 0),
        ("rep_2", 0, 1),
    ]
