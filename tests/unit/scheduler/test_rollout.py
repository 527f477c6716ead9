"""One version takes over from another, and replicas leave their places: what is created and drained when."""

import random
from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.catalog import DeploymentDesired, Rollout, RolloutStrategy
from roundhouse_common.contracts.scheduler import Desired, NodeAdmission, Phase, Reason
from roundhouse_scheduler.domain.plan import Created, Noted, Wanted
from roundhouse_scheduler.domain.records import NodeDuty, Quarantine
from roundhouse_scheduler.domain.rollout import pick_to_drain
from tests.support.rollout_world import RolloutWorld
from tests.support.scheduler import GIB, a_deployment, a_fleet, a_node, a_replica, a_version, an_inventory


def a_world(*, replicas: int = 3, nodes: int = 4, **rollout: Any) -> RolloutWorld:
    """Return a world without accidents, with all replicas of version 1 ready."""
    world = RolloutWorld(rng=random.Random(1), rollout=Rollout(**rollout), replicas=replicas, nodes=nodes)
    world.has_accidents = False
    until_settled(world)
    return world


def until_settled(world: RolloutWorld, turns: int = 60) -> None:
    for _ in range(turns):
        if world.is_settled():
            return
        world.turn()
    raise AssertionError([(row.version_number, row.phase, row.desired) for row in world.live()])


def wanted_of(world: RolloutWorld, number: int) -> int:
    return sum(1 for row in world.live() if row.is_wanted and row.version_number == number)


def drains(world: RolloutWorld) -> list[Reason]:
    return [action.reason for action in world.fleet.actions if isinstance(action, Wanted)]


def told(world: RolloutWorld) -> list[str]:
    return [action.kind for action in world.fleet.actions if isinstance(action, Noted)]


@pytest.mark.contract("B04")
def test_replicas_are_replaced_one_by_one_within_the_surge() -> None:
    world = a_world(max_surge=1)
    world.activate(2)
    world.fleet.step()
    assert (wanted_of(world, 1), wanted_of(world, 2)) == (3, 1)
    until_settled(world)
    assert drains(world) == [Reason.VERSION_REPLACED] * 3
    assert told(world) == ["rollout.began", "rollout.finished"]


def test_with_more_surge_more_come_at_once() -> None:
    world = a_world(max_surge=3)
    world.activate(2)
    world.fleet.step()
    assert (wanted_of(world, 1), wanted_of(world, 2)) == (3, 3)


def test_with_some_unavailable_old_ones_go_before_new_ones_are_ready() -> None:
    world = a_world(max_surge=0, max_unavailable=2)
    world.activate(2)
    world.fleet.step()
    assert (wanted_of(world, 1), wanted_of(world, 2)) == (1, 2)
    until_settled(world)


def test_with_neither_surge_nor_unavailability_one_more_is_made_all_the_same() -> None:
    world = a_world(max_surge=0, max_unavailable=0)
    world.activate(2)
    world.fleet.step()
    assert (wanted_of(world, 1), wanted_of(world, 2)) == (3, 1)


@pytest.mark.contract("B04")
def test_recreate_ends_all_old_replicas_before_it_makes_the_first_new_one() -> None:
    world = a_world(strategy=RolloutStrategy.RECREATE)
    world.activate(2)
    world.fleet.step()
    assert (wanted_of(world, 1), wanted_of(world, 2)) == (0, 0)
    while any(row.version_number == 1 for row in world.live()):
        assert [row for row in world.live() if row.version_number == 2] == []
        world.turn()
    until_settled(world)


def test_a_new_replica_counts_only_after_it_has_been_ready_for_long_enough() -> None:
    world = a_world(min_ready_s=30.0, replicas=1)
    world.activate(2)
    while not any(row.version_number == 2 and row.phase is Phase.READY for row in world.live()):
        plan = world.turn()
    assert plan.look_again_at <= world.fleet.now + 30.001
    ready_at = world.fleet.now
    while wanted_of(world, 1) > 0:
        assert world.fleet.now < ready_at + 40.0
        world.turn()
    assert world.fleet.now >= ready_at + 30.0


