"""What holds of every rollout, whatever happens in the middle of it: limits at every step, and an end."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundhouse_common.contracts.catalog import DeploymentDesired, Rollout, RolloutStrategy
from roundhouse_common.contracts.scheduler import Desired, Phase, Reason
from roundhouse_scheduler.domain.plan import Plan
from roundhouse_scheduler.domain.records import NodeDuty, Replica
from tests.support.rollout_world import RolloutWorld

_TURNS_TO_SETTLE = 150


def a_node_of(world: RolloutWorld) -> str:
    return world.rng.choice(sorted(world.fleet.nodes))


def stop_or_start(world: RolloutWorld) -> None:
    is_running = world.deployment.desired is DeploymentDesired.RUN
    world.spec(desired=DeploymentDesired.STOP if is_running else DeploymentDesired.RUN)


def drain_or_return(world: RolloutWorld) -> None:
    node_id = a_node_of(world)
    is_active = world.fleet.nodes[node_id].duty is NodeDuty.ACTIVE
    world.drain(node_id, NodeDuty.DRAINING if is_active else NodeDuty.ACTIVE)


def lose_or_find_a_node(world: RolloutWorld) -> None:
    world.silent = "" if world.silent else a_node_of(world)


EVENTS: dict[str, Callable[[RolloutWorld], None]] = {
    "nothing": lambda world: None,
    "scale": lambda world: world.spec(replicas=world.rng.randint(0, 4)),
    "new version": lambda world: world.activate(max(row.number for row in world.fleet.versions.values()) + 1),
    "broken version": lambda world: world.activate(
        max(row.number for row in world.fleet.versions.values()) + 1, is_broken=True
    ),
    "earlier version": lambda world: world.activate(world.rng.randint(1, len(world.fleet.versions))),
    "pause or resume": lambda world: world.spec(is_paused=not world.deployment.is_paused),
    "stop or start": stop_or_start,
    "drain a node": drain_or_return,
    "lose a node": lose_or_find_a_node,
    "roll back": RolloutWorld.roll_back,
    "restart": lambda world: world.spec(restarts=world.deployment.restarts + 1),
}

ROLLOUTS = st.builds(
    Rollout,
    strategy=st.sampled_from([RolloutStrategy.ROLLING, RolloutStrategy.ROLLING, RolloutStrategy.RECREATE]),
    max_surge=st.integers(0, 2),
    max_unavailable=st.integers(0, 2),
    min_ready_s=st.sampled_from([0.0, 12.0]),
    progress_deadline_s=st.sampled_from([60.0, 900.0]),
    is_rolled_back=st.booleans(),
)


def is_present(row: Replica) -> bool:
    return row.is_wanted and row.phase is not Phase.LOST


class Judge:
    """Watches each decision: what it saw is the rows before the plan's own wishes, as reports had made them."""

    def __init__(self, world: RolloutWorld) -> None:
        self.world = world

    def judge(self, before: dict[str, Replica], plan: Plan) -> None:
        if self.world.deployment.desired is not DeploymentDesired.RUN:
            return
        after = {row.replica_id: row for row in self.world.live()}
        drained = [
            row
            for key, row in after.items()
            if key in before and before[key].is_wanted and row.desired is Desired.DRAIN
            if row.desired_reason is not Reason.SURVIVOR_ELSEWHERE  # not the rollout's doing
        ]
        self._judge_created(plan, after)
        self._judge_available(after, drained)
        self._judge_kept(after, drained)
        self._judge_failed(after)

    def _judge_created(self, plan: Plan, after: dict[str, Replica]) -> None:
        deployment = self.world.deployment
        if not plan.new_replicas:
            return
        assert {row.version_id for row in plan.new_replicas} == {deployment.version_id}, "two versions are active"
        assert deployment.failed_version_id != deployment.version_id, "more is made of a version that failed"
        duties = {key: node.duty for key, node in self.world.fleet.nodes.items()}
        leaves = any(duties.get(row.node_id) is NodeDuty.DRAINING for row in after.values() if row.is_held)
        needs_room = leaves or deployment.rollout.max_unavailable == 0
        surge = max(deployment.rollout.max_surge, 1 if needs_room else 0)
        present = sum(1 for row in after.values() if is_present(row))
        assert present <= deployment.wanted_replicas + surge, "more than surge allows"
        if deployment.rollout.strategy is RolloutStrategy.RECREATE and not deployment.is_paused:
            rest = [row for row in after.values() if row.version_id != deployment.version_id]
            assert all(row.phase is Phase.LOST for row in rest), "the old version was not gone yet"

    def _judge_available(self, after: dict[str, Replica], drained: list[Replica]) -> None:
        deployment = self.world.deployment
        replaced = [row for row in drained if row.version_id != deployment.version_id]
        if deployment.rollout.strategy is RolloutStrategy.RECREATE and replaced:
            return
        available = {key for key, row in after.items() if self._is_available(row)}
        left = sum(1 for row in after.values() if is_present(row) and row.replica_id in available)
        had = left + sum(1 for row in drained if row.replica_id in available)
        hopeless = sum(1 for row in after.values() if is_present(row) and row.failures >= 3)
        floor = deployment.wanted_replicas - deployment.rollout.max_unavailable
        assert left >= min(had, floor - hopeless), f"{left} of {had} available are left, {floor} must be"

    def _judge_kept(self, after: dict[str, Replica], drained: list[Replica]) -> None:
        """An old replica that does not serve just now is not given up before its successor is there."""
        deployment = self.world.deployment
        replaced = [row for row in drained if row.desired_reason is Reason.VERSION_REPLACED]
        if not replaced or deployment.rollout.strategy is RolloutStrategy.RECREATE:
            return
        present = [row for row in after.values() if is_present(row)]
        old = sum(1 for row in present if row.version_id != deployment.version_id)
        new = sum(1 for row in present if row.version_id == deployment.version_id and self._counts(row))
        floor = deployment.wanted_replicas - deployment.rollout.max_unavailable
        assert old + new >= floor, "an old replica went before its successor came"

    def _judge_failed(self, after: dict[str, Replica]) -> None:
        deployment = self.world.deployment
        if deployment.failed_version_id == deployment.version_id:
            mine = [row for row in after.values() if is_present(row) and row.version_id == deployment.version_id]
            assert all(self._is_available(row) for row in mine), "a version that failed is still tried"

    def _counts(self, row: Replica) -> bool:
        """Whether a new replica stands for an old one: it is available, or on a node that it leaves in its turn."""
        node = self.world.fleet.nodes.get(row.node_id)
        return self._is_available(row) or (node is not None and node.is_leaving)

    def _is_available(self, row: Replica) -> bool:
        min_ready_s = self.world.deployment.rollout.min_ready_s
        is_ready = row.phase is Phase.READY and row.ready_since is not None
        return is_ready and self.world.fleet.now - (row.ready_since or 0.0) >= min_ready_s


def turn(world: RolloutWorld) -> None:
    before = {row.replica_id: row for row in world.live()}
    Judge(world).judge(before, world.turn())


@pytest.mark.contract("B04")
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rollout=ROLLOUTS,
    events=st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(0, 6)), max_size=12),
)
def test_a_rollout_keeps_its_limits_and_ends(seed: int, rollout: Rollout, events: list[tuple[str, int]]) -> None:
    world = RolloutWorld(rng=random.Random(seed), rollout=rollout)
    for name, turns in events:
        EVENTS[name](world)
        for _ in range(turns):
            turn(world)
    world.repair(but=world.rng.choice(["", "nod_0", "nod_1"]))
    if world.deployment.replicas == 0:
        world.spec(replicas=2)
    for _ in range(_TURNS_TO_SETTLE):
        turn(world)
        world.roll_back()
        if world.is_settled():
            break
    assert world.is_settled(), [(row.version_number, row.phase, row.desired, row.node_id) for row in world.live()]
    turn(world)
    assert world.fleet.step().is_empty
