"""A new version that does not work is given up, once, and the old one goes on serving."""

import random
from typing import Any

import msgspec
import pytest

from roundhouse_common.contracts.catalog import Rollout, RolloutStrategy
from roundhouse_common.contracts.scheduler import Phase, Reason
from roundhouse_scheduler.domain.plan import FailureForgotten, FailureSeen, Noted, VersionGivenUp
from tests.support.rollout_world import RolloutWorld


def a_world(*, replicas: int = 3, nodes: int = 4, **rollout: Any) -> RolloutWorld:
    world = RolloutWorld(rng=random.Random(1), rollout=Rollout(**rollout), replicas=replicas, nodes=nodes)
    world.has_accidents = False
    turns(world, 10)
    assert world.is_settled()
    return world


def turns(world: RolloutWorld, count: int) -> None:
    for _ in range(count):
        world.turn()


def given_up(world: RolloutWorld) -> list[VersionGivenUp]:
    return [action for action in world.fleet.actions if isinstance(action, VersionGivenUp)]


def notes(world: RolloutWorld) -> list[str]:
    return [action.kind for action in world.fleet.actions if isinstance(action, Noted)]


def numbers(world: RolloutWorld) -> list[int]:
    return sorted(row.version_number for row in world.live() if row.is_wanted)


@pytest.mark.contract("B02")
def test_a_version_that_keeps_failing_is_given_up_once_with_its_diagnosis() -> None:
    world = a_world()
    world.activate(2, is_broken=True)
    generation = world.deployment.generation
    turns(world, 60)
    (action,) = given_up(world)
    assert (action.version_number, action.generation, action.reason) == (2, generation, Reason.VERSION_FAILED)
    assert action.detail.startswith("a replica failed 3 times in a row: engine-exited")
    assert notes(world) == ["rollout.began", "rollout.failed"]


@pytest.mark.contract("B04")
def test_it_says_which_version_serves_whatever_was_wanted_in_between() -> None:
    world = a_world()
    world.activate(2, is_broken=True)
    world.turn()
    world.activate(3, is_broken=True)
    turns(world, 60)
    (action,) = given_up(world)
    assert (action.version_number, action.serving_number) == (3, 1)
    assert numbers(world) == [1, 1, 1]


def test_where_nothing_serves_any_more_it_names_none() -> None:
    world = a_world(strategy=RolloutStrategy.RECREATE)
    world.activate(2, is_broken=True)
    turns(world, 60)
    assert [action.serving_number for action in given_up(world)] == [0]


def test_nothing_more_is_made_of_it_and_the_old_version_serves() -> None:
    world = a_world()
    world.activate(2, is_broken=True)
    turns(world, 60)
    made = len(world.fleet.replicas)
    turns(world, 20)
    assert numbers(world) == [1, 1, 1]
    assert len(world.fleet.replicas) == made
    ended = [row for row in world.fleet.replicas.values() if row.version_number == 2]
    assert {row.desired_reason for row in ended} == {Reason.VERSION_FAILED}


@pytest.mark.contract("B04")
def test_when_the_catalog_goes_back_the_old_version_is_whole_again() -> None:
    world = a_world(strategy=RolloutStrategy.RECREATE)
    world.activate(2, is_broken=True)
    turns(world, 60)
    assert numbers(world) == []
    world.roll_back()
    turns(world, 20)
    assert world.is_settled()
    assert numbers(world) == [1, 1, 1]


def test_the_version_that_takes_its_place_again_is_not_given_up_in_its_turn() -> None:
    world = a_world(strategy=RolloutStrategy.RECREATE)
    world.activate(2, is_broken=True)
    turns(world, 60)
    world.broken.add("ver_1")
    world.roll_back()
    turns(world, 60)
    assert [action.version_number for action in given_up(world)] == [2]


def test_a_changed_spec_gives_it_another_chance() -> None:
    world = a_world()
    world.activate(2, is_broken=True)
    turns(world, 60)
    world.spec(replicas=2)
    turns(world, 60)
    assert [action.version_number for action in given_up(world)] == [2, 2]
    world.broken.clear()
    world.spec(replicas=3)
    turns(world, 40)
    assert world.is_settled()


