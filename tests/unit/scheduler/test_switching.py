"""Switches: who makes room for whom, and what becomes of it."""

import msgspec
import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.switching import Switch, SwitchState, VictimState
from tests.support.loaded_fleet import LoadedFleet
from tests.support.scheduler import GIB, a_deployment, a_node, a_version

NODE_GIB = 16


def a_full_fleet(**sizes_gib: int) -> LoadedFleet:
    """A node of 16 GiB on which these deployments run, all of them evictable. `asleep` sleeps."""
    fleet = LoadedFleet().with_nodes(a_node("nod_1"))
    assert isinstance(fleet, LoadedFleet)
    for number, (name, gib) in enumerate(sizes_gib.items(), 1):
        version = a_version(number, version_id=f"ver_{name}", memory_bytes=gib * GIB)
        fleet.versions[version.version_id] = version
        sleeps = {"target_replicas": 0, "target_reason": Reason.EVICTED} if name.startswith("asleep") else {}
        fleet.with_deployment(a_deployment(name, version=version, is_evictable=True, wake_timeout_s=60.0, **sleeps))
    fleet.work({}, 4)
    return fleet


def use(fleet: LoadedFleet, name: str) -> None:
    """A request comes and goes."""
    fleet.work({name: 1}, 2)


def change(fleet: LoadedFleet, name: str, **changes: object) -> None:
    fleet.deployments[name] = msgspec.structs.replace(fleet.deployments[name], **changes)


def ask(fleet: LoadedFleet, name: str) -> None:
    """Somebody asks for a switch over REST."""
    fleet.switches["swi_asked"] = Switch(
        switch_id="swi_asked",
        tenant_id="ten_default",
        deployment_id=name,
        actor="user:admin",
        detail="asked for",
        began_at=fleet.now,
        deadline_at=fleet.now + 60.0,
        was_asleep=fleet.deployments[name].is_sleeping,
    )
    fleet.steps()


def running(fleet: LoadedFleet) -> set[str]:
    return {row.deployment_id for row in fleet.live() if row.phase is Phase.READY and row.desired is Desired.RUN}


def states(switch: Switch) -> list[SwitchState]:
    return [step.state for step in switch.steps]


@pytest.mark.contract("A13", "A15", "D10")
def test_a_request_for_a_sleeping_model_evicts_the_one_that_was_unused_for_longest() -> None:
    fleet = a_full_fleet(old=6, new=6, asleep=6)
    use(fleet, "old")
    use(fleet, "new")
    fleet.work({}, 10)
    fleet.work({"asleep": 1}, 10)
    assert running(fleet) == {"new", "asleep"}
    switch = fleet.one_switch()
    assert switch.state is SwitchState.READY
    assert [(victim.name, victim.state) for victim in switch.victims] == [("old", VictimState.GONE)]
    assert states(switch)[-3:] == [SwitchState.EVICTING, SwitchState.STARTING, SwitchState.READY]
    assert fleet.deployments["old"].target_reason is Reason.EVICTED


def test_an_evicted_model_comes_back_with_its_next_request() -> None:
    fleet = a_full_fleet(first=10, asleep=10)
    fleet.work({}, 10)
    fleet.work({"asleep": 1}, 10)
    assert running(fleet) == {"asleep"}
    fleet.work({}, 10)
    fleet.work({"first": 1}, 10)
    assert running(fleet) == {"first"}
    assert [item.state for item in fleet.switches.values()] == [SwitchState.READY, SwitchState.READY]


def test_only_as_many_make_room_as_it_takes() -> None:
    fleet = a_full_fleet(small=2, large=8, other=6, asleep=7)
    for name in ("small", "large", "other"):
        use(fleet, name)
    fleet.work({}, 10)
    fleet.work({"asleep": 1}, 10)
    assert running(fleet) == {"small", "other", "asleep"}, "the small one was idle longer and would not have helped"


def test_several_make_room_together() -> None:
    fleet = a_full_fleet(one=5, two=5, three=5, asleep=10)
    fleet.work({}, 10)
    fleet.work({"three": 1, "asleep": 1}, 10)
    assert running(fleet) == {"three", "asleep"}
    assert {victim.name for victim in fleet.one_switch().victims} == {"one", "two"}


