"""Deployments under load: what becomes of the number of their replicas over time."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import Autoscale, ReplicaWindow
from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import Desired, Reason
from roundhouse_scheduler.domain.plan import Scaled
from roundhouse_scheduler.domain.rules import Rules
from tests.support.loaded_fleet import LoadedFleet, an_autoscaled_fleet

QUICK = Autoscale(min_replicas=1, max_replicas=8, target_in_flight=4, down_stabilization_s=60.0)
SLEEPY = Autoscale(min_replicas=0, max_replicas=4, target_in_flight=4, down_stabilization_s=20.0, idle_s=30.0)
FOLLOWING = Autoscale(min_replicas=1, max_replicas=8, down_stabilization_s=10.0)
EACH_TARGET = [
    msgspec.structs.replace(FOLLOWING, target_in_flight=3.0),
    msgspec.structs.replace(FOLLOWING, target_queue=1.0),
    msgspec.structs.replace(FOLLOWING, target_queue=2.0),
    msgspec.structs.replace(FOLLOWING, target_ttft_s=0.25),
    msgspec.structs.replace(FOLLOWING, target_in_flight=4.0, target_queue=1.0, target_ttft_s=0.5),
]


def reason_of(fleet: LoadedFleet) -> Scaled:
    return [item for item in fleet.actions if isinstance(item, Scaled)][-1]


@pytest.mark.contract("A36", "A05")
def test_more_requests_bring_more_replicas_and_fewer_take_them_away() -> None:
    fleet = an_autoscaled_fleet(QUICK)
    fleet.work({"dep_1": 12}, 10)
    assert fleet.scaled() == [(1, 3)]
    assert reason_of(fleet).detail == "12.0 requests in flight per replica, target 4"
    assert len(fleet.serving("dep_1")) == 3
    fleet.work({"dep_1": 3}, 50)
    assert fleet.wanted() == 3
    fleet.work({"dep_1": 3}, 20)
    assert fleet.scaled() == [(1, 3), (3, 1)]
    assert [row.desired_reason for row in fleet.replicas.values() if row.desired is Desired.DRAIN] == [
        Reason.AUTOSCALED,
        Reason.AUTOSCALED,
    ]


def test_a_short_pause_takes_nothing_away() -> None:
    fleet = an_autoscaled_fleet(QUICK)
    fleet.work({"dep_1": 12}, 10)
    for _ in range(10):
        fleet.work({}, 20)
        fleet.work({"dep_1": 12}, 4)
    assert fleet.scaled() == [(1, 3)]


@settings(max_examples=10, deadline=None)
@given(
    load=st.integers(0, 40),
    replicas=st.integers(1, 8),
    capacity=st.integers(1, 6),
    start_s=st.sampled_from([0.0, 7.0, 31.0]),
    autoscale=st.sampled_from(EACH_TARGET),
)
def test_under_a_constant_load_it_comes_to_rest(
    load: int, replicas: int, capacity: int, start_s: float, autoscale: Autoscale
) -> None:
    fleet = an_autoscaled_fleet(autoscale, replicas=replicas, capacity=capacity, start_s=start_s)
    fleet.work({"dep_1": load} if load else {}, 240)
    steps = fleet.scaled()
    ups = [after - before for before, after in steps if after > before]
    fleet.work({"dep_1": load} if load else {}, 100)
    assert fleet.scaled() == steps, "it still changes"
    assert len(ups) <= 5, f"it swings: {steps}"  # four doublings at most, and one correction
    assert all(1 <= after <= 8 for _, after in steps)


@settings(max_examples=8, deadline=None)
@given(loads=st.lists(st.integers(0, 60), min_size=1, max_size=12), least=st.integers(0, 3), more=st.integers(0, 4))
def test_the_bounds_are_never_left(loads: list[int], least: int, more: int) -> None:
    most = max(1, least + more)
    autoscale = Autoscale(
        min_replicas=least, max_replicas=most, target_in_flight=3, down_stabilization_s=10.0, idle_s=20.0
    )
    fleet = an_autoscaled_fleet(autoscale, replicas=max(1, least))
    for load in loads:
        fleet.work({"dep_1": load} if load else {}, 14)
        assert least <= fleet.wanted() <= most


@pytest.mark.contract("A36")
def test_unused_for_long_enough_it_sleeps_and_a_request_wakes_it() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.work({"dep_1": 1}, 10)
    fleet.work({}, 26)
    assert fleet.wanted() == 1
    fleet.work({}, 8)
    assert fleet.live() == []
    assert reason_of(fleet).reason is Reason.IDLE
    fleet.want("dep_1")
    fleet.steps()
    assert (fleet.wanted(), reason_of(fleet).reason) == (1, Reason.WOKEN)
    assert fleet.only().node_id
    fleet.work({"dep_1": 1}, 40)
    assert len(fleet.serving("dep_1")) == 1


def test_it_does_not_sleep_while_a_request_is_held_or_runs() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.work({"dep_1": 1}, 300)
    assert fleet.scaled() == []


def test_it_does_not_sleep_while_it_still_starts() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.work({}, 40)
    fleet.start_s = 200.0
    fleet.want("dep_1")
    fleet.steps()
    fleet.work({}, 190)
    assert fleet.wanted() == 1
    fleet.work({}, 60)
    assert fleet.wanted() == 0


def test_silent_routers_are_not_idleness() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.work({"dep_1": 1}, 10)
    fleet.is_telling = False
    fleet.work({}, 500)
    assert fleet.scaled() == []
    fleet.is_telling = True
    fleet.work({}, 28)
    assert fleet.scaled() == []
    fleet.work({}, 6)
    assert fleet.wanted() == 0


def test_an_engine_that_works_for_a_router_that_is_cut_off_is_left_alone() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.work({"dep_1": 2}, 10)
    for _ in range(100):
        fleet.now += 2.0
        fleet.hear_all()
        fleet.tell()
        fleet.steps()
    assert fleet.scaled() == []


def test_a_scheduler_that_has_just_started_takes_nothing_away_before_a_whole_window() -> None:
    fleet = an_autoscaled_fleet(QUICK, replicas=5)
    fleet.work({"dep_1": 20}, 100)
    fleet.listen_anew()
    fleet.sequence = 100
    fleet.work({"dep_1": 2}, 56)
    assert fleet.wanted() == 5
    fleet.work({"dep_1": 2}, 10)
    assert fleet.wanted() == 1


def test_a_router_that_starts_anew_begins_its_totals_anew() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.work({"dep_1": 1}, 20)
    fleet.incarnation, fleet.sequence, fleet.started = "two", 0, {}
    fleet.work({"dep_1": 1}, 40)
    assert fleet.scaled() == []
    assert fleet.hearing["dep_1"].in_flight == 1


def test_one_that_drains_to_sleep_stays_when_a_request_comes() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.is_drained = False
    fleet.work({}, 40)
    drained = fleet.only()
    assert drained.desired is Desired.DRAIN
    fleet.want("dep_1")
    fleet.steps()
    assert (fleet.only().replica_id, fleet.only().desired) == (drained.replica_id, Desired.RUN)


def test_a_paused_deployment_is_not_scaled_but_wakes() -> None:
    fleet = an_autoscaled_fleet(SLEEPY)
    fleet.work({}, 40)
    fleet.deployments["dep_1"] = msgspec.structs.replace(fleet.deployments["dep_1"], is_paused=True)
    fleet.want("dep_1")
    fleet.steps()
    assert fleet.wanted() == 1
    fleet.work({"dep_1": 40}, 100)
    fleet.work({}, 300)
    assert fleet.wanted() == 1


def test_windows_raise_and_lower_the_bounds() -> None:
    window = ReplicaWindow(name="office", cron="0 8 * * *", duration_s=3600.0, min_replicas=3, max_replicas=6)
    fleet = an_autoscaled_fleet(msgspec.structs.replace(SLEEPY, windows=(window,)))
    fleet.now = 8 * 3600.0 - 60.0
    fleet.tick({})
    fleet.work({}, 50)
    assert fleet.wanted() == 0
    fleet.work({}, 20)
    assert (fleet.wanted(), reason_of(fleet).detail) == (3, "window office: at least 3")
    fleet.work({"dep_1": 99}, 20)
    assert fleet.wanted() == 6
    fleet.work({}, 3600.0 + 60)
    assert fleet.wanted() == 0


def test_turning_it_off_goes_back_to_the_number_of_the_spec() -> None:
    fleet = an_autoscaled_fleet(QUICK, replicas=2)
    fleet.work({"dep_1": 24}, 10)
    assert fleet.wanted() == 6
    fleet.deployments["dep_1"] = msgspec.structs.replace(fleet.deployments["dep_1"], autoscale=None)
    fleet.steps()
    assert fleet.wanted() == 2


def test_when_it_was_used_is_written_down_now_and_then() -> None:
    fleet = an_autoscaled_fleet(QUICK)
    writes = set()
    for _ in range(60):
        fleet.work({"dep_1": 1}, 2)
        writes.add(fleet.deployments["dep_1"].last_used_at)
    assert 4 <= len(writes - {0.0}) <= 5


def test_a_crashed_engine_is_no_reason_to_forget_the_load() -> None:
    fleet = an_autoscaled_fleet(QUICK, rules=Rules())
    fleet.work({"dep_1": 12}, 10)
    fleet.report_all(ObservedPhase.FAILED)
    fleet.steps()
    assert fleet.wanted() == 3