def test_a_version_that_may_not_be_rolled_back_is_tried_until_its_budget_is_spent() -> None:
    world = a_world(is_rolled_back=False)
    world.activate(2, is_broken=True)
    turns(world, 60)
    assert given_up(world) == []
    assert [row.is_spent for row in world.live() if row.version_number == 2] == [True]
    assert numbers(world) == [1, 1, 1, 2]


def test_the_first_version_of_a_deployment_is_never_rolled_back() -> None:
    world = RolloutWorld(rng=random.Random(1), rollout=Rollout(), replicas=1)
    world.has_accidents = False
    world.broken.add("ver_1")
    turns(world, 60)
    assert given_up(world) == []


def test_a_version_that_gets_no_further_is_given_up_when_its_time_is_over() -> None:
    world = a_world(nodes=1, replicas=1, progress_deadline_s=100.0)
    world.fleet.nodes["nod_0"] = msgspec.structs.replace(
        world.fleet.nodes["nod_0"], inventory=msgspec.structs.replace(world.fleet.nodes["nod_0"].inventory, engines=())
    )
    world.activate(2)
    began_at = world.fleet.now
    while not given_up(world):
        world.turn()
    assert 100.0 <= world.fleet.now - began_at <= 110.0
    assert "no further replica became available within 100 s: pending (no-feasible-node)" in given_up(world)[0].detail


def test_every_further_available_replica_gives_it_more_time() -> None:
    world = a_world(progress_deadline_s=60.0, min_ready_s=50.0)
    world.activate(2)
    turns(world, 60)
    assert given_up(world) == []
    assert world.is_settled()


def test_time_in_which_it_was_paused_does_not_count() -> None:
    world = a_world(nodes=1, replicas=1, progress_deadline_s=100.0)
    world.activate(2, is_broken=True)
    world.spec(is_paused=True)
    turns(world, 60)
    world.spec(is_paused=False)
    world.broken.clear()
    turns(world, 2)
    assert given_up(world) == []


def test_time_in_which_we_could_not_hear_does_not_count() -> None:
    world = a_world(nodes=1, replicas=1, progress_deadline_s=100.0)
    inventory = msgspec.structs.replace(world.fleet.nodes["nod_0"].inventory, engines=())
    world.fleet.nodes["nod_0"] = msgspec.structs.replace(world.fleet.nodes["nod_0"], inventory=inventory)
    world.activate(2)
    world.fleet.trusted_s = 99.0
    turns(world, 60)
    assert given_up(world) == []
    world.fleet.trusted_s = 101.0
    world.turn()
    assert len(given_up(world)) == 1


def test_one_bad_node_does_not_condemn_a_version_that_runs_elsewhere() -> None:
    world = a_world(nodes=1, replicas=2)
    world.activate(2)
    while sum(1 for row in world.live() if row.version_number == 2 and row.phase is Phase.READY) < 1:
        world.turn()
    crashing = next((row for row in world.live() if row.version_number == 2 and row.phase is not Phase.READY), None)
    while crashing is None:
        world.turn()
        crashing = next((row for row in world.live() if row.version_number == 2 and row.phase is not Phase.READY), None)
    here = msgspec.structs.replace(crashing, phase=Phase.FAILED, failures=3, node_failures=3, node_id="nod_0", pid=1)
    world.fleet.reports.clear()
    world.fleet.with_replicas(msgspec.structs.replace(here, retry_at=world.fleet.now + 60.0))
    world.fleet.step()
    assert given_up(world) == []
    elsewhere_too = msgspec.structs.replace(here, failures=4, node_failures=1, retry_at=world.fleet.now + 60.0)
    world.fleet.with_replicas(elsewhere_too)
    world.fleet.step()
    assert [action.version_number for action in given_up(world)] == [2]


def test_only_the_first_error_of_a_series_is_kept_and_success_clears_it() -> None:
    world = a_world()
    world.activate(2, is_broken=True)
    while not any(isinstance(action, FailureSeen) for action in world.fleet.actions):
        world.turn()
    turns(world, 1)
    world.broken.clear()
    turns(world, 40)
    kept = [action for action in world.fleet.actions if isinstance(action, (FailureSeen, FailureForgotten))]
    assert [(type(action), action.version_id) for action in kept] == [
        (FailureSeen, "ver_2"),
        (FailureForgotten, "ver_2"),
    ]