def test_nobody_goes_when_even_all_of_them_would_not_do() -> None:
    fleet = a_full_fleet(small=4, asleep=15)
    version = a_version(9, version_id="ver_fixed", memory_bytes=6 * GIB)
    fleet.versions["ver_fixed"] = version
    fleet.with_deployment(a_deployment("fixed", version=version))
    fleet.work({}, 10)
    fleet.work({"asleep": 1}, 20)
    assert running(fleet) == {"small", "fixed"}
    switch = fleet.one_switch()
    assert switch.state is SwitchState.WAITING
    assert switch.detail.startswith("no deployment that may be evicted would make room")


def test_a_model_in_use_is_waited_for() -> None:
    fleet = a_full_fleet(busy=10, asleep=10)
    fleet.work({"busy": 1}, 10)
    fleet.work({"busy": 1, "asleep": 1}, 20)
    assert running(fleet) == {"busy"}
    assert fleet.one_switch().detail == "waiting until busy has been idle for 5 s"
    fleet.work({"asleep": 1}, 12)
    assert running(fleet) == {"asleep"}


def test_without_room_in_time_it_fails_and_sleeps_again() -> None:
    fleet = a_full_fleet(busy=10, asleep=10)
    fleet.work({"busy": 1}, 10)
    fleet.want("asleep")
    fleet.steps()
    for _ in range(31):
        fleet.now += 2.0
        fleet.hear_all()
        fleet.tell({"busy": 1}, {"asleep": 1})
        fleet.steps()
    switch = fleet.one_switch()
    assert switch.state is SwitchState.FAILED
    assert "no room was found in time: " in switch.detail
    assert fleet.deployments["asleep"].target_reason is Reason.NO_FEASIBLE_NODE
    fleet.want("asleep", held=2)
    fleet.steps()
    assert len(fleet.switches) == 2, "a new request tries again"


def test_what_may_not_sleep_goes_on_waiting_for_room_after_its_switch_has_failed() -> None:
    fleet = a_full_fleet(busy=10)
    fleet.with_deployment(a_deployment("steady", version=a_version(2, memory_bytes=10 * GIB)))
    fleet.versions["ver_2"] = a_version(2, memory_bytes=10 * GIB)
    fleet.steps()
    [waiting] = [row.replica_id for row in fleet.live() if row.deployment_id == "steady"]
    ask(fleet, "steady")
    for _ in range(31):
        fleet.now += 2.0
        fleet.hear_all()
        fleet.tell({"busy": 1}, {})
        fleet.steps()
    assert fleet.one_switch().state is SwitchState.FAILED
    assert [row.replica_id for row in fleet.live() if row.deployment_id == "steady"] == [waiting]
    assert fleet.deployments["steady"].target_replicas is None


def test_a_switch_that_nobody_waits_for_any_more_is_given_up() -> None:
    fleet = a_full_fleet(busy=10, asleep=10)
    fleet.work({"busy": 1}, 10)
    fleet.work({"busy": 1, "asleep": 1}, 4)
    fleet.work({"busy": 1}, 8)
    assert (fleet.one_switch().state, fleet.one_switch().detail) == (
        SwitchState.CANCELLED,
        "nobody waits for it any more",
    )
    assert fleet.wanted("asleep") == 0


@pytest.mark.parametrize("spared", [{"is_evictable": False}, {"is_paused": True}, {"desired": DeploymentDesired.STOP}])
def test_who_may_not_be_evicted_stays(spared: dict[str, object]) -> None:
    fleet = a_full_fleet(first=10, asleep=10)
    fleet.work({}, 10)
    fleet.is_drained = False
    change(fleet, "first", **spared)
    fleet.work({"asleep": 1}, 20)
    assert all(not switch.victims for switch in fleet.switches.values())


def test_nobody_is_evicted_by_a_scheduler_that_has_not_heard_routers_long_enough() -> None:
    fleet = a_full_fleet(first=10, asleep=10)
    fleet.work({}, 20)
    fleet.listen_anew()
    fleet.sequence = 100
    fleet.work({"asleep": 1}, 4)
    assert running(fleet) == {"first"}
    fleet.work({"asleep": 1}, 8)
    assert running(fleet) == {"asleep"}


