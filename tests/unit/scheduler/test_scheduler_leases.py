"""What silence means: late, then (on two looks, with the brake off) lost."""

import msgspec

from roundhouse_common.contracts.node import ObservedPhase
from roundhouse_common.contracts.scheduler import EndpointState, Phase, Reason
from roundhouse_scheduler.domain.documents import endpoints_of
from roundhouse_scheduler.domain.plan import BrakeHeld
from roundhouse_scheduler.domain.records import NodeState
from tests.support.scheduler import Fleet, a_deployment, a_fleet, an_entry


def silence_all_but(fleet: Fleet, *silent: str, seconds: float, step_s: float = 1.0) -> None:
    """Let time pass while every other node is heard, looking once a second."""
    until = fleet.now + seconds
    while fleet.now < until:
        fleet.now += step_s
        fleet.hear(*(key for key in fleet.nodes if key not in silent))
        fleet.step()


def states(fleet: Fleet) -> list[EndpointState]:
    deployment = fleet.deployments["dep_1"]
    return [item.state for item in endpoints_of(deployment, fleet.live(), fleet.nodes, fleet.versions).endpoints]


def test_a_late_node_keeps_its_endpoints_as_suspect() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    silence_all_but(fleet, "nod_01", seconds=16)
    assert fleet.nodes["nod_01"].state is NodeState.LATE
    assert (fleet.only().phase, fleet.only().reason) == (Phase.UNKNOWN, Reason.NODE_LATE)
    assert states(fleet) == [EndpointState.SUSPECT]


def test_nothing_is_late_within_the_lease() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    silence_all_but(fleet, "nod_01", seconds=15)
    assert fleet.phases() == [Phase.READY]


def test_a_node_that_is_heard_again_gets_its_replicas_back_as_it_reports_them() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    silence_all_but(fleet, "nod_01", seconds=40)
    fleet.hear_all()
    fleet.step()
    assert (fleet.only().phase, fleet.only().reason) == (Phase.READY, Reason.NODE_RETURNED)
    assert states(fleet) == [EndpointState.READY]


def test_past_the_grace_a_replica_is_lost_and_replaced_elsewhere() -> None:
    fleet = a_fleet(nodes=2, replicas=2)
    silence_all_but(fleet, "nod_01", seconds=90)
    lost, kept, new = (fleet.replicas[key] for key in ("rep_new_0001", "rep_new_0002", "rep_new_0003"))
    assert (lost.phase, lost.reason, lost.node_id) == (Phase.LOST, Reason.NODE_LOST, "nod_01")
    assert (kept.phase, kept.node_id) == (Phase.READY, "nod_02")
    assert (new.phase, new.node_id, new.replaces) == (Phase.ASSIGNED, "nod_02", lost.replica_id)
    assert fleet.nodes["nod_01"].state is NodeState.UNREACHABLE


def test_one_look_is_not_enough() -> None:
    fleet = a_fleet(nodes=2, replicas=2)
    fleet.now += 120.0
    fleet.hear("nod_02")
    fleet.step()
    assert Phase.LOST not in fleet.phases()
    fleet.step(fleet.rules.second_look_s - 0.5)
    assert Phase.LOST not in fleet.phases()
    fleet.step(0.5)
    assert Phase.LOST in fleet.phases()


def test_a_node_heard_between_the_looks_loses_nothing() -> None:
    fleet = a_fleet(nodes=2, replicas=2)
    fleet.now += 120.0
    fleet.hear("nod_02")
    fleet.step()
    fleet.hear_all()
    fleet.step(fleet.rules.second_look_s)
    assert fleet.phases() == [Phase.READY, Phase.READY]
    assert all(item.overdue_since is None for item in fleet.live())


def test_each_deployment_has_its_own_grace() -> None:
    fleet = a_fleet(nodes=2, replicas=2)
    fleet.deployments["dep_1"] = a_deployment(replicas=2, disconnect_grace_s=600.0)
    silence_all_but(fleet, "nod_01", seconds=300, step_s=2.0)
    assert Phase.LOST not in fleet.phases()


def test_many_nodes_silent_together_are_not_dead() -> None:
    fleet = a_fleet(nodes=20, replicas=20)
    silence_all_but(fleet, *fleet.nodes, seconds=600, step_s=5.0)
    assert Phase.LOST not in fleet.phases()
    assert any(isinstance(action, BrakeHeld) for action in fleet.actions)