@pytest.mark.contract("B04")
def test_a_second_version_in_the_middle_takes_over_from_both() -> None:
    world = a_world()
    world.activate(2)
    world.turn()
    world.activate(3)
    world.fleet.step()
    assert wanted_of(world, 2) == 0 or wanted_of(world, 1) + wanted_of(world, 2) == 3
    until_settled(world)
    assert {row.version_number for row in world.live()} == {3}


def test_going_back_in_the_middle_keeps_what_was_not_replaced_yet() -> None:
    world = a_world()
    world.activate(2)
    while wanted_of(world, 1) != 2:
        world.turn()
    kept = {row.replica_id for row in world.live() if row.version_number == 1 and row.is_wanted}
    world.activate(1)
    until_settled(world)
    assert kept <= {row.replica_id for row in world.live()}


@pytest.mark.contract("B07")
def test_scaling_in_the_middle_ends_at_the_new_number() -> None:
    world = a_world()
    world.activate(2)
    world.turn()
    world.spec(replicas=1)
    until_settled(world)
    world.activate(3)
    world.turn()
    world.spec(replicas=4)
    until_settled(world)
    assert [row.version_number for row in world.live()] == [3] * 4


def test_while_paused_the_versions_stay_beside_one_another_and_lost_ones_are_replaced() -> None:
    world = a_world()
    world.activate(2)
    while wanted_of(world, 2) != 2:
        world.turn()
    world.spec(is_paused=True)
    world.fleet.step()
    mixed = (wanted_of(world, 1), wanted_of(world, 2))
    world.silent = next(row.node_id for row in world.live() if row.version_number == 1)
    for _ in range(10):
        world.turn()
    present = [row for row in world.live() if row.is_wanted and row.phase is Phase.READY]
    assert len(present) >= 3
    assert mixed != (0, 3)
    assert "rollout.paused" in told(world)
    world.silent = ""
    world.spec(is_paused=False)
    until_settled(world)
    assert told(world)[-2:] == ["rollout.resumed", "rollout.finished"]


def test_while_paused_scaling_down_takes_the_surplus_of_both_versions() -> None:
    world = a_world(replicas=4)
    world.activate(2)
    while wanted_of(world, 2) != 2:
        world.turn()
    world.spec(is_paused=True, replicas=1)
    world.turn()
    assert wanted_of(world, 1) + wanted_of(world, 2) <= 2


def test_pausing_before_anything_was_made_keeps_the_old_version() -> None:
    world = a_world()
    world.spec(is_paused=True)
    world.activate(2)
    for _ in range(5):
        world.turn()
    assert (wanted_of(world, 1), wanted_of(world, 2)) == (3, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"duty": NodeDuty.DRAINING}, Reason.NODE_DRAINED),
        ({"duty": NodeDuty.MAINTENANCE}, Reason.NODE_DRAINED),
        ({"admission": NodeAdmission.REMOVED}, Reason.NODE_REMOVED),
    ],
)
def test_a_replica_leaves_a_node_only_when_its_replacement_is_ready(change: dict[str, Any], reason: Reason) -> None:
    world = a_world(max_surge=0, max_unavailable=1)
    node_id = world.live()[0].node_id
    world.fleet.nodes[node_id] = msgspec.structs.replace(world.fleet.nodes[node_id], **change)
    while any(row.node_id == node_id for row in world.live()):
        world.turn()
        assert sum(1 for row in world.live() if row.is_wanted and row.phase is Phase.READY) >= 3
    assert drains(world) == [reason]


def test_a_replica_leaves_a_quarantined_device() -> None:
    world = a_world(replicas=1)
    (row,) = world.live()
    world.fleet.with_replicas(msgspec.structs.replace(row, device_uuids=("GPU-1",)))
    bad = Quarantine(device_uuid="GPU-1", reason="xid 79", actor="user:usr_admin", at=world.fleet.now)
    node = world.fleet.nodes[row.node_id]
    world.fleet.nodes[row.node_id] = msgspec.structs.replace(node, quarantines=(bad,))
    until_settled_anew(world, row.replica_id)
    assert drains(world) == [Reason.DEVICE_QUARANTINED]