@pytest.mark.contract("A13", "A15")
def test_a_switch_that_is_asked_for_wakes_and_makes_room() -> None:
    fleet = a_full_fleet(first=10, asleep=10)
    fleet.work({}, 10)
    ask(fleet, "asleep")
    fleet.work({}, 6)
    assert running(fleet) == {"asleep"}
    assert fleet.one_switch().state is SwitchState.READY


def test_a_switch_to_what_runs_is_ready_at_once() -> None:
    fleet = a_full_fleet(first=10)
    ask(fleet, "first")
    assert fleet.one_switch().state is SwitchState.READY


def test_cancelling_restores_who_has_not_gone_yet() -> None:
    fleet = a_full_fleet(first=10, asleep=10)
    fleet.work({}, 10)
    fleet.is_drained = False
    ask(fleet, "asleep")
    before = fleet.serving("first")[0].replica_id
    assert [row.desired for row in fleet.live() if row.replica_id == before] == [Desired.DRAIN]
    fleet.switches["swi_asked"] = msgspec.structs.replace(fleet.one_switch(), is_cancelling=True)
    fleet.work({}, 4)
    assert running(fleet) == {"first"}
    assert fleet.serving("first")[0].replica_id == before
    assert fleet.wanted("asleep") == 0
    switch = fleet.one_switch()
    assert (switch.state, switch.victims[0].state) == (SwitchState.CANCELLED, VictimState.RESTORED)


def test_after_cancelling_only_a_new_request_wakes_it() -> None:
    fleet = a_full_fleet(first=10, asleep=10)
    fleet.work({}, 10)
    fleet.is_drained = False
    fleet.want("asleep")
    fleet.steps()
    fleet.switches = {key: msgspec.structs.replace(row, is_cancelling=True) for key, row in fleet.switches.items()}
    fleet.steps()
    for _ in range(5):
        fleet.now += 1.0
        fleet.want("asleep")
        fleet.steps()
    assert fleet.wanted("asleep") == 0
    fleet.want("asleep", held=2)
    fleet.steps()
    assert fleet.wanted("asleep") == 1


def test_two_that_want_the_same_room_take_turns_without_end() -> None:
    fleet = a_full_fleet(first=10, asleep_a=10, asleep_b=10)
    fleet.work({}, 10)
    fleet.work({"asleep_a": 1, "asleep_b": 1}, 6)
    (ready,) = running(fleet)
    waiting = {"asleep_a": "asleep_b", "asleep_b": "asleep_a"}[ready]
    fleet.work({ready: 1, waiting: 1}, 20)
    assert running(fleet) == {ready}, "the one that is in use is not evicted by the other"
    fleet.work({waiting: 1}, 14)
    assert running(fleet) == {waiting}
    evictions = [item for item in fleet.scaled("asleep_a") + fleet.scaled("asleep_b") if item[1] == 0]
    assert len(evictions) == 1


def test_two_switches_at_once_do_not_count_on_the_same_room() -> None:
    fleet = a_full_fleet(one=8, two=8, asleep_a=8, asleep_b=8)
    fleet.work({}, 10)
    fleet.work({"asleep_a": 1, "asleep_b": 1}, 10)
    assert running(fleet) == {"asleep_a", "asleep_b"}
    victims = [victim.name for switch in fleet.switches.values() for victim in switch.victims]
    assert sorted(victims) == ["one", "two"]


def test_a_new_engine_that_crashes_ends_the_switch_with_the_reason() -> None:
    fleet = a_full_fleet(first=10, asleep=10)
    fleet.work({}, 10)
    ask(fleet, "asleep")
    fleet.work({}, 2)
    (row,) = (row for row in fleet.live() if row.deployment_id == "asleep")
    fleet.replicas[row.replica_id] = msgspec.structs.replace(
        row, phase=Phase.FAILED, failures=3, is_serving=False, detail="out of memory", retry_at=fleet.now + 60
    )
    fleet.switches["swi_asked"] = msgspec.structs.replace(fleet.one_switch(), state=SwitchState.STARTING, ended_at=None)
    fleet.reports.clear()
    fleet.steps()
    assert fleet.one_switch().state is SwitchState.FAILED
    assert "out of memory" in fleet.one_switch().detail