def test_one_node_in_five_may_be_given_up_two_may_not() -> None:
    one, two = a_fleet(nodes=5, replicas=5), a_fleet(nodes=5, replicas=5)
    silence_all_but(one, "nod_01", seconds=90)
    silence_all_but(two, "nod_01", "nod_02", seconds=300)
    assert one.phases().count(Phase.LOST) == 1
    assert two.phases().count(Phase.LOST) == 0


def test_the_last_stragglers_after_the_brake_get_their_whole_grace_again() -> None:
    fleet = a_fleet(nodes=20, replicas=20)
    silence_all_but(fleet, *fleet.nodes, seconds=300, step_s=5.0)
    fleet.trusted_s = 0.0
    for _ in range(60):
        fleet.now += 1.0
        fleet.trusted_s += 1.0
        fleet.hear(*(key for key in fleet.nodes if key != "nod_07"))
        fleet.step()
    assert Phase.LOST not in fleet.phases()
    assert not fleet.step().is_brake_held


def test_a_fleet_is_not_evicted_slice_by_slice() -> None:
    fleet = a_fleet(nodes=5, replicas=5)
    silence_all_but(fleet, "nod_01", seconds=90)
    silence_all_but(fleet, "nod_01", "nod_02", seconds=300)
    assert fleet.phases().count(Phase.LOST) == 1
    assert fleet.step().is_brake_held


def test_a_node_that_died_long_ago_does_not_hold_the_brake() -> None:
    fleet = a_fleet(nodes=5, replicas=5)
    silence_all_but(fleet, "nod_01", seconds=90)
    silence_all_but(fleet, "nod_01", seconds=600, step_s=5.0)
    silence_all_but(fleet, "nod_01", "nod_02", seconds=90)
    assert fleet.nodes["nod_02"].state is NodeState.UNREACHABLE


def test_without_the_bus_silence_means_nothing() -> None:
    fleet = a_fleet(nodes=2, replicas=2)
    fleet.is_listening = False
    for _ in range(60):
        fleet.step(10.0)
    assert fleet.phases() == [Phase.READY, Phase.READY]


def test_what_a_silent_node_reported_before_is_not_taken_for_news() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    silence_all_but(fleet, "nod_01", seconds=20)
    for _ in range(3):
        fleet.step(1.0)
    assert fleet.phases() == [Phase.UNKNOWN]


def test_a_report_of_an_older_epoch_says_nothing() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    fleet.report("nod_01", an_entry(fleet.only(), ObservedPhase.FAILED), epoch=0)
    fleet.step()
    assert fleet.phases() == [Phase.READY]


def test_a_report_of_another_incarnation_says_nothing() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    fleet.report("nod_01", incarnation="clone")
    for _ in range(5):
        fleet.step(2.0)
        fleet.hear_all()
    assert fleet.phases() == [Phase.READY]


def test_when_nobody_is_heard_nobody_is_given_up_however_few_they_are() -> None:
    fleet = a_fleet(nodes=1, replicas=1)
    silence_all_but(fleet, "nod_01", seconds=600, step_s=5.0)
    assert fleet.phases() == [Phase.UNKNOWN]
    assert states(fleet) == [EndpointState.SUSPECT]


def test_a_node_that_an_operator_gave_up_is_replaced_although_the_brake_holds() -> None:
    silent = ("nod_01", "nod_02", "nod_03")
    fleet = a_fleet(nodes=5, replicas=5)
    silence_all_but(fleet, *silent, seconds=120)
    assert fleet.phases().count(Phase.LOST) == 0
    fleet.nodes["nod_01"] = msgspec.structs.replace(fleet.nodes["nod_01"], is_given_up=True)
    silence_all_but(fleet, *silent, seconds=120)
    assert [item.node_id for item in fleet.live() if item.phase is Phase.LOST] == ["nod_01"]
    assert fleet.nodes["nod_01"].state is NodeState.UNREACHABLE


def test_a_node_that_was_given_up_and_is_heard_counts_again() -> None:
    fleet = a_fleet(nodes=4, replicas=4)
    silence_all_but(fleet, "nod_01", seconds=20)
    fleet.nodes["nod_01"] = msgspec.structs.replace(fleet.nodes["nod_01"], is_given_up=True)
    fleet.step()
    fleet.hear_all()
    fleet.step()
    assert (fleet.nodes["nod_01"].is_given_up, fleet.nodes["nod_01"].state) == (False, NodeState.READY)
