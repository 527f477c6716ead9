"""The invariants bite: with a safeguard taken out, a seed soon breaks one. Each mutation is a line or two.

| taken out or broken                                          | what is seen                                    |
|--------------------------------------------------------------|-------------------------------------------------|
| the fleet brake                                              | many nodes are given up together                |
| the doubt after the brake let go                             | the last straggler is given up at once          |
| the scheduler's second look                                  | a replica is lost on one look                   |
| the agent's second look                                      | a damaged bucket stops healthy engines          |
| the comparison of epochs                                     | a ghost's report is taken                       |
| what was claimed on a host                                   | a host is claimed beyond its memory             |
| what was claimed on a device                                 | a device is claimed beyond its memory           |
| that one holder of a device has it alone                     | two engines run on it                           |
| waiting for the members of a gang's last epoch               | two epochs of a gang run at once                |
| the old version's end in a rollout                           | two versions stay active                        |
| the reason of a decision                                     | a replica is wanted stopped without a reason    |
| that only gangs are fenced                                   | a node that was cut off stops a healthy engine  |
| the lease and the term of whoever plans                      | one decides while another one leads             |
| taking up engines that a lost record does not know           | they are stopped, or stay without a record      |
| scaling                                                      | desired and observed never agree                |
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from roundhouse_common.contracts.node import NodeReport
from roundhouse_common.contracts.scheduler import Reason
from roundhouse_common.database import ReadSession
from roundhouse_node_agent.domain import reconcile as agent_reconcile
from roundhouse_node_agent.domain.replica import Replica as AgentReplica
from roundhouse_node_agent.loops import fence
from roundhouse_scheduler.domain import decide as decision
from roundhouse_scheduler.domain import leases, observe
from roundhouse_scheduler.domain.adoption import adopt_strangers
from roundhouse_scheduler.domain.gangs.members import Gang
from roundhouse_scheduler.domain.placement import filters
from roundhouse_scheduler.domain.placement.candidates import DeviceRoom
from roundhouse_scheduler.domain.plan import Draft
from roundhouse_scheduler.domain.records import Node
from roundhouse_scheduler.domain.rollout import moves
from roundhouse_scheduler.domain.rollout import scale as rollout_step
from roundhouse_scheduler.domain.rules import Rules
from roundhouse_scheduler.loops.hearing import Hearing
from roundhouse_scheduler.loops.leadership import Leadership
from roundhouse_scheduler.loops.liveness import Liveness
from tests.simulation.chaos import chaos
from tests.simulation.faults import tamper
from tests.simulation.fleet import two_devices, version_of
from tests.simulation.settled import disagreement
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

    async def scenario(world: World) -> None:
        await world.add_node("nod_0")
        world.deploy("chat", replicas=1)
        await world.until(lambda: disagreement(world), within_s=60)
        world.scheduler_faults.is_partitioned = True  # it would put it right at once
        await tamper(world)
        await world.run_for(30)

    with pytest.raises(SimulationFailed, match="stopped the healthy engine"):
        simulate(scenario)


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


def test_when_claims_on_devices_are_forgotten_one_is_claimed_beyond_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceRoom, "take", lambda self, memory_bytes, *, is_exclusive: None)

    async def scenario(world: World) -> None:
        await world.add_node("nod_0", devices=two_devices("nod_0"))
        world.deploy("embed", replicas=5, version=version_of("embed", 1))
        await world.run_for(30)

    with pytest.raises(SimulationFailed, match="more than device"):
        simulate(scenario)


def test_when_nobody_has_a_device_alone_two_engines_run_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    take = DeviceRoom.take
    monkeypatch.setattr(
        DeviceRoom, "take", lambda self, memory_bytes, *, is_exclusive: take(self, memory_bytes, is_exclusive=False)
    )

    async def scenario(world: World) -> None:
        for i in range(2):
            await world.add_node(f"nod_{i}", devices=two_devices(f"nod_{i}")[:1])
        world.deploy("wide", replicas=1, version=version_of("wide", 1))
        await world.until(lambda: disagreement(world), within_s=60)
        world.deploy("embed", replicas=1, version=version_of("embed", 1))
        await world.run_for(30)

    with pytest.raises(SimulationFailed, match="for itself alone"):
        simulate(scenario)


def test_when_a_gang_does_not_wait_two_epochs_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gang, "may_start", property(lambda self: True))
    assert "run at once" in first_complaint()


def test_when_the_old_version_is_not_stopped_two_are_active(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves._Turnover, "let_go", lambda self, candidates, *, floor: None)
    assert "two versions of" in first_complaint()


def test_a_decision_without_a_reason_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "_scaling_reason", lambda deployment: Reason.UNKNOWN)
    assert "without a reason" in first_complaint()


def test_a_node_that_fences_whatever_it_runs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(replicas: Iterable[AgentReplica], silent_s: float) -> tuple[str, ...]:
        return tuple(item.replica_id for item in replicas if item.is_active and silent_s > 20.0)

    monkeypatch.setattr(fence, "fenced", everything)
    assert "stopped the healthy engine" in first_complaint()


def test_a_scheduler_that_acts_without_the_lease_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def anybody(self: Leadership, session: ReadSession) -> None:
        return None

    async def unseen(self: Leadership, began: float) -> None:
        return None

    monkeypatch.setattr(Leadership, "check", anybody)
    monkeypatch.setattr(Leadership, "_renew", unseen)
    monkeypatch.setattr(Leadership, "is_leading", property(lambda self: self._term > 0))

    async def scenario(world: World) -> None:
        await world.add_node("nod_0")
        await world.start_scheduler("standby")
        world.deploy("chat", replicas=1)
        await world.run_for(10)
        leader = next(item for item in world.schedulers.values() if item.core is world.core)
        leader.pause()
        await world.run_for(30)
        leader.resume()
        for replicas in (3, 1, 4):
            world.deploy("chat", replicas=replicas)
            await world.run_for(10)

    with pytest.raises(SimulationFailed, match=" leads"):
        simulate(scenario)


def test_without_adoption_a_lost_record_is_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = tuple(step for step in decision.STEPS if step is not adopt_strangers)
    monkeypatch.setattr(decision, "STEPS", steps)
    complaint = first_complaint()
    assert "stopped the healthy engine" in complaint or " runs [" in complaint


def test_when_nothing_is_scaled_nobody_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep_all(draft: Draft, deployment: Any) -> None:
        return None

    monkeypatch.setattr(rollout_step, "_scale", keep_all)

    async def scenario(world: World) -> None:
        await world.add_node("nod_0")
        world.deploy("chat", replicas=1)
        await world.until(lambda: disagreement(world), within_s=60)

    with pytest.raises(SimulationFailed, match="0 of 1 are ready"):
        simulate(scenario)


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