def until_settled_anew(world: RolloutWorld, gone: str) -> None:
    for _ in range(20):
        world.turn()
    assert gone not in {row.replica_id for row in world.live()}


def test_where_nothing_else_fits_a_drained_replica_goes_on_serving() -> None:
    world = a_world(replicas=1, nodes=1)
    world.drain("nod_0")
    for _ in range(10):
        world.turn()
    phases = {row.phase: row.is_wanted for row in world.live()}
    assert phases == {Phase.READY: True, Phase.PENDING: True}


def test_replicas_that_crash_do_not_keep_a_node_from_being_drained() -> None:
    world = a_world(replicas=3)
    leaving, *others = world.live()
    for row in others:
        world.fleet.with_replicas(msgspec.structs.replace(row, phase=Phase.FAILED, failures=5, is_spent=True))
    world.drain(leaving.node_id)
    for _ in range(20):
        world.turn()
    assert leaving.replica_id not in {row.replica_id for row in world.live()}
    assert sum(1 for row in world.live() if row.phase is Phase.READY) == 1


def test_an_old_replica_that_restarts_is_not_given_up_before_its_successor_is_there() -> None:
    world = a_world()
    world.activate(2, is_broken=True)
    first = world.live()[0]
    world.fleet.with_replicas(msgspec.structs.replace(first, phase=Phase.STARTING, ready_since=None, is_serving=False))
    world.fleet.reports.clear()
    world.fleet.step()
    assert wanted_of(world, 1) == 3


def test_scaling_down_takes_first_what_has_not_been_ready_for_long() -> None:
    rows = [a_replica(f"rep_{i}", node_id=f"nod_{i}", phase=Phase.READY, created_at=float(i)) for i in range(3)]
    assert [row.replica_id for row in pick_to_drain(rows, 1, available={"rep_1", "rep_2"})] == ["rep_0"]


@pytest.mark.parametrize("reason", [Reason.IDLE, Reason.EVICTED])
def test_what_scaling_takes_away_says_why(reason: Reason) -> None:
    world = a_world()
    world.fleet.deployments["dep_1"] = msgspec.structs.replace(
        world.deployment, is_evictable=True, target_replicas=0, target_reason=reason
    )
    world.fleet.step()
    assert drains(world) == [reason] * 3


def test_a_lost_replica_of_an_old_version_gets_no_heir_of_the_new_one() -> None:
    world = a_world()
    lost = world.live()[0]
    world.fleet.with_replicas(msgspec.structs.replace(lost, phase=Phase.LOST))
    world.silent = lost.node_id
    world.activate(2)
    world.turn()
    created = [action for action in world.fleet.actions if isinstance(action, Created)]
    assert created[-1].replaces == ""
    world.silent = ""
    until_settled(world)


def test_a_deployment_that_stops_in_the_middle_drains_both_versions() -> None:
    world = a_world()
    world.activate(2)
    world.turn()
    world.spec(desired=DeploymentDesired.STOP)
    world.fleet.step()
    assert {row.desired for row in world.live()} == {Desired.DRAIN}


def test_without_room_for_both_a_rollout_with_unavailability_goes_through() -> None:
    inventory = an_inventory(hostname="small", memory_total_bytes=2 * GIB, memory_available_bytes=2 * GIB)
    world = RolloutWorld(rng=random.Random(1), rollout=Rollout(max_unavailable=1), replicas=2, nodes=0)
    world.has_accidents = False
    world.fleet.with_nodes(a_node("nod_small", inventory=inventory))
    until_settled(world)
    world.activate(2)
    until_settled(world)


def test_an_agreeing_world_needs_nothing_more() -> None:
    fleet = a_fleet(nodes=2, replicas=3)
    assert fleet.step().is_empty
    fleet.with_deployment(a_deployment(replicas=3, version=a_version()))
    assert fleet.step().is_empty
