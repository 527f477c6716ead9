"""The invariants bite: with a safeguard taken out, a seed soon breaks one. Each mutation is one line of the product."""

from collections.abc import Mapping
from typing import Any

import pytest

from roundhouse_common.contracts.node import NodeReport
from roundhouse_node_agent.domain import reconcile as agent_reconcile
from roundhouse_scheduler.domain import leases, observe
from roundhouse_scheduler.domain.placement import filters
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.domain.rollout import scale as rollout_step
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.liveness import Liveness
from tests.simulation.chaos import chaos
from tests.simulation.simulate import SimulationFailed, simulate
from tests.simulation.test_heartbeats_late import a_fleet
from tests.simulation.world import World

_SEEDS = range(40)


def first_complaint(rules: Rules | None = None) -> str:
    """Return what the first broken seed says."""
    for seed in _SEEDS:
        try:
            simulate(chaos, seed, rules=rules)
        except SimulationFailed as failure:
            return str(failure).split("\n", maxsplit=1)[0]
    return "nothing broke"


def test_without_the_fleet_brake_a_fleet_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        await a_fleet(world)
        for node in world.nodes.values():
            node.faults.is_partitioned = True
        await world.run_for(300)

    def never(nodes: Mapping[str, Node], late: frozenset[str], *, now: float, rules: Rules) -> bool:
        return False

    monkeypatch.setattr(leases, "brake_holds", never)
    with pytest.raises(SimulationFailed, match="were given up together"):
        simulate(scenario)


def test_without_the_schedulers_second_look_a_replica_is_lost_on_one() -> None:
    assert "was lost on one look" in first_complaint(Rules(second_look_s=0.0))


def test_without_the_agents_second_look_a_damaged_bucket_stops_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_reconcile, "_agrees", lambda *_: True)
    assert "stopped the healthy engine" in first_complaint()


def test_when_old_epochs_are_accepted_a_ghost_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(self: Hearing, node_id: str, report: NodeReport) -> None:
        self._reports[node_id] = report

    monkeypatch.setattr(observe, "accepts", lambda node, report: True)
    monkeypatch.setattr(Hearing, "_take_report", everything)
    assert "a report of epoch" in first_complaint()


def test_when_claims_are_forgotten_a_node_is_claimed_beyond_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "judge_option", lambda shape, index, candidate: filters.Fit(index, 0.0))

    async def scenario(world: World) -> None:
        await world.add_node("nod_0", memory_bytes=2 * 1024**3)
        world.deploy("chat", replicas=4)
        await world.run_for(30)

    with pytest.raises(SimulationFailed, match="claim"):
        simulate(scenario)


def test_when_nothing_is_scaled_nobody_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep_all(draft: Draft, deployment: Any) -> None:
        return None

    monkeypatch.setattr(rollout_step, "_scale", keep_all)
    assert "are ready" in first_complaint()


def test_when_the_brake_leaves_no_doubt_the_last_straggler_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Liveness, "doubt", lambda self, now: None)
    monkeypatch.setattr(Liveness, "trusted_s", lambda self, now: float("inf"))

    async def scenario(world: World) -> None:
        await a_fleet(world)
        for node in world.nodes.values():
            node.faults.is_partitioned = True
        await world.run_for(200)
        for node_id in sorted(world.nodes)[:-1]:
            world.nodes[node_id].faults.is_partitioned = False
        await world.run_for(20)
        assert world.oracle.lost == [], "the last straggler was given up at once"

    with pytest.raises(SimulationFailed, match="given up at once"):
        simulate(scenario)
